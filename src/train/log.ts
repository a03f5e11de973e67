/** train.jsonl: what each step and each look at a run came to, for going on, for its page and for other tools. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readJsonl } from '../files/jsonl.ts';
import { meanInterval, type MeanInterval } from '../math/mean-interval.ts';
import { deviation, mean } from '../math/statistics.ts';
import type { Look, StepDone } from './job.ts';
import type { TrainPlan } from './plan.ts';

export type TrainLine = ({ kind: 'step' } & StepDone) | ({ kind: 'look' } & Look);

const lineSchema = z.looseObject({
  kind: z.enum(['step', 'look']),
  step: z.int(),
}) as unknown as z.ZodType<TrainLine>;

export function logPath(folder: string): string {
  return join(folder, 'train.jsonl');
}

/** None where there is no log; a torn last line is left out. */
export async function readLog(folder: string): Promise<TrainLine[]> {
  const path = logPath(folder);
  if (!existsSync(path)) return [];
  const lines: TrainLine[] = [];
  for await (const { value } of readJsonl(path, lineSchema, { onTorn: () => {} })) lines.push(value);
  return lines;
}

/** How far a watched direction moved, over the prompts of one set. */
export interface WatchedShift {
  name: string;
  layer: number;
  /** set of prompts */
  prompts: string;
  /** mean projection before training, and now; units of activation norm */
  base: number;
  now: number;
  shift: number;
  /** 95 % of the mean shift, over the prompts */
  interval: MeanInterval;
  /** of the base's projections over the prompts: what `sd` counts in */
  sd: number;
}

export interface TrainLook {
  step: number;
  shifts: WatchedShift[];
  /** undefined where nothing is held out */
  heldLoss: number | undefined;
}

/** What a look shows beside the first one. */
export function besideFirst({ job, watches }: TrainPlan, first: Look, look: Look): TrainLook {
  return {
    step: look.step,
    heldLoss: look.heldLoss,
    shifts: job.prompts.flatMap(({ name: prompts }, p) =>
      watches.map(({ name, layer }, w) => {
        const base = first.projections[p]![w]!;
        const now = look.projections[p]![w]!;
        const moved = now.map((value, i) => value - base[i]!);
        return {
          name,
          layer,
          prompts,
          base: mean(base),
          now: mean(now),
          shift: mean(moved),
          interval: meanInterval(moved.length, mean(moved), deviation(moved)),
          sd: deviation(base),
        };
      }),
    ),
  };
}
