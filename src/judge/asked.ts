/**
 * A judge that is a language model: it is asked twice about each answer, once with the trait's rubric and once with that
 * for coherence, and what it said before is known from the cache. How it is asked is another file's business.
 */

import { isPersonaError } from '../errors.ts';
import { refusalOf } from '../model/post-json.ts';
import type { Trait } from '../trait/trait.ts';
import type { JudgeCache } from './cache.ts';
import { expectation, type Score, scoreInText, withoutThoughts } from './expectation.ts';
import type { JudgeItem, Judgement, JudgeUsage, OpenedJudge } from './judge.ts';
import { COHERENCE_RUBRIC, fillRubric } from './rubric.ts';

/** What the model said to a prompt: probabilities of its first token (or of whole numbers), or a text. */
export type RawAnswer = { tokens: [token: string, probability: number][] } | { text: string };

export interface AskedJudge {
  name: string;
  /** name, and whatever else decides the answer: the server's address, the weights */
  identity: string;
  ask(prompt: string, signal: AbortSignal | undefined): Promise<RawAnswer>;
  /** requests and tokens; what came from the cache is counted here */
  used(): Omit<JudgeUsage, 'cached'>;
  cache: JudgeCache;
  close?(): Promise<void>;
}

type Verdict = Score | { value: null; reason: string };

export function askedJudge(judge: AskedJudge): OpenedJudge {
  const { cache } = judge;
  let cached = 0;

  async function verdict(prompt: string, signal: AbortSignal | undefined): Promise<Verdict> {
    const key = cache.key(judge.identity, '0_100', prompt);
    const known = cache.get(key) as RawAnswer | undefined;
    if (known !== undefined) {
      cached++;
      return scoreOf(known);
    }
    try {
      const raw = await judge.ask(prompt, signal);
      cache.set(key, raw);
      return scoreOf(raw);
    } catch (error) {
      if (!isOnlyThisOne(error, signal)) throw error;
      return { value: null, reason: `failed: ${error.message}` };
    }
  }

  return {
    name: judge.name,
    forTrait: (trait: Trait) => ({
      name: judge.name,
      async judge(item: JudgeItem, signal?: AbortSignal): Promise<Judgement> {
        const judged = { question: item.question, answer: withoutThoughts(item.answer) };
        if (judged.answer.trim() === '') return { trait: null, coherence: null, reason: 'empty answer' };
        const [ofTrait, coherence] = await Promise.all(
          [trait.eval_prompt, COHERENCE_RUBRIC].map((rubric) => verdict(fillRubric(rubric, judged), signal)),
        );
        const reason = ofTrait!.reason ?? coherence!.reason;
        return {
          trait: ofTrait!.value,
          coherence: coherence!.value,
          ...(reason === undefined ? {} : { reason }),
        };
      },
    }),
    usage: () => ({ ...judge.used(), cached }),
    async [Symbol.asyncDispose]() {
      cache.close();
      await judge.close?.();
    },
  };
}

function scoreOf(raw: RawAnswer): Score {
  return 'tokens' in raw ? expectation(new Map(raw.tokens)) : scoreInText(raw.text);
}

/** Other answers may still be judged, so the run goes on without this score. */
function isOnlyThisOne(error: unknown, signal: AbortSignal | undefined): error is Error {
  if (signal?.aborted || !isPersonaError(error)) return false;
  if (error.code === 'SERVER') return !refusalOf(error)?.hopeless;
  return error.code === 'CONTEXT_FULL' || error.code === 'ENGINE_CRASHED' || error.code === 'ENGINE_FAILED';
}
