/**
 * A screening from data to files, in three passes: the reference, the data (both logged row by row, so that a killed run
 * goes on), and once more over data and log, which by then say what every row is to be held against.
 */

import { join } from 'node:path';
import { PersonaError } from '../errors.ts';
import type { ChatModel } from '../model/chat-model.ts';
import { openRunFolder, type RunConfig } from '../vector/run-folder.ts';
import { agreementWith, type MethodAgreement } from './agreement.ts';
import { extremes } from './extremes.ts';
import { Groups, type Group } from './groups.ts';
import { histogram, type Histogram } from './histogram.ts';
import { differences } from './measure.ts';
import type { DataFile } from './read/files.ts';
import { referenceFolder } from './reference.ts';
import { readSamples, type Sample } from './samples.ts';
import { zOf } from './screen.ts';
import { screenSet, type SetOptions } from './screen-set.ts';
import { sortedQuantile } from '../math/statistics.ts';
import { Tally } from './tally.ts';
import { resolveThresholds, type Threshold } from './threshold.ts';
import { joinLog } from './work-log.ts';
import { addColumns, type Columns } from './write/columns.ts';
import { dataFile } from './read/files.ts';
import { openSink, type RowSink } from './write/sink.ts';

export interface RunOptions extends Omit<SetOptions, 'folder' | 'onBase'> {
  /** what the logs depend on: a folder with another is not gone on with */
  config: RunConfig;
  output: string;
  keep?: string | undefined;
  drop?: string | undefined;
  reference?: readonly DataFile[] | undefined;
  thresholds: readonly Threshold[];
  /** of the judges' scores */
  judgeThresholds: readonly Threshold[];
  /** a row is over also when a judge's score is */
  union?: boolean | undefined;
  /** a field by whose values figures are told too */
  by?: string | undefined;
  /** rows on which the method is compared with `difference` */
  agreement?: number | undefined;
  onStep?: ((label: string, done: number, old: boolean) => void) | undefined;
  onNote?: ((note: string) => void) | undefined;
}

/** A sample at one end of a set, with its value. */
export interface EndSample {
  sample: Sample;
  difference: number;
}

export interface TraitResult {
  name: string;
  layer: number;
  n: number;
  /** of the differences of the whole set; `p` by percent, 1 … 99 */
  mean: number;
  sd: number;
  min: number;
  max: number;
  quantiles: Record<string, number>;
  /** what z is relative to */
  usual: { mean: number; sd: number; n: number };
  threshold?: number;
  judgeThreshold?: number;
  histogram: Histogram;
  top: EndSample[];
  bottom: EndSample[];
}

export interface RunResult {
  output: string;
  samples: number;
  /** why samples have no figures, and how many */
  unmeasured: Record<string, number>;
  /** whether `usual` is of the reference, or of the set itself */
  against: 'reference' | 'set';
  traits: TraitResult[];
  all: Group;
  files: Group[];
  by?: { field: string; groups: Group[] };
  kept?: { path: string; rows: number };
  dropped?: { path: string; rows: number };
  agreement?: MethodAgreement;
}

/** Of samples at each end that are told of. */
const ENDS = 10;

