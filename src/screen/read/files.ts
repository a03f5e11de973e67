/** From what a user calls data to files that can be read: paths, folders, patterns, data sets of a hub, standard input. */

import { statSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { join } from 'node:path';
import { PersonaError } from '../../errors.ts';
import { type HubDataOptions, hubDataPaths, isHubData } from './hub-data.ts';

export type DataFormat = 'jsonl' | 'csv' | 'parquet';
export type Packing = 'gz' | 'zst';

export interface DataFile {
  path: string;
  format: DataFormat;
  /** absent: not packed */
  packing?: Packing;
}

/** As a user writes standard input. */
export const STDIN = '-';

const NAME = /\.(?<format>jsonl|ndjson|csv|parquet)(?:\.(?<packing>gz|zst))?$/i;
/** Folders that screening itself makes, beside data or in it. */
export const WORK_FOLDER = '.screen';
const NAMES = '.jsonl, .csv or .parquet; the first two also packed, as .gz or .zst';

/**
 * dataFile('a/b.csv.gz') = { path: 'a/b.csv.gz', format: 'csv', packing: 'gz' }
 * @throws PersonaError USAGE when the name says nothing of the format
 */
export function dataFile(path: string): DataFile {
  const found = NAME.exec(path)?.groups;
  if (found === undefined)
    throw new PersonaError('USAGE', `${path}: the name does not say what is in it`, {
      remedy: /\.json$/i.test(path)
        ? 'One JSON value a line is needed, in a file that ends in .jsonl: jq -c ".[]" makes it of a list.'
        : `Data is read from files that end in ${NAMES}.`,
    });
  const format = found.format!.toLowerCase().replace('ndjson', 'jsonl') as DataFormat;
  const packing = found.packing?.toLowerCase() as Packing | undefined;
  if (format === 'parquet' && packing)
    throw new PersonaError('USAGE', `${path}: Parquet is packed within already`, {
      remedy: 'Unpack it first.',
    });
  return { path, format, ...(packing && { packing }) };
}

/**
 * The files of what was given, in its order; those of a folder or pattern by their names. Data sets of a hub are
 * brought into the cache first.
 * @throws PersonaError NOT_FOUND, or USAGE of a name; of a hub also DOWNLOAD and ABORTED
 */
export async function dataFiles(given: readonly string[], hub: HubDataOptions = {}): Promise<DataFile[]> {
  const files: DataFile[] = [];
  const isData = (path: string): boolean => NAME.test(path);
  for (const one of given) {
    const paths = isHubData(one) ? await hubDataPaths(one, isData, hub) : await pathsOf(one);
    for (const path of paths) files.push(dataFile(path));
  }
  return files.filter(({ path }, i) => files.findIndex((other) => other.path === path) === i);
}

async function pathsOf(given: string): Promise<string[]> {
  const there = statSync(given, { throwIfNoEntry: false });
  if (there && !there.isDirectory()) return [given];
  const pattern = there ? join(given, '**/*') : given;
  const paths: string[] = [];
  for await (const path of glob(pattern)) if (NAME.test(path) && !isOurs(path)) paths.push(path);
  if (paths.length === 0)
    throw new PersonaError('NOT_FOUND', `${given}: there is no data`, {
      remedy: there
        ? `A folder may hold files that end in ${NAMES}.`
        : 'Check the path; a pattern wants quotes, as in "data/*.jsonl".',
    });
  return paths.sort();
}

function isOurs(path: string): boolean {
  return path.split(/[/\\]/).some((part) => part.endsWith(WORK_FOLDER));
}
