/**
 * Earlier exchanges that show the trait: the model's own answers to the extraction questions under positive
 * instructions. They are asked and judged once; the best answer to each question is kept, those with the highest
 * scores first.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { inFlight } from '../engine/in-flight.ts';
import { readJson } from '../files/read-json.ts';
import { writeWhole } from '../files/write-whole.ts';
import type { Judge, Judgement } from '../judge/judge.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import { inFlightLimit } from '../rollout/ask.ts';
import { systemPrompt } from '../trait/instruction.ts';
import type { Trait } from '../trait/trait.ts';
import { completeLog } from '../vector/complete-log.ts';
import { isSettled } from '../vector/score.ts';
import { judgementSchema } from '../vector/tune.ts';
import type { Exchange } from './conditions.ts';

/** Answers to each question, each under another instruction, of which the best one is taken. */
const CANDIDATES = 2;
/** Tokens of an exchange's answer at most: some sentences, so that twenty exchanges fit into a small context. */
const SHOT_TOKENS = 96;
/** Tokens of a question and of the marks around a turn, with room to spare. */
const QUESTION_ROOM = 40;

/** Context that so many exchanges take. */
export function roomForShots(count: number): number {
  return count * (SHOT_TOKENS + QUESTION_ROOM);
}

export interface ScoredExchange extends Exchange {
  trait: number;
}

/** One line of shots.jsonl. */
interface Candidate extends Judgement {
  question: string;
  questionIndex: number;
  instructionIndex: number;
  answer: string;
}

const candidateSchema = z.object({
  question: z.string(),
  questionIndex: z.int(),
  instructionIndex: z.int(),
  answer: z.string(),
  ...judgementSchema.shape,
}) as z.ZodType<Candidate>;

const exchangesSchema: z.ZodType<ScoredExchange[]> = z.array(
  z.object({ question: z.string(), answer: z.string(), trait: z.number() }),
);

export interface ShotOptions {
  run: string;
  maxTokens: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** The choice is kept (shots.json): a run that goes on shows the same exchanges. */
export async function gatherShots(
  model: ChatModel,
  trait: Trait,
  judge: Judge,
  options: ShotOptions,
): Promise<ScoredExchange[]> {
  const chosen = join(options.run, 'shots.json');
  if (existsSync(chosen)) return await readJson(chosen, exchangesSchema);
  const pairs = trait.instruction.length;
  const plan = trait.questions.flatMap((question, questionIndex) =>
    Array.from({ length: Math.min(CANDIDATES, pairs) }, (_, k) => ({
      question,
      questionIndex,
      instructionIndex: (CANDIDATES * questionIndex + k) % pairs,
    })),
  );
  const ask = async (item: (typeof plan)[number], signal: AbortSignal): Promise<Candidate> => {
    const system = systemPrompt(trait, 'pos', item.instructionIndex);
    const { text, finishReason } = await model.engine.run(
      {
        prompt: model.render([
          { role: 'system', content: system },
          { role: 'user', content: item.question },
        ]),
        maxTokens: Math.min(options.maxTokens, SHOT_TOKENS),
        sampling: { temperature: 0 },
      },
      { signal },
    );
    const answer = (finishReason === 'length' ? wholeSentences(text) : text).trim();
    return { ...item, answer, ...(await judge.judge({ ...item, answer }, signal)) };
  };
  const candidates = await completeLog<(typeof plan)[number], Candidate>(join(options.run, 'shots.jsonl'), {
    schema: candidateSchema,
    keyOf,
    counts: isSettled,
    items: plan,
    make: (missing) => inFlight(missing, inFlightLimit(model), ask, options.signal),
    label: 'exchanges to show',
    unit: 'answers',
    onProgress: options.onProgress,
  });
  const exchanges = bestExchanges(candidates);
  await writeWhole(chosen, `${JSON.stringify(exchanges, null, 2)}\n`);
  return exchanges;
}

/** The best answer to each question, highest score first; answers without a score are none. */
export function bestExchanges(
  candidates: readonly Pick<Candidate, 'question' | 'answer' | 'trait'>[],
): ScoredExchange[] {
  const best = new Map<string, ScoredExchange>();
  for (const { question, answer, trait } of candidates) {
    if (answer === '' || trait === null) continue;
    if (trait > (best.get(question)?.trait ?? -Infinity)) best.set(question, { question, answer, trait });
  }
  return [...best.values()].sort((a, b) => b.trait - a.trait);
}

/** An answer that ran out of tokens, without its last half sentence: models take up the habit of breaking off. */
export function wholeSentences(text: string): string {
  return /^.*[.!?]["”’)]*(?=\s|$)/s.exec(text)?.[0] ?? text;
}

function keyOf({
  questionIndex,
  instructionIndex,
}: Pick<Candidate, 'questionIndex' | 'instructionIndex'>): string {
  return `${questionIndex}/${instructionIndex}`;
}

export interface FittedShots {
  /** in the order asked for, each once */
  counts: number[];
  /** what had to be left out, in words */
  notes: string[];
}

/** As many exchanges as were asked for, or as many as there are and as fit into the context with a question and its answer. */
export async function fitShots(
  model: ChatModel,
  exchanges: readonly Exchange[],
  wanted: readonly number[],
  questions: readonly string[],
  maxTokens: number,
  render: (exchanges: readonly Exchange[], question: string) => string,
): Promise<FittedShots> {
  const { contextPerRequest, trainContext } = model.engine.info;
  const room = Math.min(contextPerRequest, trainContext) - maxTokens;
  const length = async (count: number, question: string): Promise<number> =>
    (await model.engine.tokenize(render(exchanges.slice(0, count), question), true)).length;
  const lengths = await Promise.all(questions.map((question) => length(0, question)));
  const longest = questions[lengths.indexOf(Math.max(...lengths))]!;
  const notes: string[] = [];
  const counts: number[] = [];
  for (const count of wanted) {
    const available = Math.min(count, exchanges.length);
    let fitting = available;
    while (fitting > 0 && (await length(fitting, longest)) > room) fitting--;
    if (available < count) notes.push(`there are ${available} earlier exchanges with a score, not ${count}`);
    if (fitting < available)
      notes.push(
        `${available} earlier exchanges do not fit into ${room + maxTokens} tokens with an answer: cut to ${fitting} (--context)`,
      );
    counts.push(fitting);
  }
  return { counts: [...new Set(counts)], notes };
}
