/** A vector out of several of one model: what was done stands in its recipe, and what no longer holds is left out. */

import { createHash } from 'node:crypto';
import { PersonaError } from '../errors.ts';
import { floatBytes } from '../files/float-formats.ts';
import { version } from '../files/package-version.ts';
import { along, away, increments, lengthsOf, orthogonalise, weightedSum, withLengths } from './algebra.ts';
import { checkFit } from './fit.ts';
import { afterFinalNorm, type PersonaVector, type Recipe } from './vector.ts';

/** A vector, and what a user calls it. */
export interface Named {
  name: string;
  vector: PersonaVector;
}

export type Lengths =
  | { to: 'unit' }
  /** of the mean residual norm at each layer */
  | { to: 'share'; share: number }
  | { to: 'vector'; other: Named };

export interface Combination {
  /** at least one; weights count in their sum or mean */
  terms: readonly (Named & { weight: number })[];
  /** each term without what the ones before it hold */
  orthogonalise?: boolean;
  /** divided by the number of terms */
  mean?: boolean;
  /** only the part along this one */
  onto?: Named | undefined;
  /** without what these hold */
  away?: readonly Named[];
  incremental?: boolean;
  /** the last step */
  lengths?: Lengths | undefined;
  /** @default the terms' own */
  trait?: string | undefined;
}

/**
 * Steps are taken in the order of the fields above.
 * @throws PersonaError WRONG_MODEL naming what differs, BAD_VECTOR where nothing is left
 */
export function combine(combination: Combination): { vector: PersonaVector; notes: string[] } {
  const { terms, onto, lengths, incremental = false, mean = false } = combination;
  const others = [...(combination.away ?? []), ...(onto ? [onto] : [])];
  const [first] = terms;
  if (!first) throw new PersonaError('USAGE', 'nothing to combine', { remedy: 'Name at least one vector.' });
  const reference = lengths?.to === 'vector' ? [lengths.other] : [];
  const notes = checkSameModel([...terms, ...others, ...reference]);
  const { width } = first.vector.model;
  const residualNorms = meanResidualNorms(terms);

  const matrices = terms.map(({ vector }) => vector.directions);
  const parts = combination.orthogonalise ? orthogonalise(matrices, width) : matrices;
  const marked = [...terms, ...others].flatMap(({ vector }) => afterFinalNorm(vector) ?? [])[0];
  if (marked !== undefined)
    notes.push(
      `block ${marked} was taken after the final norm${incremental ? ': its increment is left zero' : ', and is marked in the result too'}`,
    );
  const share = mean ? 1 / terms.length : 1;
  let directions = weightedSum(
    parts.map((part, i) => ({ directions: part, weight: terms[i]!.weight * share })),
  );
  if (onto) directions = along(directions, onto.vector.directions, width);
  if (combination.away?.length)
    directions = away(
      directions,
      combination.away.map(({ vector }) => vector.directions),
      width,
    );
  if (incremental) directions = increments(directions, width);
  if (incremental && marked !== undefined) directions.fill(0, marked * width, (marked + 1) * width);
  if (lengths) directions = withLengths(directions, wantedLengths(lengths, residualNorms, width), width);
  if (!directions.every(Number.isFinite))
    throw new PersonaError('BAD_VECTOR', 'the weights are so large that numbers overflow float32');
  if (directions.every((x) => x === 0))
    throw new PersonaError('BAD_VECTOR', 'nothing is left: the directions cancel out at every layer');

  const { trait, kind, model } = first.vector;
  if (terms.some(({ vector }) => vector.kind !== kind))
    notes.push(`the vectors are of different kinds; the result is called ${kind}`);
  const layers = new Set(terms.map(({ vector }) => vector.layer));
  const [layer] = layers.size === 1 ? layers : [];
  const operation = inWords(combination);
  const recipe: Recipe = {
    created: new Date().toISOString(),
    ...(isOneTrait(terms) && first.vector.recipe.trait ? { trait: first.vector.recipe.trait } : {}),
    combined: {
      from: [
        ...terms.map(({ vector, weight }) => origin(vector, weight)),
        ...others.map(({ vector }) => origin(vector, 0)), // no part of the sum
      ],
      operation,
      ...(marked === undefined || incremental ? {} : { afterFinalNorm: marked }),
    },
  };
  const vector: PersonaVector = {
    trait: combination.trait ?? (isOneTrait(terms) ? trait : sumName(terms)),
    kind,
    model,
    directions,
    ...(residualNorms ? { residualNorms } : {}),
    ...(layer === undefined || incremental ? {} : { layer }),
    recipe,
    quality: { norms: lengthsOf(directions, width) },
    version,
  };
  return { vector, notes };
}

