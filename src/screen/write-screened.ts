/**
 * The last pass of a screening, over data and log side by side: every row with its figures into the output, the rows as
 * they were into what is kept and what is dropped, and all of them into the figures of their groups.
 */

import { join } from 'node:path';
import { extremes } from './extremes.ts';
import { Groups } from './groups.ts';
import { differences } from './measure.ts';
import { type DataFile, dataFile } from './read/files.ts';
import type { DataRecord } from './read/record.ts';
import type { EndSample, ScreenResult } from './result.ts';
import { readSamples, type Sample, type SampleOptions } from './samples.ts';
import { zOf } from './screen.ts';
import { joinLog, type Logged } from './work-log.ts';
import type { Columns } from './write/columns.ts';
import { openSink, type RowSink } from './write/sink.ts';

export interface WriteOptions extends Pick<SampleOptions, 'turns' | 'maxBad'> {
  /** of the watches */
  names: readonly string[];
  /** with the log of all samples */
  folder: string;
  /** of the data's rows */
  columns: Columns;
  output: string;
  keep?: string | undefined;
  drop?: string | undefined;
  by?: string | undefined;
  /** whether there are scores */
  judged: boolean;
  /** whether they count */
  union: boolean;
  /** by watch: thresholds of differences and of scores, and what z is relative to */
  bounds: readonly (number | undefined)[];
  scoreBounds: readonly (number | undefined)[];
  usual: readonly { mean: number; sd: number }[];
  /** of the estimated base that the rows of a file share */
  variance: (file: string, trait: number) => number;
  onSample?: ((done: number) => void) | undefined;
}

/** Of samples at each end that are told of. */
const ENDS = 10;

export type Written = Pick<ScreenResult, 'all' | 'files' | 'by' | 'kept' | 'dropped'> & {
  /** by watch */
  ends: { top: EndSample[]; bottom: EndSample[] }[];
};

export async function writeScreened(data: readonly DataFile[], options: WriteOptions): Promise<Written> {
  const { names, folder, columns, bounds, by, turns } = options;
  const grouping = (): Groups => new Groups(names, bounds, options.variance);
  const [all, files, values] = [grouping(), grouping(), grouping()];
  const ends = names.map(() => extremes<Sample>(ENDS));

  await using sinks = new AsyncDisposableStack();
  const open = async (path: string, shown: Columns): Promise<RowSink> =>
    sinks.use(await openSink(path, dataFile(path).format, shown));
  const output = await open(options.output, withFigures(columns, options));
  const keep = options.keep === undefined ? undefined : await open(options.keep, columns);
  const drop = options.drop === undefined ? undefined : await open(options.drop, columns);

  let row: { record: DataRecord; over: boolean } | undefined; // its answers come one after the other
  const endRow = async (): Promise<void> => {
    if (row) await (row.over ? drop : keep)?.write(row.record.fields);
  };
  let done = 0;
  const samples = readSamples(data, {
    ...(turns && { turns }),
    ...(options.maxBad && { maxBad: options.maxBad }),
  });
  for await (const { sample, logged } of joinLog(samples, join(folder, 'rows.jsonl'))) {
    const { record } = sample;
    const difference = differences(logged!);
    all.add('all', record.file, difference);
    files.add(record.file, record.file, difference);
    if (by !== undefined) values.add(valueOf(record.fields, by), record.file, difference);
    for (const [w, value] of difference.entries()) ends[w]!.add(value, sample);

    await output.write(screenedFields(sample, logged!, options));
    const over = isOver(logged!, difference, options);
    if (row?.record === record) row.over ||= over;
    else {
      await endRow();
      row = { record, over };
    }
    options.onSample?.(++done);
  }
  await endRow();
  for (const sink of [keep, drop, output]) await sink?.finish(); // the output last: when it is there, all is

  return {
    all: all.ranking()[0]!,
    files: files.ranking(),
    ...(by !== undefined && { by: { field: by, groups: values.ranking() } }),
    ...(keep && { kept: { path: keep.path, rows: keep.rows } }),
    ...(drop && { dropped: { path: drop.path, rows: drop.rows } }),
    ends: ends.map((end) => ({ top: end.top().map(endSample), bottom: end.bottom().map(endSample) })),
  };
}

function screenedFields(
  { record, turn }: Sample,
  logged: Logged,
  { names, turns, judged, usual }: WriteOptions,
): Record<string, unknown> {
  const difference = differences(logged);
  const fields: Record<string, unknown> = { ...record.fields };
  if (turns === 'all') fields.turn = turn;
  for (const [w, name] of names.entries()) {
    fields[`${name}_projection`] = logged.projection[w] ?? null;
    fields[`${name}_base`] = logged.base[w] ?? null;
    fields[`${name}_difference`] = difference[w] ?? null;
    fields[`${name}_z`] = zOf(difference[w] ?? null, usual[w]);
    if (judged) fields[`${name}_judge`] = logged.scores?.[w] ?? null;
  }
  return fields;
}

/** The columns that screenedFields adds, after those of the data. */
function withFigures(columns: Columns, { names, turns, judged }: WriteOptions): Columns {
  const kinds = ['projection', 'base', 'difference', 'z', ...(judged ? ['judge'] : [])];
  const added = names.flatMap((name) => kinds.map((kind) => `${name}_${kind}`));
  const all: Columns = new Map(columns);
  for (const field of [...(turns === 'all' ? ['turn'] : []), ...added]) all.set(field, 'number');
  return all;
}

/** What could not be measured was not shown to be clean. */
function isOver(
  { reason, scores = [] }: Logged,
  difference: readonly (number | null)[],
  { bounds, scoreBounds, union }: WriteOptions,
): boolean {
  return reason !== undefined || isAbove(difference, bounds) || (union && isAbove(scores, scoreBounds));
}

function isAbove(values: readonly (number | null)[], bounds: readonly (number | undefined)[]): boolean {
  return values.some((value, w) => {
    const bound = bounds[w];
    return value !== null && bound !== undefined && value > bound;
  });
}

function valueOf(fields: Record<string, unknown>, field: string): string {
  const value = fields[field];
  if (value === undefined || value === null) return '(none)';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function endSample({ value, item }: { value: number; item: Sample }): EndSample {
  return { sample: item, difference: value };
}
