/** Screening as a stream, for programs: rows of data in, the same rows with their figures out, in order. */

import type { ChatModel } from '../model/chat-model.ts';
import type { ChatMessage } from '../model/template.ts';
import { differences } from './measure.ts';
import { dataFiles } from './read/files.ts';
import type { HubDataOptions } from './read/hub-data.ts';
import { screenSet, type SetOptions } from './screen-set.ts';

export interface ScreenedTrait {
  /** ⟨mean over the answer's tokens, v⟩/‖v‖ */
  projection: number | null;
  base: number | null;
  /** projection − base */
  difference: number | null;
  /** of the difference, in standard deviations of the reference; null without one */
  z: number | null;
}

export interface ScreenedRow {
  file: string;
  /** line of JSONL and CSV, place in a Parquet file; from 1 */
  row: number;
  /** which of the row's answers, from 0 */
  turn: number;
  /** the row as it was read */
  fields: Record<string, unknown>;
  asked: ChatMessage[];
  answer: string;
  /** by the names of the watches */
  traits: Record<string, ScreenedTrait>;
  /** why there are no figures, where there are none */
  reason?: string;
}

export interface ScreenOptions extends SetOptions {
  /** by the names of the watches: what the differences of clean data are */
  reference?: Readonly<Record<string, { mean: number; sd: number }>>;
  /** how data sets of a hub are fetched */
  hub?: HubDataOptions;
}

/**
 * @param source files, folders, patterns, or data sets of a hub (`hf:owner/repo:train/*.parquet`): JSONL, CSV, Parquet
 * @throws PersonaError ABORTED; of reading the data (BAD_FILE, NOT_FOUND, USAGE); of the engine
 * @example
 * for await (const { row, traits } of screen(model, 'data/*.jsonl', { watches, method: 'prompt' }))
 *   console.log(row, traits.evil?.difference);
 */
export async function* screen(
  model: ChatModel,
  source: string | readonly string[],
  options: ScreenOptions,
): AsyncGenerator<ScreenedRow> {
  const { watches, reference } = options;
  const files = await dataFiles(typeof source === 'string' ? [source] : source, {
    signal: options.signal,
    ...options.hub,
  });
  for await (const { sample, logged } of screenSet(model, files, options)) {
    const { record, turn, asked, answer } = sample;
    const found = differences(logged);
    yield {
      file: record.file,
      row: record.row,
      turn,
      fields: record.fields,
      asked,
      answer,
      traits: Object.fromEntries(
        watches.map(({ name }, w) => {
          const difference = found[w] ?? null;
          const z = zOf(difference, reference?.[name]);
          return [
            name,
            { projection: logged.projection[w] ?? null, base: logged.base[w] ?? null, difference, z },
          ];
        }),
      ),
      ...(logged.reason !== undefined && { reason: logged.reason }),
    };
  }
}

/** null where there is nothing to be told, or no spread to tell it by. */
export function zOf(value: number | null, usual: { mean: number; sd: number } | undefined): number | null {
  return value === null || usual === undefined || !(usual.sd > 0) ? null : (value - usual.mean) / usual.sd;
}
