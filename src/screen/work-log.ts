/**
 * The log of screening: a line a sample, in the order of the data, with a key by which it is known again. Data and log
 * are read side by side, so that a killed run goes on where it was with nothing of either in memory.
 */

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { z } from 'zod';
import { PersonaError } from '../errors.ts';
import { readJsonl } from '../files/jsonl.ts';
import type { Measured } from './measure.ts';
import type { Sample } from './samples.ts';

const numbers = z.array(z.number().nullable());

export interface Logged extends Measured {
  file: string;
  row: number;
  turn: number;
  hash: string;
  /** of judges, by watch */
  scores?: (number | null)[] | undefined;
}

const loggedSchema = z.object({
  file: z.string(),
  row: z.number(),
  turn: z.number(),
  hash: z.string(),
  projection: numbers,
  base: numbers,
  scores: numbers.optional(),
  reason: z.string().optional(),
}) as z.ZodType<Logged>;

export function loggedOf(
  { record, turn, hash }: Sample,
  found: Omit<Logged, 'file' | 'row' | 'turn' | 'hash'>,
): Logged {
  return { file: record.file, row: record.row, turn, hash, ...found };
}

/** The lines that are there now, not those that come while it is read. */
async function* readLogged(path: string): AsyncGenerator<Logged> {
  const { size } = await stat(path);
  if (size === 0) return;
  const bytes = createReadStream(path, { end: size - 1 });
  try {
    for await (const { value } of readJsonl({ name: path, bytes }, loggedSchema)) yield value;
  } finally {
    bytes.destroy();
  }
}

export interface Joined {
  sample: Sample;
  /** absent: not in the log yet */
  logged?: Logged;
}

/**
 * Each sample with its line of the log, as far as that goes.
 * @throws PersonaError USAGE when the data is not that of the log
 */
export async function* joinLog(samples: AsyncIterable<Sample>, log: string): AsyncGenerator<Joined> {
  const lines = readLogged(log);
  let over = false;
  try {
    for await (const sample of samples) {
      const next: IteratorResult<Logged> = over ? { done: true, value: undefined } : await lines.next();
      if (next.done) {
        over = true;
        yield { sample };
        continue;
      }
      if (!isOf(next.value, sample)) throw changed(sample.record.place, log);
      yield { sample, logged: next.value };
    }
    if (!over && !(await lines.next()).done) throw changed('the end of the data', log);
  } finally {
    await lines.return(undefined);
  }
}

function isOf(logged: Logged, { record, turn, hash }: Sample): boolean {
  return (
    logged.file === record.file && logged.row === record.row && logged.turn === turn && logged.hash === hash
  );
}

function changed(place: string, log: string): PersonaError {
  return new PersonaError('USAGE', `${place}: the data is no longer what ${log} tells of`, {
    remedy: 'Give another file (-o), or remove that log to begin anew.',
  });
}
