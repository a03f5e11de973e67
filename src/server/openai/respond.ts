/** Answers as one JSON document or as a stream, for chats and plain completions alike. */

import type { Engine } from '../../engine/engine.ts';
import { errorResponse } from '../errors.ts';
import type { Served } from '../served.ts';
import { type Answers, startAnswers } from './answers.ts';
import { personaOf, tokenReadings, wireTraits } from './persona.ts';
import type { Asked, Planned } from './plan.ts';
import { eventStream } from './sse.ts';
import type { Written, WrittenToken } from './write-choice.ts';

/** Where the two endpoints' answers differ. */
export interface Shape {
  object: string;
  chunkObject: string;
  /** the part of a choice that holds its text */
  whole(text: string): object;
  opening(): object;
  delta(text: string): object;
  closing(): object;
  logprobs(engine: Engine, tokens: readonly WrittenToken[], offset: number): Promise<object>;
}

export interface Wanted {
  logprobs: boolean;
  monitorTokens: boolean;
  includeUsage: boolean;
  /** in each chunk of a stream */
  usageSoFar: boolean;
}

export async function respond(
  served: Served,
  asked: Asked,
  wanted: Wanted,
  shape: Shape,
  gone: AbortSignal,
): Promise<Response> {
  const answers = startAnswers(served, asked, gone);
  try {
    await answers.opened;
    if (answers.held && asked.stream) answers.headers.set('x-persona-held', '1');
    if (asked.stream) {
      const chunks = chunksOf(served, answers, wanted, shape);
      return eventStream(chunks, answers.headers, () => answers.abort());
    }
    const body = await wholeOf(served, answers, wanted, shape);
    return Response.json(body, { headers: answers.headers });
  } catch (error) {
    return errorResponse(error);
  }
}

async function wholeOf(served: Served, answers: Answers, wanted: Wanted, shape: Shape): Promise<object> {
  const { engine } = served.model;
  const written = await Promise.all(answers.answers.map(({ done }) => done));
  const choices: object[] = [];
  for (const [i, answer] of answers.answers.entries()) {
    if (answer.baselineOf !== undefined) continue;
    const { text, tokens, finishReason } = written[i]!;
    const twin = answers.answers.findIndex(({ baselineOf }) => baselineOf === answer.index);
    choices.push({
      index: answer.index,
      ...shape.whole(text),
      logprobs: wanted.logprobs ? await shape.logprobs(engine, tokens, 0) : null,
      finish_reason: finishReason,
      persona: {
        ...personaOf(answer.plan, written[i]!, { tokens: wanted.monitorTokens, seed: answer.seed }),
        ...(twin >= 0 && {
          baseline: {
            text: written[twin]!.text,
            finish_reason: written[twin]!.finishReason,
            readings: wireTraits(answers.answers[twin]!.plan, written[twin]!, wanted.monitorTokens),
          },
        }),
      },
    });
  }
  return { ...headOf(served, answers, shape.object), choices, usage: usageOf(answers, written) };
}

async function* chunksOf(
  served: Served,
  answers: Answers,
  wanted: Wanted,
  shape: Shape,
): AsyncGenerator<object> {
  const { engine } = served.model;
  const head = headOf(served, answers, shape.chunkObject);
  const told = new Map<number, { tokens: number; characters: number }>();
  const usage = (): object => {
    if (wanted.usageSoFar)
      return {
        usage: countsOf(
          answers,
          told.values().map(({ tokens }) => tokens),
        ),
      };
    return wanted.includeUsage ? { usage: null } : {};
  };
  const chunk = (answer: Planned, parts: object, persona: object, finish: string | null = null): object => ({
    ...head,
    choices: [
      {
        index: answer.index,
        ...parts,
        finish_reason: finish,
        persona: {
          ...persona,
          ...(answer.baselineOf !== undefined && { baseline_of: answer.baselineOf }),
        },
      },
    ],
    ...usage(),
  });
  const textChunk = async (answer: Planned, tokens: readonly WrittenToken[]): Promise<object> => {
    const so = told.get(answer.index)!;
    const text = tokens.map((token) => token.text).join('');
    const readings = tokenReadings(answer.plan.watches, tokens, so.tokens);
    const logprobs = wanted.logprobs ? await shape.logprobs(engine, tokens, so.characters) : null;
    so.tokens += tokens.length;
    so.characters += text.length;
    return chunk(
      answer,
      { ...shape.delta(text), logprobs },
      answer.plan.watches.length > 0 ? { tokens: readings } : {},
    );
  };

  for (const answer of answers.answers) {
    told.set(answer.index, { tokens: 0, characters: 0 });
    yield chunk(answer, { ...shape.opening(), logprobs: null }, {});
  }
  const all: Written[] = [];
  for await (const update of answers.updates) {
    const { of: answer } = update;
    if ('tokens' in update) {
      yield await textChunk(answer, update.tokens);
      continue;
    }
    const { written } = update;
    all.push(written);
    const spoken = written.tokens.map((token) => token.text).join('');
    const rest = written.tokens.slice(told.get(answer.index)!.tokens);
    if (written.text !== spoken) yield chunk(answer, { ...shape.delta(written.text), logprobs: null }, {});
    else if (rest.length > 0) yield await textChunk(answer, rest);
    const summary = personaOf(answer.plan, written, { tokens: false, seed: answer.seed });
    yield chunk(answer, { ...shape.closing(), logprobs: null }, summary, written.finishReason);
  }
  if (wanted.includeUsage) yield { ...head, choices: [], usage: usageOf(answers, all) };
}

function headOf({ model }: Served, { id, time }: Answers, object: string): object {
  return {
    id,
    object,
    created: Math.floor(time.getTime() / 1000),
    model: model.identity.name,
    system_fingerprint: `persona-${model.identity.sha256.slice(0, 12)}`,
  };
}

/** Each prompt once, and all that was written for it, unsteered answers too. */
function usageOf(answers: Answers, written: readonly Written[]): object {
  const counts = countsOf(
    answers,
    written.map(({ tokens }) => tokens.length),
  );
  const cached = Math.min(counts.prompt_tokens, ...written.map((each) => each.cachedTokens));
  return { ...counts, prompt_tokens_details: { cached_tokens: cached } };
}

interface Counts {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

/** @param completions tokens of each answer */
function countsOf({ answers }: Answers, completions: Iterable<number>): Counts {
  let prompt = 0;
  for (const { length } of new Set(answers.map(({ plan }) => plan.request.prompt))) prompt += length;
  let completion = 0;
  for (const tokens of completions) completion += tokens;
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}