/** @throws PersonaError of the data, of the engine, of thresholds, USAGE when the output's folder is of another run */
export async function runScreening(
  model: ChatModel,
  data: readonly DataFile[],
  options: RunOptions,
): Promise<RunResult> {
  const { watches, judges, union = false, onStep, onNote } = options;
  const names = watches.map(({ name }) => name);
  const folder = `${options.output}.screen`;
  await openRunFolder(folder, options.config);

  // 1. the reference
  let usual: Tally[] | undefined;
  let usualScores: Tally[] | undefined;
  if (options.reference) {
    [usual, usualScores] = [tallies(names), tallies(names)];
    const own = await referenceFolder(options.reference, options.config, folder);
    let done = 0;
    for await (const { logged, old } of screenSet(model, options.reference, {
      ...setOptions(options),
      judges: union ? judges : undefined,
      folder: own,
    })) {
      addAll(usual, differences(logged));
      addAll(usualScores, logged.scores);
      onStep?.('screening the reference', ++done, old);
    }
  }

  // 2. the data
  const own = tallies(names);
  const ownScores = tallies(names);
  const columns: Columns = new Map();
  const bases = new Map<string, readonly Tally[]>();
  const reasons = new Map<string, number>();
  let samples = 0;
  for await (const { sample, logged, old } of screenSet(model, data, {
    ...setOptions(options),
    judges,
    folder,
    onBase: (file, base) => bases.set(file, base),
  })) {
    addAll(own, differences(logged));
    addAll(ownScores, logged.scores);
    if (logged.reason !== undefined) reasons.set(logged.reason, (reasons.get(logged.reason) ?? 0) + 1);
    addColumns(columns, sample.record.fields);
    onStep?.('screening', ++samples, old);
  }
  if (own.every(({ n }) => n === 0))
    throw new PersonaError(
      'BAD_FILE',
      `none of ${samples} answers could be measured: ${[...reasons.keys()][0]}`,
    );
  if (usual?.some(({ n }) => n < 2))
    throw new PersonaError('BAD_FILE', 'the reference has fewer than two answers that could be measured');
  const agreement =
    options.agreement === undefined
      ? undefined
      : await agreementWith(model, data, { ...setOptions(options), n: options.agreement, folder });

  // 3. what every row is held against
  const bounds = resolveThresholds(options.thresholds, names, usual ?? own);
  const scoreBounds = judges
    ? resolveThresholds(
        options.judgeThresholds,
        names,
        usualScores?.some(({ n }) => n > 0) ? usualScores : ownScores,
      )
    : names.map(() => undefined);
  const compared = usual ?? own;
  const variance = (file: string, w: number): number => {
    const base = bases.get(file)?.[w];
    return base === undefined || base.n < 2 ? 0 : base.sd ** 2 / base.n;
  };
  const [all, byFile, byField] = [1, 2, 3].map(() => new Groups(names, bounds, variance)) as [
    Groups,
    Groups,
    Groups,
  ];
  const ends = names.map(() => extremes<Sample>(ENDS));

  const inputColumns: Columns = new Map(columns);
  if (options.turns === 'all') columns.set('turn', 'number');
  for (const name of names)
    for (const field of traitFields(name, judges !== undefined)) columns.set(field, 'number');
  await using sinks = new AsyncDisposableStack();
  const open = async (path: string, shown: Columns): Promise<RowSink> =>
    sinks.use(await openSink(path, dataFile(path).format, shown));
  const output = await open(options.output, columns);
  const keep = options.keep === undefined ? undefined : await open(options.keep, inputColumns);
  const drop = options.drop === undefined ? undefined : await open(options.drop, inputColumns);
  let row: { record: Sample['record']; over: boolean } | undefined; // its answers come one after the other
  async function endRow(): Promise<void> {
    if (row) await (row.over ? drop : keep)?.write(row.record.fields);
  }
  let written = 0;
  for await (const { sample, logged } of joinLog(
    readSamples(data, quiet(options)),
    join(folder, 'rows.jsonl'),
  )) {
    const found = logged!;
    const { record, turn } = sample;
    const difference = differences(found);
    all.add('all', record.file, difference);
    byFile.add(record.file, record.file, difference);
    if (options.by !== undefined) byField.add(valueOf(record.fields, options.by), record.file, difference);
    for (const [w, value] of difference.entries()) ends[w]!.add(value, sample);
    const fields: Record<string, unknown> = { ...record.fields };
    if (options.turns === 'all') fields.turn = turn;
    for (const [w, name] of names.entries()) {
      fields[`${name}_projection`] = found.projection[w] ?? null;
      fields[`${name}_base`] = found.base[w] ?? null;
      fields[`${name}_difference`] = difference[w] ?? null;
      fields[`${name}_z`] = zOf(difference[w] ?? null, compared[w]);
      if (judges) fields[`${name}_judge`] = found.scores?.[w] ?? null;
    }
    await output.write(fields);

    // what could not be measured was not shown to be clean
    const over =
      found.reason !== undefined ||
      isOver(difference, bounds) ||
      (union && isOver(found.scores ?? [], scoreBounds));
    if (row?.record !== record) {
      await endRow();
      row = { record, over };
    } else row.over ||= over;
    onStep?.('writing', ++written, true);
  }
  await endRow();
  for (const sink of [keep, drop, output]) await sink?.finish(); // the output last: when it is there, all is
  for (const note of notesOf(options, usualScores)) onNote?.(note);

  return {
    output: options.output,
    samples,
    unmeasured: Object.fromEntries(reasons),
    against: usual ? 'reference' : 'set',
    traits: watches.map(({ name, layer }, w): TraitResult => {
      const { n, mean, sd, min, max } = own[w]!;
      const [bound, scoreBound] = [bounds[w], scoreBounds[w]];
      return {
        name,
        layer,
        n,
        mean,
        sd,
        min,
        max,
        quantiles: quantilesOf(own[w]!),
        usual: { mean: compared[w]!.mean, sd: compared[w]!.sd, n: compared[w]!.n },
        ...(bound !== undefined && { threshold: bound }),
        ...(scoreBound !== undefined && { judgeThreshold: scoreBound }),
        histogram: histogram(own[w]!, usual?.[w]),
        top: ends[w]!.top().map(endSample),
        bottom: ends[w]!.bottom().map(endSample),
      };
    }),
    all: all.ranking()[0]!,
    files: byFile.ranking(),
    ...(options.by !== undefined && { by: { field: options.by, groups: byField.ranking() } }),
    ...(keep && { kept: { path: keep.path, rows: keep.rows } }),
    ...(drop && { dropped: { path: drop.path, rows: drop.rows } }),
    ...(agreement && { agreement }),
  };
}

