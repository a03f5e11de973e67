/**
 * How far fine-tuning moved a model along persona vectors (paper §6.4): the same prompts on the base and on each tuned
 * model, the difference of their residual streams at the last prompt token, before a word is said. One model is open at
 * a time; what was read of each stays in the run folder.
 */

import { join } from 'node:path';
import type { Edit } from '../../engine/request.ts';
import { writeWhole } from '../../files/write-whole.ts';
import { LIKELIHOOD } from '../../judge/likelihood.ts';
import { type ChatModel, openChatModel } from '../../model/chat-model.ts';
import type { AppliedSteering } from '../../steer/resolve.ts';
import { judgeName } from '../../vector/score.ts';
import { type ReadPair, type Shifts, shiftsOf } from './figures.ts';
import type { Side } from './models.ts';
import { type Checkpoint, type DiffOptions, keyOf, type Plan, planDiff } from './plan.ts';
import { renderPrompt } from './prompts.ts';
import { type Read, readModel } from './reads.ts';
import { type AnswerToJudge, scoreAnswers, scoreChanges, type TraitScores } from './scores.ts';

export type { DiffOptions } from './plan.ts';

/** One tuned model against its base. */
export interface DiffResult {
  /** short, unique in its trajectory */
  name: string;
  tuned: string;
  base: string;
  adapter: boolean;
  /** the number that tells the checkpoints' names apart, where one does */
  step?: number;
  /** it is the base itself, file and steering: there is nothing to shift */
  same: boolean;
  /** at the last prompt token */
  shifts: Shifts;
  /** of the means over each model's own greedy answers */
  answers?: Shifts;
  /** by trait */
  scores?: Record<string, TraitScores>;
  judge?: string;
  steering: AppliedSteering[];
}

/**
 * Results come in the order of the trajectory: by the number in the names, else as given.
 * @throws PersonaError WRONG_MODEL where a tuned model is none of the base, or a vector of neither; USAGE; and what
 * opening models throws
 */
export async function* diff(
  base: string,
  tuned: readonly string[],
  options: DiffOptions,
): AsyncGenerator<DiffResult> {
  const plan = await planDiff(base, tuned, options);
  const pending: { result: DiffResult; checkpoint: Checkpoint; reads: Read[] }[] = [];
  const results: DiffResult[] = [];
  const keep = async (result: DiffResult): Promise<DiffResult> => {
    results.push(result);
    await writeWhole(
      join(options.run, 'diff.jsonl'),
      results.map((one) => `${JSON.stringify(one)}\n`).join(''),
    );
    return result;
  };
  const before = await readSide(plan, plan.base, [], plan.prompts, renderPrompt);
  for (const checkpoint of plan.checkpoints) {
    // on the very text that the base read, whatever the tuned model's own template is
    const after = checkpoint.same
      ? before
      : await readSide(plan, checkpoint.side, plan.edits, before, ({ prompt }) => prompt);
    const result = resultOf(plan, checkpoint, before, after);
    if (!options.judge) {
      yield await keep(result);
      continue;
    }
    pending.push({ result, checkpoint, reads: answersOnly(after) });
  }
  if (!options.judge) return;

  const scored = await judgeAll(plan, options.judge, before, pending);
  for (const [i, { result }] of pending.entries()) yield await keep({ ...result, ...scored[i]! });
}

async function readSide<T extends { id: string }>(
  { options, base, layers }: Plan,
  side: Side,
  edits: readonly Edit[],
  texts: readonly T[],
  render: (text: T, model: ChatModel) => string,
): Promise<Read[]> {
  const { engine = {}, answers } = options;
  const key = keyOf(side, edits);
  const open = (): Promise<ChatModel> => openSide(side, engine);
  return await readModel(join(options.run, `reads-${key}.jsonl`), texts, open, render, edits, {
    layers,
    maxTokens: answers?.maxTokens,
    label: side === base ? 'reading the base' : `reading ${side.given}`,
    signal: engine.signal,
    onProgress: engine.onProgress,
  });
}

function openSide({ path, lora }: Side, engine: NonNullable<DiffOptions['engine']>): Promise<ChatModel> {
  return openChatModel({ ...engine, model: path, ...(lora && { loras: [lora] }) });
}

function resultOf(
  { base, layers, watches, options, applied }: Plan,
  { side, name, step, same }: Checkpoint,
  before: readonly Read[],
  after: readonly Read[],
): DiffResult {
  const { width } = base.identity;
  const last = before.map((read, i): ReadPair => ({ base: read.last, tuned: after[i]!.last }));
  const means = before.flatMap((read, i): ReadPair[] =>
    read.mean && after[i]!.mean ? [{ base: read.mean, tuned: after[i]!.mean }] : [],
  );
  return {
    name,
    tuned: side.given,
    base: base.given,
    adapter: side.lora !== undefined,
    ...(step !== undefined && { step }),
    same,
    shifts: shiftsOf(last, layers, width, watches),
    ...(options.answers && means.length > 0 && { answers: shiftsOf(means, layers, width, watches) }),
    steering: applied,
  };
}

/** What judging needs of reads, without their activations. */
function answersOnly(reads: readonly Read[]): Read[] {
  return reads.map(({ id, prompt, answer }) => ({ id, prompt, answer, last: new Float32Array(0) }));
}

async function judgeAll(
  plan: Plan,
  { choice, pairs }: NonNullable<DiffOptions['judge']>,
  before: readonly Read[],
  pending: readonly { checkpoint: Checkpoint; reads: readonly Read[] }[],
): Promise<Pick<DiffResult, 'scores' | 'judge'>[]> {
  const { options, base, watches, traits, prompts } = plan;
  const { engine = {}, answers, run, seed = 0 } = options;
  const questions = new Map(prompts.map(({ id, question }) => [id, question]));
  const toJudge = (key: string, reads: readonly Read[]): AnswerToJudge[] =>
    reads.map(({ id, answer }) => ({
      key: `${key}/${id}`,
      question: questions.get(id)!,
      answer: answer ?? '',
    }));
  const sides = [
    { key: keyOf(base, []), reads: before },
    ...pending.map(({ checkpoint, reads }) => ({
      key: keyOf(checkpoint.side, checkpoint.same ? [] : plan.edits),
      reads,
    })),
  ];
  const all = new Map(sides.flatMap(({ key, reads }) => toJudge(key, reads)).map((one) => [one.key, one]));

  await using model = choice === LIKELIHOOD ? await openSide(base, engine) : undefined;
  const out = pending.map((): Record<string, TraitScores> => ({}));
  for (const trait of traits) {
    const vector = watches.find((watch) => watch.vector.trait === trait.name)?.vector;
    const judging = {
      run,
      pairs,
      maxTokens: answers!.maxTokens,
      seed,
      signal: engine.signal,
      onProgress: engine.onProgress,
    };
    const scores = await scoreAnswers([...all.values()], choice, trait, vector, model, judging);
    const of = (key: string, { id }: Read) => scores.get(`${key}/${id}`)!;
    for (const [i, { key, reads }] of sides.slice(1).entries())
      out[i]![trait.name] = scoreChanges(
        reads.map((read) => ({ base: of(sides[0]!.key, read), tuned: of(key, read) })),
      );
  }
  return out.map((scores) => ({ scores, judge: judgeName(choice) }));
}
