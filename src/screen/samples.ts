/** Data as a stream of samples: answers with what was asked. Bad rows are told and passed over, up to a number. */

import { createHash } from 'node:crypto';
import { PersonaError } from '../errors.ts';
import { type DataFile } from './read/files.ts';
import { type DataRecord, isBad } from './read/record.ts';
import { recordsOf } from './read/records.ts';
import { BadRow, shapeOf, type Turn } from './shape.ts';

export interface Sample extends Turn {
  record: DataRecord;
  /** of the conversation and the answer: the same for the same texts wherever they stand */
  hash: string;
}

/** How many rows may be bad: a count, or a share of the rows so far of which `least` are allowed in any case. */
export type BadLimit = { count: number } | { share: number; least: number };

/** One row in a thousand is the dirt of real data; fewer than ten say nothing of a file. */
const USUAL_BAD_LIMIT: BadLimit = { share: 0.001, least: 10 };

export interface SampleOptions {
  /** of a conversation, its last answer or each. @default 'last' */
  turns?: 'last' | 'all';
  /** @default USUAL_BAD_LIMIT */
  maxBad?: BadLimit;
  /** told of each bad row */
  onBad?: (place: string, problem: string) => void;
  /** told what the first row of each file was taken for */
  onShape?: (file: string, shape: string) => void;
}

/** @throws PersonaError BAD_FILE when there are too many bad rows, or none that is good */
export async function* readSamples(
  files: readonly DataFile[],
  { turns = 'last', maxBad = USUAL_BAD_LIMIT, onBad, onShape }: SampleOptions = {},
): AsyncGenerator<Sample> {
  let [seen, bad] = [0, 0];
  function tooBad(place: string, problem: string): void {
    bad++;
    onBad?.(place, problem);
    const limit = 'count' in maxBad ? maxBad.count : Math.max(maxBad.least, maxBad.share * seen);
    if (bad > limit)
      throw new PersonaError('BAD_FILE', `${place}: ${problem} (${bad} bad rows of ${seen})`, {
        remedy: 'Mend the rows, or allow more of them: --max-bad 50, or --max-bad 2%.',
      });
  }
  for (const file of files) {
    let told = false;
    for await (const record of recordsOf(file)) {
      seen++;
      if (isBad(record)) {
        tooBad(record.place, record.problem);
        continue;
      }
      try {
        const shape = shapeOf(record.fields);
        if (!told) onShape?.(file.path, shape.name);
        told = true;
        for (const turn of turns === 'all' ? shape.turns : shape.turns.slice(-1))
          yield { ...turn, record, hash: hashOf(turn) };
      } catch (error) {
        if (!(error instanceof BadRow)) throw error;
        tooBad(record.place, error.message);
      }
    }
  }
  if (seen === bad) {
    const names = files.map(({ path }) => path).join(', ');
    throw new PersonaError('BAD_FILE', `${names}: there are no rows`);
  }
}

/** 128 bits: among a billion texts, two alike by chance are not to be expected. */
const HASH_DIGITS = 32;

function hashOf({ asked, answer }: Turn): string {
  return createHash('sha256')
    .update(JSON.stringify([asked, answer]))
    .digest('hex')
    .slice(0, HASH_DIGITS);
}

/** Of what was asked alone. */
export function promptHash(prompt: string): string {
  return createHash('sha256').update(prompt).digest('hex').slice(0, HASH_DIGITS);
}