function setOptions(options: RunOptions): Omit<SetOptions, 'folder' | 'judges'> {
  const { watches, method, maxTokens, sample, seed, turns, maxBad, onBad, onShape, signal } = options;
  return {
    watches,
    method,
    maxTokens,
    sample,
    seed,
    signal,
    ...(turns && { turns }),
    ...(maxBad && { maxBad }),
    ...(onBad && { onBad }),
    ...(onShape && { onShape }),
  };
}

/** What was told once is not told again. */
function quiet({ turns, maxBad }: RunOptions): Pick<SetOptions, 'turns' | 'maxBad'> {
  return { ...(turns && { turns }), ...(maxBad && { maxBad }) };
}

export function traitFields(name: string, judged: boolean): string[] {
  const kinds = ['projection', 'base', 'difference', 'z', ...(judged ? ['judge'] : [])];
  return kinds.map((kind) => `${name}_${kind}`);
}

function tallies(names: readonly string[]): Tally[] {
  return names.map(() => new Tally());
}

function addAll(to: readonly Tally[], values: readonly (number | null)[] = []): void {
  for (const [w, value] of values.entries()) to[w]?.add(value);
}

function isOver(values: readonly (number | null)[], bounds: readonly (number | undefined)[]): boolean {
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

function quantilesOf(tally: Tally): Record<string, number> {
  const sorted = tally.sorted();
  const { length } = sorted;
  return Object.fromEntries(
    Array.from({ length: 99 }, (_, i) => [
      `p${i + 1}`,
      length === 0 ? NaN : sortedQuantile(sorted, (i + 1) / 100),
    ]),
  );
}

/** A share of scores that are nearly all 0 is no threshold (paper §9.5). */
function notesOf({ union, judgeThresholds }: RunOptions, scores: readonly Tally[] | undefined): string[] {
  if (!union || !judgeThresholds.some(({ kind }) => kind !== 'value')) return [];
  return (scores ?? [])
    .filter((tally) => tally.n > 0 && tally.sd < 1)
    .map(
      () =>
        'the judge gives nearly the same score to all of the reference: a threshold relative to it says little',
    );
}
