/**
 * Models beside each other, without any steering of training in them: the base, an adapter, an adapter steered while it
 * answers. Each answers a trait's evaluation questions; judges that know nothing of which is which score the answers
 * afterwards (the likelihood judge is the base itself), and capability is measured beside.
 */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { inFlight } from '../engine/in-flight.ts';
import type { Edit } from '../engine/request.ts';
import { PersonaError } from '../errors.ts';
import type { Judge } from '../judge/judge.ts';
import { LIKELIHOOD } from '../judge/likelihood.ts';
import { openChatModel, type ChatModel, type OpenChatModelOptions } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import { inFlightLimit } from '../rollout/ask.ts';
import { planEvaluation, type PlannedAnswer } from '../rollout/plan-evaluation.ts';
import {
  answerEvaluation,
  evaluationAnswerSchema,
  evaluationKey,
  evaluationRowSchema,
  type EvaluationAnswer,
  type EvaluationRow,
} from '../steer/evaluate.ts';
import { summariseEvaluation, type EvaluationSummary } from '../steer/evaluation-summary.ts';
import type { Trait } from '../trait/trait.ts';
import { measureCapability, type Capability } from '../vector/capability.ts';
import type { CapabilityItem } from '../vector/capability-items.ts';
import { completeLog } from '../vector/complete-log.ts';
import { judgeFor } from '../vector/judge-for.ts';
import { openRunFolder } from '../vector/run-folder.ts';
import { isJudged } from '../vector/tune.ts';
import { judgeName, JUDGING_IN_FLIGHT, type JudgeChoice } from '../vector/score.ts';
import { judgeBy } from '../vector/sweep.ts';
import type { PersonaVector } from '../vector/vector.ts';

export interface Arm {
  /** unique */
  name: string;
  /** GGUF LoRA; absent: the base */
  adapter?: string;
  /** while it answers */
  edits?: readonly Edit[];
}

export interface ArmScores {
  name: string;
  /** by trait */
  evaluations: Record<string, EvaluationSummary>;
  capability?: Capability;
}

