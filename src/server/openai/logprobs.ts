/** Log-probabilities in OpenAI's two forms: of chats, and of plain completions. */

import type { Engine } from '../../engine/engine.ts';
import type { WrittenToken } from './write-choice.ts';

/** of each model, the text of its tokens by id; at most its vocabulary */
const known = new WeakMap<Engine, Map<number, string>>();

export async function chatLogprobs(engine: Engine, tokens: readonly WrittenToken[]): Promise<object> {
  const texts = await textsOf(engine, tokens);
  return {
    content: tokens.map(({ logprobs }, i) => ({
      ...named(texts[i]!, logprobs!.logprob),
      top_logprobs: logprobs!.top.map(({ text, logprob }) => named(text, logprob)),
    })),
    refusal: null,
  };
}

/** @param offset characters of the answer before these tokens */
export async function plainLogprobs(
  engine: Engine,
  tokens: readonly WrittenToken[],
  offset: number,
): Promise<object> {
  let at = offset;
  return {
    tokens: await textsOf(engine, tokens),
    token_logprobs: tokens.map(({ logprobs }) => logprobs!.logprob),
    top_logprobs: tokens.map(({ logprobs }) =>
      Object.fromEntries(logprobs!.top.map(({ text, logprob }) => [text, logprob])),
    ),
    text_offset: tokens.map(({ text }) => (at += text.length) - text.length),
  };
}

/** bytes: null where they are no whole characters */
function named(token: string, logprob: number): object {
  return { token, logprob, bytes: token.includes('\uFFFD') ? null : [...Buffer.from(token)] };
}

async function textsOf(engine: Engine, tokens: readonly WrittenToken[]): Promise<string[]> {
  const texts = known.get(engine) ?? new Map<number, string>();
  known.set(engine, texts);
  for (const { logprobs } of tokens)
    for (const { token, text } of logprobs?.top ?? []) texts.set(token, text);
  const missing = [...new Set(tokens.map(({ token }) => token).filter((token) => !texts.has(token)))];
  if (missing.length > 0) {
    const { pieces } = await engine.detokenize(missing);
    missing.forEach((token, i) => texts.set(token, pieces[i]!));
  }
  return tokens.map(({ token }) => texts.get(token)!);
}
