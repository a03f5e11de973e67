/** `persona vectors combine`: sums, projections and lengths of vectors of one model, as a vector. */

import { type Command, InvalidArgumentError } from 'commander';
import { PersonaError } from '../../errors.ts';
import { type Combination, combine, type Lengths, type Named } from '../../vector/combine.ts';
import { findVector, splitVector } from '../../vector/find.ts';
import { formatOf } from '../../vector/format.ts';
import { direction } from '../../vector/vector.ts';
import { writeVectorAs } from '../../vector/write-as.ts';
import { norm } from '../../math/vector.ts';
import { describe } from '../kit/help.ts';
import { number, repeated } from '../kit/options.ts';
import { run, type Session } from '../kit/run.ts';
import { harmless } from '../kit/text.ts';

interface CombineOptions {
  output: string;
  onto?: string;
  away?: string[];
  orthogonalise?: true;
  mean?: true;
  incremental?: true;
  normalise?: string | true;
  trait?: string;
}

export function registerCombine(vectors: Command): void {
  const command = vectors
    .command('combine')
    .description('add, project, orthogonalise or rescale vectors of one model')
    .argument('<items...>', 'VECTOR or VECTOR=WEIGHT')
    .requiredOption('-o, --output <file>', 'file to write')
    .option('--orthogonalise', 'each item without what the ones before it hold')
    .option('--mean', 'the mean instead of the sum')
    .option('--onto <vector>', 'keep only the part along this one')
    .option('--away <vector>', 'take away what this one holds; may be repeated', repeated(String))
    .option('--incremental', 'from layer to layer, to be added at all layers at once')
    .option(
      '--normalise [how]',
      "'unit' (the default), 10% (of the mean residual norm), or a vector's lengths",
    )
    .option('--trait <name>', 'what to call the result')
    .action(run(combined));
  describe(command, 'Find', [
    { does: 'more humor, less evil', line: 'persona vectors combine humor evil=-0.5 -o kind.gguf' },
    {
      does: 'sycophancy without what is mere politeness',
      line: 'persona vectors combine sycophantic --away polite -o flattery.gguf',
    },
    {
      does: 'increments, to steer at all layers',
      line: 'persona vectors combine evil --incremental -o evil-inc.gguf',
    },
  ]);
}

async function combined(session: Session, items: readonly string[], options: CombineOptions): Promise<void> {
  const to = formatOf(options.output); // before any work
  const terms: Combination['terms'] = await Promise.all(items.map(termOf));
  const { vector, notes } = combine({
    terms,
    orthogonalise: options.orthogonalise ?? false,
    mean: options.mean ?? false,
    onto: options.onto === undefined ? undefined : await named(options.onto),
    away: await Promise.all((options.away ?? []).map(named)),
    incremental: options.incremental ?? false,
    lengths: options.normalise === undefined ? undefined : await lengthsOf(options.normalise),
    trait: options.trait,
  });
  await writeVectorAs(options.output, vector, to);
  for (const note of notes) session.human(note);
  const { trait, layer, recipe, quality } = vector;
  const document = {
    path: options.output,
    trait,
    layer: layer ?? null,
    norms: quality.norms,
    ...recipe.combined,
  };
  const at =
    layer === undefined
      ? 'no layer chosen'
      : `length ${norm(direction(vector, layer)).toPrecision(4)} at layer ${layer}`;
  const text = `${trait}: ${recipe.combined!.operation}, ${at}\nwritten  ${options.output}`;
  session.result(document, harmless(text));
}

async function termOf(item: string): Promise<Named & { weight: number }> {
  const [name, rest] = splitVector(item);
  if (rest !== '' && !rest.startsWith('='))
    throw new PersonaError('USAGE', `${JSON.stringify(item)}: expected VECTOR or VECTOR=WEIGHT`, {
      remedy: 'Write evil=-0.5 for minus half of it.',
    });
  return { ...(await named(name)), weight: rest === '' ? 1 : weightOf(item, rest.slice(1)) };
}

function weightOf(item: string, text: string): number {
  try {
    return number()(text);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new PersonaError('USAGE', `${JSON.stringify(item)}: ${error.message}`, {
      remedy: 'Write evil=-0.5 for minus half of it.',
    });
  }
}

async function named(name: string): Promise<Named> {
  return { name, vector: await findVector(name) };
}

async function lengthsOf(how: string | true): Promise<Lengths> {
  if (how === true || how === 'unit') return { to: 'unit' };
  const percent = /^(\d+\.?\d*|\.\d+)%$/.exec(how)?.[1];
  if (percent !== undefined) return { to: 'share', share: Number(percent) / 100 };
  return { to: 'vector', other: await named(how) };
}