export interface ArmsOptions {
  run: string;
  traits: readonly { trait: Trait; vector?: PersonaVector }[];
  questions: number;
  samples: number;
  maxTokens: number;
  temperature: number;
  seed: number;
  /** the first one's scores are the trait's, the others' stand beside */
  judges: readonly [JudgeChoice, ...JudgeChoice[]];
  /** instruction pairs of the likelihood judge */
  pairs: number;
  /** left out: not measured */
  capability?: readonly CapabilityItem[];
  engine: OpenChatModelOptions;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

interface CapabilityLine {
  setting: string;
  capability: Capability;
}
const capabilitySchema = z.looseObject({
  setting: z.string(),
  capability: z.looseObject({}),
}) as unknown as z.ZodType<CapabilityLine>;

const folderOf = (run: string): string => join(run, 'scores');

/**
 * Opens the folder of the scores, or makes it; scoreArms does it too. Called before hours of training it tells in time.
 * @throws PersonaError USAGE when it holds answers to other questions, or scores of other judges
 */
export async function openScores({
  run,
  traits,
  judges,
  capability,
  ...options
}: ArmsOptions): Promise<void> {
  const { questions, samples, maxTokens, temperature, seed, pairs } = options;
  await openRunFolder(folderOf(run), {
    what: 'scores',
    traits: traits.map(({ trait }) => ({ name: trait.name, sha256: sha256(trait) })),
    judges: judges.map(judgeName),
    ...(judges.includes(LIKELIHOOD) && { pairs }),
    ...(capability && { capability: { items: capability.length, sha256: sha256(capability) } }),
    questions,
    samples,
    maxTokens,
    temperature,
    seed,
  });
}

function sha256(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

/** What is in the run's folder already is not asked again. @throws PersonaError of opening models, USAGE */
export async function scoreArms(arms: readonly Arm[], options: ArmsOptions): Promise<ArmScores[]> {
  const twice = arms.find(({ name }, i) => arms.findIndex((other) => other.name === name) !== i);
  if (twice) throw new PersonaError('USAGE', `${twice.name} is there twice`);
  await openScores(options);
  const answers = new Map<Trait, EvaluationAnswer[]>(options.traits.map(({ trait }) => [trait, []]));
  const capability = new Map<string, Capability>();
  // arms of one adapter share its engine
  for (const adapter of new Set(arms.map((arm) => arm.adapter))) {
    const own = arms.filter((arm) => arm.adapter === adapter);
    await using held = new LazyModel({
      parallel: 'many',
      ...options.engine,
      ...(adapter !== undefined && { loras: [{ path: adapter }] }),
    });
    for (const arm of own) {
      for (const [trait, all] of answers) all.push(...(await answersOf(arm, trait, held, options)));
      if (options.capability)
        capability.set(arm.name, await capabilityOf(arm, held, options.capability, options));
    }
  }
  const evaluations: [Trait, EvaluationRow[]][] = [];
  await using judging = new LazyModel({ parallel: 'many', ...options.engine });
  for (const { trait, vector } of options.traits)
    evaluations.push([trait, await judged(answers.get(trait)!, trait, vector, judging, options)]);
  return arms.map(({ name }) => ({
    name,
    evaluations: Object.fromEntries(
      evaluations.map(([trait, rows]) => [trait.name, summariseEvaluation(name, rows)]),
    ),
    ...(capability.has(name) && { capability: capability.get(name)! }),
  }));
}

/** Opened when something is asked of it: a run that goes on may have it all. */
class LazyModel implements AsyncDisposable {
  readonly #options: OpenChatModelOptions;
  #model: ChatModel | undefined;

  constructor(options: OpenChatModelOptions) {
    this.#options = options;
  }

  async open(): Promise<ChatModel> {
    return (this.#model ??= await openChatModel(this.#options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#model?.[Symbol.asyncDispose]();
  }
}

type Cell = PlannedAnswer & { setting: string; edits: readonly Edit[] | undefined };

async function answersOf(
  { name, edits }: Arm,
  trait: Trait,
  held: LazyModel,
  options: ArmsOptions,
): Promise<EvaluationAnswer[]> {
  const cells = planEvaluation(trait, options).map((planned): Cell => ({ ...planned, setting: name, edits }));
  return await completeLog<Cell, EvaluationAnswer>(
    join(folderOf(options.run), `answers-${trait.name}.jsonl`),
    {
      schema: evaluationAnswerSchema,
      keyOf: evaluationKey,
      items: cells,
      async *make(missing) {
        if (missing.length === 0) return;
        const model = await held.open();
        const ask = (cell: Cell, signal: AbortSignal): Promise<EvaluationAnswer> =>
          answerEvaluation(model, cell, options, signal);
        yield* inFlight(missing, inFlightLimit(model), ask, options.signal);
      },
      label: `asking ${name}`,
      unit: 'answers',
      onProgress: options.onProgress,
    },
  );
}

async function capabilityOf(
  { name, edits }: Arm,
  held: LazyModel,
  items: readonly CapabilityItem[],
  { run, signal, onProgress }: ArmsOptions,
): Promise<Capability> {
  const [line] = await completeLog<{ setting: string }, CapabilityLine>(
    join(folderOf(run), 'capability.jsonl'),
    {
      schema: capabilitySchema,
      keyOf: ({ setting }) => setting,
      items: [{ setting: name }],
      make: async function* (missing) {
        if (missing.length === 0) return;
        const report =
          onProgress &&
          ((progress: Progress): void => onProgress({ ...progress, label: `capability of ${name}` }));
        const capability = await measureCapability(await held.open(), items, {
          edits,
          signal,
          onProgress: report,
        });
        yield { setting: name, capability };
      },
      label: `capability of ${name}`,
      unit: 'models',
    },
  );
  return line!.capability;
}

async function judged(
  answers: readonly EvaluationAnswer[],
  trait: Trait,
  vector: PersonaVector | undefined,
  held: LazyModel,
  options: ArmsOptions,
): Promise<EvaluationRow[]> {
  const { judges: choices, signal, onProgress } = options;
  const folder = folderOf(options.run);
  return await completeLog<EvaluationAnswer, EvaluationRow>(join(folder, `scores-${trait.name}.jsonl`), {
    schema: evaluationRowSchema,
    keyOf: evaluationKey,
    counts: isJudged,
    items: answers,
    async *make(missing) {
      if (missing.length === 0) return;
      const scale = { ...options, run: join(folder, `scale-${trait.name}`) };
      const judges: Judge[] = [];
      for (const choice of choices)
        judges.push((await judgeFor(choice, () => held.open(), trait, vector, scale)).judge);
      const [first, ...others] = judges;
      const limit = choices.includes(LIKELIHOOD) ? inFlightLimit(await held.open()) : JUDGING_IN_FLIGHT;
      const ask = async (answer: EvaluationAnswer, stop: AbortSignal): Promise<EvaluationRow> => ({
        ...answer,
        ...(await judgeBy([first!, ...others], answer, stop)),
      });
      yield* inFlight(missing, limit, ask, signal);
    },
    label: `judging ${trait.name} by ${choices.map(judgeName).join(' and ')}`,
    unit: 'answers',
    onProgress,
  });
}
