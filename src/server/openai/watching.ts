/** What is read while an answer is written: the vectors that the request, the server's default or a policy watches. */

import type { ProjectionRead } from '../../engine/request.ts';
import { PersonaError } from '../../errors.ts';
import { norm } from '../../math/vector.ts';
import { checkFit } from '../../vector/fit.ts';
import { direction, type PersonaVector } from '../../vector/vector.ts';
import { parseWatch, watchedLayer, type WatchSpec } from '../../monitor/watch.ts';
import { type ApiError, refuse, toApiError } from '../errors.ts';
import type { Served } from '../served.ts';
import { loadedVector } from './steering.ts';

export interface Watched {
  /** the vector's name; name@layer where it is watched at several */
  name: string;
  source: string;
  vector: PersonaVector;
  layer: number;
}

/**
 * @param asked the request's `monitor`; absent: what the server watches by default
 * @throws ApiError naming the field
 */
export function askedWatches(asked: readonly string[] | null | undefined, served: Served): Watched[] {
  const texts = asked ?? served.defaults.monitor;
  if (texts.length > served.limits.directions)
    throw refuse('monitor', `${texts.length} vectors to watch; at most ${served.limits.directions}`);
  return nameApart(texts.map((text, i) => watched(text, `monitor[${i}]`, served)));
}

/** Those of a policy beside those of the request, and under which name each that the policy asked for is read. */
export function withPolicy(
  asked: readonly Watched[],
  wanted: readonly string[],
  served: Served,
): { watches: Watched[]; names: Map<string, Watched> } {
  const found = wanted.map((text) => watched(text, 'policy.watch', served));
  const watches = nameApart([...asked, ...found]);
  const names = new Map(
    wanted.map((text, i) => [text, watches.find((watch) => isSame(watch, found[i]!))!] as const),
  );
  return { watches, names };
}

export function readsOf(watches: readonly Watched[]): ProjectionRead[] {
  return watches.map(({ name, vector, layer }) => ({ name, layer, direction: direction(vector, layer) }));
}

function watched(text: string, path: string, served: Served): Watched {
  let spec: WatchSpec;
  try {
    spec = parseWatch(text, (name) => served.vectors.has(name));
  } catch (error) {
    throw at(path, error);
  }
  const { vector } = loadedVector(spec.vector, path, served.vectors);
  try {
    checkFit(vector, served.model.identity, spec.vector);
    const layer = watchedLayer(spec, vector);
    if (!(norm(direction(vector, layer)) > 0))
      throw new PersonaError('BAD_VECTOR', `${spec.vector} has no direction at layer ${layer}`);
    return { name: spec.vector, source: spec.vector, vector, layer };
  } catch (error) {
    throw at(path, error);
  }
}

function at(path: string, error: unknown): ApiError {
  const { message, reason } = toApiError(error);
  return refuse(path, message, reason);
}

function nameApart(watches: readonly Watched[]): Watched[] {
  const each = watches.filter((watch, i) => watches.findIndex((other) => isSame(other, watch)) === i);
  return each.map((watch) => {
    const alone = each.filter(({ source }) => source === watch.source).length === 1;
    return { ...watch, name: alone ? watch.source : `${watch.source}@${watch.layer}` };
  });
}

function isSame(a: Watched, b: Watched): boolean {
  return a.source === b.source && a.layer === b.layer;
}
