/**
 * The judge `openai:MODEL` at any OpenAI-compatible address, by the reference's algorithm (paper §3.1): one user message,
 * one token, temperature 0, and the expectation over the numbers among its twenty likeliest spellings.
 *
 * Servers that tell no probabilities, and models whose tokens are single digits (the first digit of 85 is no score),
 * are asked to write their number out instead; a note says so.
 */

import { type OpenAiClient, openOpenAiClient, type OpenAiClientOptions } from '../model/openai-client.ts';
import { askedJudge, type RawAnswer } from './asked.ts';
import type { JudgeCache } from './cache.ts';
import { expectation, pythonInt, withoutThoughts } from './expectation.ts';
import type { OpenedJudge } from './judge.ts';

/** A number needs three, a word before it some more, and thoughts some hundreds. Answers end long before. */
const TEXT_TOKENS = 1024;

export function openOpenAiJudge(options: OpenAiClientOptions, cache: JudgeCache): OpenedJudge {
  const client = openOpenAiClient(options);
  const name = `openai:${client.model}`;
  return askedJudge({
    name,
    identity: `${name} ${client.address}`,
    cache,
    used: () => client.usage(),
    ask: asker(client, options.onNote),
  });
}

function asker(
  client: OpenAiClient,
  onNote: ((note: string) => void) | undefined,
): (prompt: string, signal: AbortSignal | undefined) => Promise<RawAnswer> {
  // what is known of the server's numbers: are they read from probabilities, or from its text?
  let way: 'unknown' | 'tokens' | 'text' = 'unknown';

  async function written(prompt: string, signal: AbortSignal | undefined): Promise<string> {
    return (await client.complete({ ...userMessage(prompt), maxTokens: TEXT_TOKENS }, signal)).text;
  }
  function fromNowOnText(why: string): void {
    if (way !== 'unknown') return;
    way = 'text';
    onNote?.(`openai:${client.model} ${why}: scores are the numbers that it writes, not expectations`);
  }

  return async (prompt, signal) => {
    if (way === 'text') return { text: await written(prompt, signal) };
    const request = { ...userMessage(prompt), maxTokens: 1, topLogprobs: 20 };
    const { firstToken } = await client.complete(request, signal);
    if (firstToken === undefined) {
      fromNowOnText('tells no log-probabilities');
      return { text: await written(prompt, signal) };
    }
    const tokens = [...firstToken].map(([token, logprob]): [string, number] => [
      token,
      Math.exp(Math.min(0, logprob)),
    ]);
    if (tokens.some(([token]) => (pythonInt(token) ?? 0) >= 10)) way = 'tokens';
    // single digits only: the number is one, or goes on in the next token
    if (way !== 'tokens' && expectation(new Map(tokens)).value !== null) {
      const text = await written(prompt, signal);
      if (/^\s*\d\d/.test(withoutThoughts(text))) {
        fromNowOnText('has numbers in several tokens');
        return { text };
      }
    }
    return { tokens };
  };
}

function userMessage(content: string): {
  messages: { role: 'user'; content: string }[];
  temperature: 0;
  seed: 0;
} {
  return { messages: [{ role: 'user', content }], temperature: 0, seed: 0 };
}