/**
 * Vectors of one model, or of quantisations of it.
 * @returns notes for people @throws PersonaError WRONG_MODEL naming what differs
 */
export function checkSameModel([first, ...rest]: readonly Named[]): string[] {
  const notes = new Set<string>();
  for (const { name, vector } of rest) {
    const [a, b] = [first!.vector.model, vector.model];
    const differing = (['architecture', 'layers', 'width'] as const).filter((field) => a[field] !== b[field]);
    if (differing.length > 0) {
      const said = differing.map((field) => `${field} ${a[field]} and ${b[field]}`).join(', ');
      throw new PersonaError('WRONG_MODEL', `${first!.name} and ${name} are of different models: ${said}`, {
        remedy: 'Only vectors of one model can be reckoned together.',
      });
    }
    const note = checkFit(vector, a, name);
    if (note !== undefined) notes.add(note);
  }
  return [...notes];
}

function wantedLengths(
  lengths: Lengths,
  residualNorms: Float32Array | undefined,
  width: number,
): number | ArrayLike<number> {
  if (lengths.to === 'unit') return 1;
  if (lengths.to === 'vector') return lengthsOf(lengths.other.vector.directions, width);
  if (residualNorms) return residualNorms.map((length) => length * lengths.share);
  throw new PersonaError('USAGE', 'none of the vectors holds the residual norms that a percentage is of', {
    remedy: 'Normalise to unit length, or to another vector.',
  });
}

/** They belong to the model more than to the trait: the mean of those that are known. */
function meanResidualNorms(terms: readonly Named[]): Float32Array | undefined {
  const known = terms.flatMap(({ vector: { residualNorms } }) => residualNorms ?? []);
  return known.length === 0
    ? undefined
    : weightedSum(known.map((directions) => ({ directions, weight: 1 / known.length })));
}

function isOneTrait(terms: readonly Named[]): boolean {
  return new Set(terms.map(({ vector }) => vector.trait)).size === 1;
}

/** sumName of evil with weight 1 and humor with weight −0.5 = 'evil - 0.5 humor' */
function sumName(terms: Combination['terms']): string {
  return terms
    .map(({ vector, weight }, i) => {
      const sign = weight < 0 ? '-' : '+';
      const amount = Math.abs(weight) === 1 ? '' : `${Math.abs(weight)} `;
      return `${i === 0 ? (weight < 0 ? '-' : '') : ` ${sign} `}${amount}${vector.trait}`;
    })
    .join('');
}

function inWords({
  terms,
  orthogonalise: apart,
  mean,
  onto,
  away: removed,
  incremental,
  lengths,
}: Combination): string {
  const steps: string[] = [];
  if (apart) steps.push('orthogonalised in this order');
  if (terms.length > 1 || mean) steps.push(mean ? 'mean' : 'sum');
  else if (terms[0]!.weight !== 1) steps.push('scaled');
  if (onto) steps.push(`projected onto ${onto.vector.trait}`);
  if (removed?.length) steps.push(`away from ${removed.map(({ vector }) => vector.trait).join(', ')}`);
  if (incremental) steps.push('increments from layer to layer');
  if (lengths?.to === 'unit') steps.push('unit length');
  if (lengths?.to === 'share') steps.push(`length ${lengths.share * 100}% of the mean residual norm`);
  if (lengths?.to === 'vector') steps.push(`lengths of ${lengths.other.vector.trait}`);
  return steps.join(', ') || 'as it is';
}

function origin(
  { trait, directions }: PersonaVector,
  weight: number,
): { trait: string; sha256: string; weight: number } {
  return { trait, sha256: createHash('sha256').update(floatBytes(directions)).digest('hex'), weight };
}
