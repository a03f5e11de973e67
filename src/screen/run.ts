/**
 * A screening from data to files, in three passes: the reference, the data (both logged row by row, so that a killed run
 * goes on), and once more over data and log, which by then say what every row is to be held against.
 */

import { PersonaError } from '../errors.ts';
import type { ChatModel } from '../model/chat-model.ts';
import { openRunFolder, type RunConfig } from '../vector/run-folder.ts';
import { agreementWith } from './agreement.ts';
import { histogram } from './histogram.ts';
import { differences } from './measure.ts';
import { type DataFile, WORK_FOLDER } from './read/files.ts';
import { narrowReference, screenReference, type ReferenceFigures } from './reference.ts';
import { percentiles, type ScreenResult, type TraitResult } from './result.ts';
import { screenSet, type SetOptions } from './screen-set.ts';
import { addAll, Tally } from './tally.ts';
import { resolveThresholds, type Threshold } from './threshold.ts';
import { writeScreened, type WriteOptions } from './write-screened.ts';
import { addColumns, type Columns } from './write/columns.ts';

export interface RunOptions
  extends Omit<SetOptions, 'folder' | 'onBase'>, Pick<WriteOptions, 'output' | 'keep' | 'drop' | 'by'> {
  /** what the logs depend on: a folder with another is not gone on with */
  config: RunConfig;
  reference?: readonly DataFile[] | undefined;
  thresholds: readonly Threshold[];
  /** of the judges' scores */
  judgeThresholds: readonly Threshold[];
  /** a row is over also when a judge's score is. @default false */
  union?: boolean | undefined;
  /** rows on which the method is compared with `difference` */
  agreement?: number | undefined;
  /** `old`: it was in the log already */
  onStep?: ((label: string, done: number, old: boolean) => void) | undefined;
}

/** @throws PersonaError of the data, of the engine, of thresholds, USAGE when the output's folder is of another run */
export async function runScreening(
  model: ChatModel,
  data: readonly DataFile[],
  options: RunOptions,
): Promise<ScreenResult> {
  const { watches, judges, union = false, onStep, agreement: n, config, output } = options;
  const names = watches.map(({ name }) => name);
  const folder = `${output}${WORK_FOLDER}`;
  await openRunFolder(folder, config);

  const reference =
    options.reference &&
    (await screenReference(model, options.reference, {
      ...options,
      judges: union ? judges : undefined,
      otherwise: folder,
      onSample: (done, old) => onStep?.('screening the reference', done, old),
    }));
  const set = await screenData(model, data, folder, options);
  const agreement = n === undefined ? undefined : await agreementWith(model, data, { ...options, n, folder });

  const usual = reference?.differences ?? set.differences;
  const bounds = resolveThresholds(options.thresholds, names, usual);
  const scores = union && reference ? reference.scores : set.scores;
  const scoreBounds = judges
    ? resolveThresholds(options.judgeThresholds, names, scores)
    : names.map(() => undefined);
  const warnings = names.flatMap(
    (name, w) => (reference && narrowReference(name, usual[w]!, set.differences[w]!)) ?? [],
  );
  if (union && isDegenerate(options, scores))
    warnings.push(
      'the judge gives nearly all of them the same score: a threshold relative to its scores says little',
    );

  const { ends, ...written } = await writeScreened(data, {
    ...options,
    names,
    folder,
    columns: set.columns,
    judged: judges !== undefined,
    union,
    bounds,
    scoreBounds,
    usual,
    variance: set.variance,
    onSample: (done) => onStep?.('writing', done, true),
  });
  return {
    output,
    samples: set.samples,
    warnings,
    unmeasured: Object.fromEntries(set.reasons),
    against: reference ? 'reference' : 'set',
    traits: watches.map(({ name, layer }, w): TraitResult => {
      const tally = set.differences[w]!;
      return {
        name,
        layer,
        ...momentsOf(tally),
        min: tally.min,
        max: tally.max,
        quantiles: percentiles(tally),
        usual: momentsOf(usual[w]!),
        ...(bounds[w] !== undefined && { threshold: bounds[w] }),
        ...(scoreBounds[w] !== undefined && { judgeThreshold: scoreBounds[w] }),
        histogram: histogram(tally, reference?.differences[w]),
        ...ends[w]!,
      };
    }),
    ...written,
    ...(agreement && { agreement }),
  };
}

interface SetFigures extends ReferenceFigures {
  samples: number;
  columns: Columns;
  /** why there are no figures, and of how many */
  reasons: Map<string, number>;
  /** of the estimated base of a file */
  variance: (file: string, trait: number) => number;
}

async function screenData(
  model: ChatModel,
  data: readonly DataFile[],
  folder: string,
  options: RunOptions,
): Promise<SetFigures> {
  const tallies = (): Tally[] => options.watches.map(() => new Tally());
  const bases = new Map<string, readonly Tally[]>();
  const set: SetFigures = {
    differences: tallies(),
    scores: tallies(),
    samples: 0,
    columns: new Map(),
    reasons: new Map(),
    variance(file, trait) {
      const base = bases.get(file)?.[trait];
      return base === undefined || base.n < 2 ? 0 : base.sd ** 2 / base.n;
    },
  };
  const own: SetOptions = { ...options, folder, onBase: (file, base) => bases.set(file, base) };
  for await (const { sample, logged, old } of screenSet(model, data, own)) {
    const { reason, scores } = logged;
    addAll(set.differences, differences(logged));
    addAll(set.scores, scores);
    if (reason !== undefined) set.reasons.set(reason, (set.reasons.get(reason) ?? 0) + 1);
    addColumns(set.columns, sample.record.fields);
    options.onStep?.('screening', ++set.samples, old);
  }
  if (set.differences.every((tally) => tally.n === 0)) {
    const [why] = set.reasons.keys();
    throw new PersonaError('BAD_FILE', `none of ${set.samples} answers could be measured: ${why}`);
  }
  return set;
}

function momentsOf({ n, mean, sd }: Tally): { n: number; mean: number; sd: number } {
  return { n, mean, sd };
}

/** A share of scores that are nearly all 0 is no threshold (paper §9.5). */
function isDegenerate({ judgeThresholds }: RunOptions, scores: readonly Tally[]): boolean {
  return judgeThresholds.some(({ kind }) => kind !== 'value') && scores.some(({ sd }) => !(sd >= 1));
}
