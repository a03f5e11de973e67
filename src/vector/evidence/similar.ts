/** The other vectors of the same model that point the same way, or the opposite one, at the chosen layer. */

import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { cosine } from '../../math/vector.ts';
import { vectorsFolder } from '../../model/home.ts';
import { readVector } from '../file.ts';
import { listVectorFiles } from '../list.ts';
import { direction, type PersonaVector } from '../vector.ts';

export interface Similar {
  trait: string;
  cosine: number;
}

/**
 * Of the others, those of this model and token kind, the nearest first and each trait once: the first of its name
 * counts. Files that cannot be read are passed over.
 */
export async function similarVectors(
  vector: PersonaVector,
  layer: number,
  others: readonly (string | PersonaVector)[],
): Promise<Similar[]> {
  const out = new Map<string, number>();
  for (const one of others) {
    const other = typeof one === 'string' ? await readVector(one).catch(() => undefined) : one;
    if (!other || other.trait === vector.trait || other.kind !== vector.kind) continue;
    if (other.model.sha256 !== vector.model.sha256 || out.has(other.trait)) continue;
    const value = cosine(direction(vector, layer), direction(other, layer));
    if (Number.isFinite(value)) out.set(other.trait, value);
  }
  return [...out]
    .map(([trait, value]) => ({ trait, cosine: value }))
    .sort((a, b) => Math.abs(b.cosine) - Math.abs(a.cosine));
}

/** Where vectors lie: the folder of named ones, and the runs beside this one. */
export async function knownVectorFiles(run: string): Promise<string[]> {
  const beside = dirname(resolve(run));
  const runs = await readdir(beside, { withFileTypes: true }).catch(() => []);
  return [
    ...(await listVectorFiles(vectorsFolder())),
    ...runs
      .filter((entry) => entry.isDirectory() && entry.name !== basename(resolve(run)))
      .map((entry) => join(beside, entry.name, 'vector.gguf'))
      .sort(),
  ];
}
