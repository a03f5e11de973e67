/**
 * The assistant axis of a model (paper §13.3): asked in many roles and as it usually is, the direction that leads from
 * the roles to the assistant, with the bounds of a cap that keeps it there.
 */

import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PersonaError } from '../errors.ts';
import { version } from '../files/package-version.ts';
import { norm } from '../math/vector.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import { planRoles, planUsual } from '../rollout/plan-roles.ts';
import { spread, type RoleSet } from '../rollout/roles.ts';
import { assistantAxis } from './axis.ts';
import { axisQuality } from './axis-figures.ts';
import { answerInRoles, IN_ROLE_ABOVE, type JudgedRole, type RoleSum } from './axis-rollouts.ts';
import { baselineOf, projectAnswers } from './baseline.ts';
import { writeVector } from './file.ts';
import { openRunFolder } from './run-folder.ts';
import type { Baseline, PersonaVector } from './vector.ts';

/** How much is asked; what is more than there is means all. */
export interface AxisSizes {
  /** spread over the list */
  roles: number;
  /** of each role */
  prompts: number;
  /** asked in every role, and of the model as it usually is */
  questions: number;
  /** asked of the model as it usually is, for its baseline */
  usualQuestions: number;
  /** of an answer */
  maxTokens: number;
}

export interface AxisOptions extends AxisSizes {
  run: string;
  /** also writes the vector there */
  output?: string | undefined;
  seed: number;
  /** @default the middle of the depth */
  layer?: number | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  onNote?: ((note: string) => void) | undefined;
}

export interface AxisExtraction {
  vector: PersonaVector;
  path: string;
  /** roles with too few answers in role, least first */
  leftOut: { name: string; kept: number; asked: number }[];
}

export const AXIS_TRAIT = 'assistant';

/** As the source samples (paper §13.3). */
const TEMPERATURE = 0.7;
const TOP_P = 0.9;

/** Answers whose tokens make the bounds: some hundred thousand tokens, of which a percentile is sure to a digit or two. */
const CALIBRATION_ANSWERS = 1000;

/** Answers in role that a role needs: ten (the source's least), or half of what was asked. leastKept(4) = 2 */
export function leastKept(asked: number): number {
  return Math.min(10, Math.ceil(asked / 2));
}

/** The part of a list that is asked. */
export function chooseRoles(set: RoleSet, { roles, prompts, questions }: AxisSizes): RoleSet {
  return {
    neutral: set.neutral,
    questions: set.questions.slice(0, questions),
    roles: spread(set.roles, roles).map((role) => ({ ...role, prompts: role.prompts.slice(0, prompts) })),
  };
}

/**
 * @throws PersonaError EMPTY_SIDE where too few roles, or no usual answer, are left; USAGE when the run folder holds
 * another run, or the layer is not in the model
 */
export async function extractAxis(
  model: ChatModel,
  set: RoleSet,
  options: AxisOptions,
): Promise<AxisExtraction> {
  const { layers, width, name } = model.identity;
  const { maxTokens, seed, layer = Math.floor(layers / 2) } = options;
  if (layer >= layers)
    throw new PersonaError('USAGE', `there is no layer ${layer} in a model of ${layers}`, {
      remedy: `${name} has layers 0 to ${layers - 1}.`,
    });
  const chosen = chooseRoles(set, options);
  const questions = chosen.questions.length;
  const usualQuestions = set.questions.slice(0, Math.max(questions, options.usualQuestions));
  const sha256 = createHash('sha256')
    .update(JSON.stringify([chosen, usualQuestions]))
    .digest('hex');
  await openRunFolder(options.run, {
    trait: AXIS_TRAIT,
    rolesSha256: sha256,
    model: model.identity,
    roles: chosen.roles.length,
    questions,
    usualQuestions: usualQuestions.length,
    maxTokens,
    temperature: TEMPERATURE,
    topP: TOP_P,
    seed,
  });

  const plan = [...planUsual({ neutral: set.neutral, questions: usualQuestions }), ...planRoles(chosen)];
  const sampling = { temperature: TEMPERATURE, topP: TOP_P };
  const { rollouts, sums, residualNorms } = await answerInRoles(model, plan, {
    ...options,
    ...sampling,
    questions,
  });
  const { usual, roles, counts, leftOut } = sorted(sums);
  const directions = assistantAxis([usual], [...roles.values()]);
  const { baseline, tokens } = await calibrate(model, directions, rollouts, options);

  const vector: PersonaVector = {
    trait: AXIS_TRAIT,
    kind: 'response_avg',
    model: model.identity,
    directions,
    residualNorms,
    baseline,
    layer,
    coefficient: 1, // from the roles' mean to the assistant, once
    recipe: {
      created: new Date().toISOString(),
      questions,
      maxTokens,
      temperature: TEMPERATURE,
      seed,
      axis: {
        sha256,
        roles: counts,
        neutral: set.neutral,
        questions: chosen.questions,
        topP: TOP_P,
        filter: { above: IN_ROLE_ABOVE, least: Math.max(...counts.map(({ asked }) => leastKept(asked))) },
      },
    },
    quality: {
      norms: Array.from({ length: layers }, (_, b) => norm(directions.subarray(b * width, (b + 1) * width))),
      axis: axisQuality({ model: model.identity, axis: directions, layer, roles, baseline, tokens }),
    },
    version,
  };
  const path = join(options.run, 'vector.gguf');
  await writeVector(path, vector);
  if (options.output !== undefined) {
    await mkdir(dirname(options.output), { recursive: true });
    await writeVector(options.output, vector);
  }
  return { vector, path, leftOut };
}

