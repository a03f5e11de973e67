/**
 * Watching a trait while the model talks: WATCH = VECTOR[@LAYER] becomes a read of the projection ⟨h, v⟩/‖v‖ at each
 * token, after the layer's edits, and what was read becomes a few figures.
 */

import type { ProjectionRead, ProjectionResult } from '../engine/request.ts';
import { PersonaError } from '../errors.ts';
import { mean } from '../math/statistics.ts';
import type { ModelIdentity } from '../model/chat-model.ts';
import { isFile, splitVector, vectorName } from '../vector/find.ts';
import { checkFit } from '../vector/fit.ts';
import { direction, type PersonaVector } from '../vector/vector.ts';
import { answerZ } from './baseline.ts';

export interface WatchSpec {
  /** path or name, as the user gave it */
  vector: string;
  /** absent: the layer chosen for the vector */
  layer?: number;
}

export interface Watch {
  /** unique among those watched together: the trait, where that is enough to tell them apart */
  name: string;
  source: string;
  vector: PersonaVector;
  layer: number;
}

/** In units of activation norm; null where there is nothing to say: no answer token, or no baseline. */
export interface Reading {
  /** over the answer's tokens */
  mean: number | null;
  /** at the answer's last token */
  last: number | null;
  /** at the last token of the prompt: the prediction, before a word is said */
  prompt: number;
  /** of the mean, in standard deviations from the model's neutral answers */
  z: number | null;
  /** at each answer token */
  tokens: number[];
}

/** @throws PersonaError USAGE */
export function parseWatch(text: string, exists: (path: string) => boolean = isFile): WatchSpec {
  const [vector, rest] = splitVector(text.trim(), exists);
  const found = /^(?:@(\d{1,4}))?$/.exec(rest);
  if (!found || vector === '')
    throw new PersonaError('USAGE', `to watch ${JSON.stringify(text)}: "${rest || text}" is no layer`, {
      remedy: 'Write VECTOR or VECTOR@LAYER, as in evil@14.',
    });
  return { vector, ...(found[1] === undefined ? {} : { layer: Number(found[1]) }) };
}

/**
 * @param usualLayer of a vector for which none is given
 * @throws PersonaError USAGE, WRONG_MODEL, or what finding the vector throws
 */
export async function resolveWatches(
  specs: readonly WatchSpec[],
  find: (nameOrPath: string) => Promise<PersonaVector>,
  model: ModelIdentity,
  usualLayer: (vector: PersonaVector) => number | undefined = (vector) => vector.layer,
): Promise<{ watches: Watch[]; notes: string[] }> {
  const notes = new Set<string>();
  const found: Omit<Watch, 'name'>[] = [];
  for (const spec of specs) {
    const vector = await find(spec.vector);
    const note = checkFit(vector, model, spec.vector);
    if (note !== undefined) notes.add(note);
    const layer = watchedLayer(spec, vector, usualLayer(vector));
    if (!found.some((other) => other.source === spec.vector && other.layer === layer))
      found.push({ source: spec.vector, vector, layer });
  }
  return { watches: nameApart(found), notes: [...notes] };
}

/** The layer given, else the usual one, the vector's own. */
export function watchedLayer(
  { vector: source, layer: wanted }: WatchSpec,
  vector: PersonaVector,
  usual: number | undefined = vector.layer,
): number {
  const { layers } = vector.model;
  const layer = wanted ?? usual;
  if (layer === undefined)
    throw new PersonaError('USAGE', `no layer was chosen for ${source}`, {
      remedy: `Give one, as in ${source}@${Math.floor(layers / 2)}, or let persona sweep find it.`,
    });
  if (layer >= layers)
    throw new PersonaError(
      'USAGE',
      `${source}@${layer}: there is no layer ${layer} in a model of ${layers}`,
      {
        remedy: `Layers are 0 to ${layers - 1}.`,
      },
    );
  return layer;
}

/** The trait; `trait@layer` where a trait is watched twice; the file's name with it where even that is the same. */
export function nameApart(watches: readonly Omit<Watch, 'name'>[]): Watch[] {
  const forms = [
    (watch: Omit<Watch, 'name'>) => watch.vector.trait,
    (watch: Omit<Watch, 'name'>) => `${watch.vector.trait}@${watch.layer}`,
    (watch: Omit<Watch, 'name'>) => `${vectorName(watch.source)}@${watch.layer}`,
    (watch: Omit<Watch, 'name'>) => `${watch.source}@${watch.layer}`, // no two are the same in both
  ];
  return watches.map((watch) => {
    const form = forms.find((each) =>
      watches.every((other) => other === watch || each(other) !== each(watch)),
    )!;
    return { ...watch, name: form(watch) };
  });
}

export function watchReads(watches: readonly Watch[]): ProjectionRead[] {
  return watches.map(({ name, vector, layer }) => ({ name, layer, direction: direction(vector, layer) }));
}

/** @param results of the reads of these watches, in their order */
export function readings(
  watches: readonly Watch[],
  results: readonly ProjectionResult[],
): Record<string, Reading> {
  return Object.fromEntries(watches.map((watch, i) => [watch.name, reading(watch, results[i]!)]));
}

function reading({ vector, layer }: Watch, { prompt, tokens }: ProjectionResult): Reading {
  const average = tokens.length > 0 ? mean(tokens) : null;
  return {
    mean: average,
    last: tokens.at(-1) ?? null,
    prompt,
    z: answerZ(average, vector.baseline, layer),
    tokens,
  };
}
