/** `persona vectors compare`: the cosines between vectors of one model, at a layer and over all of them. */

import type { Command } from 'commander';
import { PersonaError } from '../../errors.ts';
import { checkSameModel, type Named } from '../../vector/combine.ts';
import { commonLayer, compareAt, cosineAt, type Pair } from '../../vector/compare.ts';
import { findVector } from '../../vector/find.ts';
import { sparkline } from '../kit/chart.ts';
import { describe } from '../kit/help.ts';
import { integer } from '../kit/options.ts';
import { run, type Session } from '../kit/run.ts';
import { table } from '../kit/table.ts';

interface CompareOptions {
  layer?: number;
  layers?: true;
}

export function registerCompare(vectors: Command): void {
  const command = vectors
    .command('compare')
    .description('cosines between vectors of one model, and how large they must be to mean something')
    .argument('<vectors...>', 'two or more, by path or name')
    .option(
      '--layer <b>',
      'layer to compare at (default: the one that they are steered at)',
      integer({ min: 0 }),
    )
    .option('--layers', 'also over all layers')
    .action(run(compared));
  describe(command, 'Find', [
    {
      does: 'do two traits share a direction?',
      line: 'persona vectors compare evil sycophantic hallucinating',
    },
    { does: 'over all layers', line: 'persona vectors compare evil humor --layers' },
  ]);
}

async function compared(session: Session, names: readonly string[], options: CompareOptions): Promise<void> {
  if (names.length < 2)
    throw new PersonaError('USAGE', 'one vector cannot be compared', { remedy: 'Name two or more.' });
  const vectors: Named[] = [];
  for (const name of names) vectors.push({ name, vector: await findVector(name) });
  for (const note of checkSameModel(vectors)) session.human(note);
  const { layers, name: model } = vectors[0]!.vector.model;
  const layer = options.layer ?? commonLayer(vectors);
  if (layer === undefined)
    throw new PersonaError('USAGE', 'no layer was chosen for any of these vectors', {
      remedy: `Give one of 0 to ${layers - 1} with --layer.`,
    });
  if (layer >= layers)
    throw new PersonaError('USAGE', `--layer ${layer}: ${model} has layers 0 to ${layers - 1}`);
  const others = vectors.filter(({ vector }) => vector.layer !== undefined && vector.layer !== layer);
  if (options.layer === undefined && others.length > 0)
    session.human(
      `compared at layer ${layer}; ${others.map(({ name, vector }) => `${name} is steered at ${vector.layer}`).join(', ')}`,
    );
  const pairs = compareAt(vectors, layer);
  const profiles = options.layers ? pairs.map((pair) => profileOf(pair, vectors, layers)) : undefined;
  const document = { layer, vectors: names, pairs, ...(profiles ? { layers: profiles } : {}) };
  const sections = [matrixText(vectors, layer), bandText(pairs)];
  if (profiles) sections.push(profileText(pairs, profiles));
  session.result(document, sections.join('\n\n'));
}

type Profile = (number | null)[];

function profileOf({ a, b }: Pair, vectors: readonly Named[], layers: number): Profile {
  const [first, second] = [a, b].map((name) => vectors.find((item) => item.name === name)!.vector);
  return Array.from({ length: layers }, (_, layer) => cosineAt(first!, second!, layer));
}

function matrixText(vectors: readonly Named[], layer: number): string {
  const rows = vectors.map(({ name, vector }) => [
    name,
    ...vectors.map((other) => told(cosineAt(vector, other.vector, layer))),
  ]);
  return table([`layer ${layer}`, ...vectors.map(({ name }) => name)], rows);
}

function bandText(pairs: readonly Pair[]): string {
  const lines = pairs.map(({ a, b, cosine, band }) => {
    const outside = cosine !== null && Math.abs(cosine) > band.half;
    return [`${a} · ${b}`, told(cosine), `±${band.half.toFixed(3)}`, outside ? 'outside' : 'within'];
  });
  const known = pairs.every(({ band }) => band.by === 'permutation');
  const note = known
    ? 'chance: 95% of the cosines that labels dealt at random give'
    : 'chance: not known for all of these vectors; shown is 1.96/√d, a lower bound (activations are not isotropic)';
  return `${table(['pair', 'cosine', 'chance', 'it lies'], lines)}\n${note}`;
}

function profileText(pairs: readonly Pair[], profiles: readonly Profile[]): string {
  return table(
    ['pair', 'over the layers', 'least', 'most'],
    pairs.map(({ a, b }, i) => {
      const values = profiles[i]!.map((value) => value ?? NaN);
      const known = values.filter((value) => !Number.isNaN(value));
      return [`${a} · ${b}`, sparkline(values), told(Math.min(...known)), told(Math.max(...known))];
    }),
  );
}

function told(cosine: number | null): string {
  return cosine === null || !Number.isFinite(cosine) ? '–' : cosine.toFixed(3);
}