interface Sorted {
  /** means, (layers × d) */
  usual: Float32Array;
  roles: Map<string, Float32Array>;
  counts: { name: string; kept: number; asked: number }[];
  leftOut: { name: string; kept: number; asked: number }[];
}

/** Means of the roles that have enough answers in role. */
function sorted(sums: ReadonlyMap<string | null, RoleSum>): Sorted {
  const roles = new Map<string, Float32Array>();
  const counts: Sorted['counts'] = [];
  const leftOut: Sorted['leftOut'] = [];
  for (const [name, one] of sums) {
    if (name === null) continue;
    const count = { name, kept: one.kept, asked: one.asked };
    counts.push(count);
    if (one.kept < leastKept(one.asked)) leftOut.push(count);
    else roles.set(name, meanOf(one));
  }
  leftOut.sort((a, b) => a.kept / a.asked - b.kept / b.asked);
  const usual = sums.get(null);
  if (!usual || usual.kept === 0)
    throw new PersonaError('EMPTY_SIDE', 'all answers of the model as it usually is are empty', {
      remedy: 'raise --max-tokens, or ask more questions (--questions)',
    });
  if (roles.size < 2)
    throw new PersonaError(
      'EMPTY_SIDE',
      `${roles.size} of ${counts.length} roles have enough answers that are likelier in role than without it: ` +
        counts.map(({ name, kept, asked }) => `${name} ${kept} of ${asked}`).join(', '),
      {
        remedy:
          'ask more roles (--roles-count) and questions (--questions), or give roles of your own (--roles)',
      },
    );
  return { usual: meanOf(usual), roles, counts, leftOut };
}

function meanOf({ kept, sum }: RoleSum): Float32Array {
  return Float32Array.from(sum, (x) => x / kept);
}

/** What is usual, and the projections of the tokens of answers of all kinds, per layer. */
async function calibrate(
  model: ChatModel,
  directions: Float32Array,
  rollouts: readonly JudgedRole[],
  { signal, onProgress }: AxisOptions,
): Promise<{ baseline: Baseline; tokens: number[][] }> {
  const answers = rollouts.filter(({ answer }) => answer !== '');
  const calibrating = new Set(spread(answers, CALIBRATION_ANSWERS));
  const read = answers.filter((answer) => answer.role === null || calibrating.has(answer));
  const tokens: number[][] = Array.from({ length: model.identity.layers }, () => []);
  const usual: number[][][] = [];
  let done = 0;
  for await (const { item, projections } of projectAnswers(model, directions, read, signal)) {
    if (item.role === null) usual.push(projections);
    if (calibrating.has(item)) for (const [b, values] of projections.entries()) tokens[b]!.push(...values);
    onProgress?.({ label: 'projecting', done: ++done, total: read.length, unit: 'answers' });
  }
  return { baseline: baselineOf(usual)!, tokens };
}
