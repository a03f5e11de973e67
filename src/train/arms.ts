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
import { LIKELIHOOD, likelihoodJudge } from '../judge/likelihood.ts';
import { openChatModel, type ChatModel, type OpenChatModelOptions } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import { inFlightLimit } from '../rollout/ask.ts';
import { planEvaluation, type PlannedAnswer } from '../rollout/plan-evaluation.ts';
import type { EvaluationRow } from '../steer/evaluate.ts';
import { summariseEvaluation, type EvaluationSummary } from '../steer/evaluation-summary.ts';
import type { Trait } from '../trait/trait.ts';
import { calibrationOf } from '../vector/calibration-of.ts';
import { measureCapability, type Capability } from '../vector/capability.ts';
import type { CapabilityItem } from '../vector/capability-items.ts';
import { completeLog } from '../vector/complete-log.ts';
import { isJudged, judgementSchema } from '../vector/tune.ts';
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

type Answer = Omit<EvaluationRow, 'trait' | 'coherence' | 'reason' | 'others'> & { traitName: string };

const answerSchema = z.object({
  traitName: z.string(),
  setting: z.string(),
  questionId: z.string(),
  questionIndex: z.int(),
  sample: z.int(),
  question: z.string(),
  prompt: z.string(),
  answer: z.string(),
  finishReason: z.string(),
}) as z.ZodType<Answer>;

type Scored = Answer & Pick<EvaluationRow, 'trait' | 'coherence' | 'reason' | 'others'>;
const scoredSchema = z.object({
  ...(answerSchema as unknown as z.ZodObject).shape,
  ...judgementSchema.shape,
  others: z.record(z.string(), judgementSchema).optional(),
}) as unknown as z.ZodType<Scored>;

interface CapabilityLine {
  setting: string;
  capability: Capability;
}
const capabilitySchema = z.looseObject({
  setting: z.string(),
  capability: z.looseObject({}),
}) as unknown as z.ZodType<CapabilityLine>;

/** What is in the run's folder already is not asked again. @throws PersonaError of opening models, USAGE */
export async function scoreArms(arms: readonly Arm[], options: ArmsOptions): Promise<ArmScores[]> {
  const twice = arms.find(({ name }, i) => arms.findIndex((other) => other.name === name) !== i);
  if (twice) throw new PersonaError('USAGE', `${twice.name} is there twice`);
  const answers: Answer[] = [];
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
      answers.push(...(await answersOf(arm, held, options)));
      if (options.capability)
        capability.set(arm.name, await capabilityOf(arm, held, options.capability, options));
    }
  }
  const rows = await judged(answers, options);
  return arms.map(({ name }) => ({
    name,
    evaluations: Object.fromEntries(
      options.traits.map(({ trait }) => [
        trait.name,
        summariseEvaluation(
          name,
          rows.filter(({ traitName }) => traitName === trait.name),
        ),
      ]),
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

async function answersOf(arm: Arm, held: LazyModel, options: ArmsOptions): Promise<Answer[]> {
  const { questions, samples, maxTokens, temperature } = options;
  const cells = options.traits.flatMap(({ trait }) =>
    planEvaluation(trait, { questions, samples }).map((planned) => ({
      ...planned,
      traitName: trait.name,
      setting: arm.name,
    })),
  );
  const make = async function* (missing: readonly (typeof cells)[number][]): AsyncGenerator<Answer> {
    if (missing.length === 0) return;
    const model = await held.open();
    const ask = async (cell: (typeof cells)[number], signal: AbortSignal): Promise<Answer> => {
      const { traitName, setting, questionId, questionIndex, sample, question } = cell;
      const prompt = model.render(cell.messages);
      const { text, finishReason } = await model.engine.run(
        {
          prompt,
          maxTokens,
          sampling: { temperature, seed: ownSeed(options.seed, cell) },
          ...(arm.edits && { edits: arm.edits }),
        },
        { signal },
      );
      return {
        traitName,
        setting,
        questionId,
        questionIndex,
        sample,
        question,
        prompt,
        answer: text,
        finishReason,
      };
    };
    yield* inFlight(missing, inFlightLimit(model), ask, options.signal);
  };
  return await completeLog<(typeof cells)[number], Answer>(join(options.run, 'answers.jsonl'), {
    schema: answerSchema,
    keyOf,
    items: cells,
    make,
    label: `asking ${arm.name}`,
    unit: 'answers',
    onProgress: options.onProgress,
  });
}

function keyOf({ setting, questionId, sample }: Pick<Answer, 'setting' | 'questionId' | 'sample'>): string {
  return `${setting}/${questionId}/${sample}`;
}

/** The same in every arm, so that arms differ by what they are alone. */
function ownSeed(seed: number, { questionId, sample }: Pick<PlannedAnswer, 'questionId' | 'sample'>): number {
  return seed + createHash('sha256').update(`${questionId}/${sample}`).digest().readUInt32LE();
}

async function capabilityOf(
  { name, edits }: Arm,
  held: LazyModel,
  items: readonly CapabilityItem[],
  { run, signal, onProgress }: ArmsOptions,
): Promise<Capability> {
  const [line] = await completeLog<{ setting: string }, CapabilityLine>(join(run, 'capability.jsonl'), {
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
  });
  return line!.capability;
}

async function judged(answers: readonly Answer[], options: ArmsOptions): Promise<Scored[]> {
  const { judges: choices, run, signal, onProgress } = options;
  const rows: Scored[] = [];
  await using held = new LazyModel({ parallel: 'many', ...options.engine });
  for (const { trait, vector } of options.traits) {
    const own = answers.filter(({ traitName }) => traitName === trait.name);
    const make = async function* (missing: readonly Answer[]): AsyncGenerator<Scored> {
      if (missing.length === 0) return;
      const judges: Judge[] = [];
      for (const choice of choices) {
        if (choice !== LIKELIHOOD) {
          judges.push(choice.forTrait(trait));
          continue;
        }
        const model = await held.open();
        const scale = { ...options, run: join(run, `scale-${trait.name}`) };
        judges.push(likelihoodJudge(model, trait, await calibrationOf(model, trait, vector, scale), options));
      }
      const [first, ...others] = judges;
      const limit = choices.includes(LIKELIHOOD) ? inFlightLimit(await held.open()) : JUDGING_IN_FLIGHT;
      const ask = async (answer: Answer, stop: AbortSignal): Promise<Scored> => ({
        ...answer,
        ...(await judgeBy([first!, ...others], answer, stop)),
      });
      yield* inFlight(missing, limit, ask, signal);
    };
    rows.push(
      ...(await completeLog<Answer, Scored>(join(run, 'scores.jsonl'), {
        schema: scoredSchema,
        keyOf,
        counts: isJudged,
        items: own,
        make,
        label: `judging ${trait.name} by ${choices.map(judgeName).join(' and ')}`,
        unit: 'answers',
        onProgress,
      })),
    );
  }
  return rows;
}
