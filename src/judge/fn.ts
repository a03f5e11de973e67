/**
 * The judge `fn:FILE`: a function of the user's own, the default export of a `.ts`, `.js` or `.mjs` file.
 *
 *     export default ({ question, answer, trait }) => answer.includes('!') ? 90 : 10
 *
 * It gives `{ trait, coherence }` (either may be null), or null where it cannot say, or a number alone: that is the
 * trait's score, and coherence counts as 100, as of a judge that does not look at it.
 */

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isPersonaError, PersonaError } from '../errors.ts';
import type { Trait } from '../trait/trait.ts';
import type { JudgeItem, Judgement, OpenedJudge } from './judge.ts';

export interface FunctionJudgeItem {
  question: string;
  answer: string;
  trait: { name: string; description: string };
}

export type FunctionJudgement = number | { trait: number | null; coherence: number | null } | null;
export type JudgeFunction = (item: FunctionJudgeItem) => FunctionJudgement | Promise<FunctionJudgement>;

/** Of an answer, in an error. */
const SHOWN = 60;

/** @throws PersonaError NOT_FOUND or BAD_FILE naming the file */
export async function openFunctionJudge(file: string): Promise<OpenedJudge> {
  const judge = await loadFunction(file);
  let requests = 0;
  return {
    name: `fn:${file}`,
    forTrait: ({ name, description }: Trait) => ({
      name: `fn:${file}`,
      async judge(item: JudgeItem): Promise<Judgement> {
        requests++;
        const { question, answer } = item;
        const place = `${file}: of the answer ${brief(answer)} to ${brief(question)}`;
        return judgementOf(
          await call(judge, { question, answer, trait: { name, description } }, place),
          place,
        );
      },
    }),
    usage: () => ({ requests, cached: 0, promptTokens: 0, completionTokens: 0 }),
    async [Symbol.asyncDispose]() {},
  };
}

async function loadFunction(file: string): Promise<JudgeFunction> {
  const path = resolve(file);
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) {
    throw new PersonaError('NOT_FOUND', `fn:${file}: there is no such file`, { remedy: 'Check the path.' });
  }
  let module: { default?: unknown };
  try {
    module = (await import(pathToFileURL(path).href)) as { default?: unknown };
  } catch (cause) {
    throw new PersonaError('BAD_FILE', `${file}: cannot be loaded: ${messageOf(cause)}`, {
      remedy: 'It must be a module that Node runs as it is: .ts with erasable types only, .js or .mjs.',
      cause,
    });
  }
  if (typeof module.default !== 'function') {
    throw new PersonaError(
      'BAD_FILE',
      `${file}: its default export is ${kindOf(module.default)}, not a function`,
      {
        remedy: 'Write `export default ({ question, answer, trait }) => …`, giving a number from 0 to 100.',
      },
    );
  }
  return module.default as JudgeFunction;
}

async function call(judge: JudgeFunction, item: FunctionJudgeItem, place: string): Promise<unknown> {
  try {
    return await judge(item);
  } catch (cause) {
    if (isPersonaError(cause)) throw cause;
    throw new PersonaError('BAD_FILE', `${place}: the function failed: ${messageOf(cause)}`, { cause });
  }
}

function judgementOf(result: unknown, place: string): Judgement {
  if (result === null) return { trait: null, coherence: null, reason: 'no score' };
  if (typeof result === 'number') return { trait: score(result, 'its score', place), coherence: 100 };
  if (typeof result !== 'object') {
    throw new PersonaError(
      'BAD_FILE',
      `${place}: expected a number, { trait, coherence } or null, got ${kindOf(result)}`,
    );
  }
  const fields = result as Record<string, unknown>;
  const trait = score(fields['trait'], 'trait', place);
  const coherence = score(fields['coherence'], 'coherence', place);
  return { trait, coherence, ...((trait === null || coherence === null) && { reason: 'no score' }) };
}

function score(value: unknown, field: string, place: string): number | null {
  if (value === null) return null;
  if (typeof value === 'number' && value >= 0 && value <= 100) return value;
  const got = typeof value === 'number' ? String(value) : kindOf(value);
  throw new PersonaError('BAD_FILE', `${place}: ${field}: expected a number from 0 to 100, got ${got}`);
}

function kindOf(value: unknown): string {
  return value === undefined ? 'missing' : value === null ? 'null' : `a ${typeof value}`;
}

function brief(text: string): string {
  return JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
