/**
 * Asks a model in many roles and as it usually is, and sums the activations as they come, role by role: the means of
 * thousands of answers would not fit into memory. What a killed run left is read again from the text.
 */

import { join } from 'node:path';
import { z } from 'zod';
import { inFlight } from '../engine/in-flight.ts';
import { inRole } from '../judge/in-role.ts';
import { addScaled } from '../math/vector.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import { answerOf, inFlightLimit, readMeans, type AskOptions } from '../rollout/ask.ts';
import { roleRolloutSchema, type PlannedRole, type RoleRollout } from '../rollout/plan-roles.ts';
import type { RolloutMeans } from '../rollout/rollout.ts';
import { openRunLog } from './run-folder.ts';

/** One line of rollouts.jsonl. */
export interface JudgedRole extends RoleRollout {
  /** log-likelihood per token under the role over that under no prompt; null for usual and for empty answers */
  inRole: number | null;
}

const judgedSchema: z.ZodType<JudgedRole> = z.intersection(
  roleRolloutSchema,
  z.object({ inRole: z.number().nullable() }),
);

/** Likelier in the role than without it. */
export const IN_ROLE_ABOVE = 0;

/** Whether an answer counts: usual ones always, those of a role when they are in it. */
function countsAs({ role, answer, inRole: likelier }: JudgedRole): boolean {
  return answer !== '' && (role === null || (likelier !== null && likelier > IN_ROLE_ABOVE));
}

export interface RoleSum {
  asked: number;
  kept: number;
  /** of the answer means that count, (layers × d) */
  sum: Float64Array;
}

export interface RoleAnswers {
  /** in the order of the plan */
  rollouts: JudgedRole[];
  /** by role; null: as the model usually is */
  sums: Map<string | null, RoleSum>;
  /** mean residual norm over the answers that count, (layers) */
  residualNorms: Float32Array;
}

export interface RoleAnswersOptions extends AskOptions {
  run: string;
  /** how many of the first questions make the axis; answers to others are for the baseline */
  questions: number;
  onProgress?: ((progress: Progress) => void) | undefined;
  onNote?: ((note: string) => void) | undefined;
}

export async function answerInRoles(
  model: ChatModel,
  plan: readonly PlannedRole[],
  options: RoleAnswersOptions,
): Promise<RoleAnswers> {
  const { layers, width } = model.identity;
  const { rows, log } = await openRunLog(join(options.run, 'rollouts.jsonl'), judgedSchema, (row) => row.id);
  await using _ = log;
  if (rows.length > 0)
    options.onNote?.(`going on with ${rows.length} rollouts of ${plan.length} from ${log.path}`);
  const done = new Map(rows.map((row) => [row.id, row]));
  const norms = new Float64Array(layers);
  let kept = 0;
  const sums = new Map<string | null, RoleSum>();
  for (const { role } of plan)
    if (!sums.has(role)) sums.set(role, { asked: 0, kept: 0, sum: new Float64Array(layers * width) });

  const take = (row: JudgedRole, { means, residualNorms }: RolloutMeans): void => {
    if (!countsAs(row) || row.questionIndex >= options.questions) return;
    if (!means.response_avg || !residualNorms) return;
    const sum = sums.get(row.role)!;
    sum.kept++;
    addScaled(sum.sum, means.response_avg);
    addScaled(norms, residualNorms);
    kept++;
  };
  const tell = (): void =>
    options.onProgress?.({ label: 'asking', done: done.size, total: plan.length, unit: 'rollouts' });

  const ask = async (planned: PlannedRole, signal: AbortSignal): Promise<[JudgedRole, RolloutMeans]> => {
    const { rollout, ...read } = await answerOf(model, planned, options, signal);
    const likelier = rollout.role === null ? undefined : await inRole(model, rollout, signal);
    return [{ ...rollout, inRole: likelier ?? null }, read];
  };
  tell();
  const missing = plan.filter(({ id }) => !done.has(id));
  for await (const [row, read] of inFlight(missing, inFlightLimit(model), ask, options.signal)) {
    await log.append(row);
    done.set(row.id, row);
    take(row, read);
    tell();
  }

  const unread = rows.filter((row) => countsAs(row) && row.questionIndex < options.questions);
  const reread = async (row: JudgedRole, signal: AbortSignal): Promise<[JudgedRole, RolloutMeans]> => [
    row,
    await readMeans(model, row, signal),
  ];
  let again = 0;
  for await (const [row, read] of inFlight(unread, inFlightLimit(model), reread, options.signal)) {
    take(row, read);
    options.onProgress?.({ label: 'reading', done: ++again, total: unread.length, unit: 'rollouts' });
  }

  for (const { role, questionIndex } of plan) if (questionIndex < options.questions) sums.get(role)!.asked++;
  const rollouts = plan.map(({ id }) => done.get(id)!);
  return { rollouts, sums, residualNorms: Float32Array.from(norms, (x) => x / kept) };
}
