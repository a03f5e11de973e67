/**
 * The vectors of a diff. They are the base's: that the tuned model has other weights is the very question, so its
 * residual stream is projected onto the base's directions. A vector of a tuned model is taken too, and said to be one.
 */

import { PersonaError } from '../../errors.ts';
import type { ModelIdentity } from '../../model/chat-model.ts';
import { nameApart, type Watch, watchedLayer, type WatchSpec } from '../../monitor/watch.ts';
import { joinSteering, type Steering, steeringOf } from '../../steer/resolve.ts';
import type { SteerSpec } from '../../steer/spec.ts';
import { checkFit } from '../../vector/fit.ts';
import type { PersonaVector } from '../../vector/vector.ts';
import { hasDirection } from './figures.ts';

type Find = (nameOrPath: string) => Promise<PersonaVector>;

/** @throws PersonaError USAGE, BAD_VECTOR, or what finding the vector throws */
export async function namedVectors(specs: readonly WatchSpec[], find: Find): Promise<Watch[]> {
  if (specs.length === 0)
    throw new PersonaError('USAGE', 'no vector was given', {
      remedy: 'Give one or several: --vector evil.gguf, --vector evil.gguf@20',
    });
  const found: Omit<Watch, 'name'>[] = [];
  for (const spec of specs) {
    const vector = await find(spec.vector);
    const layer = watchedLayer(spec, vector);
    if (!hasDirection({ vector }, layer))
      throw new PersonaError('BAD_VECTOR', `${spec.vector} has no direction at layer ${layer}`, {
        remedy: `Name another layer, as in ${spec.vector}@${layer > 0 ? layer - 1 : 1}.`,
      });
    if (!found.some((other) => other.source === spec.vector && other.layer === layer))
      found.push({ source: spec.vector, vector, layer });
  }
  return nameApart(found);
}

/** @throws PersonaError WRONG_MODEL where one belongs to neither the base nor a tuned model, and as namedVectors */
export async function diffVectors(
  specs: readonly WatchSpec[],
  find: Find,
  base: ModelIdentity,
  tuned: readonly ModelIdentity[],
): Promise<{ watches: Watch[]; notes: string[] }> {
  const watches = await namedVectors(specs, find);
  const notes = watches.flatMap(({ vector, source }) => fitEither(vector, source, base, tuned) ?? []);
  return { watches, notes: [...new Set(notes)] };
}

/** What is done to the tuned side, with vectors of the base. */
export async function diffSteering(
  specs: readonly SteerSpec[],
  find: Find,
  base: ModelIdentity,
  tuned: readonly ModelIdentity[],
): Promise<Steering> {
  const parts: Steering[] = [];
  for (const spec of specs) {
    const vector = await find(spec.vector);
    const note = fitEither(vector, spec.vector, base, tuned);
    const part = steeringOf(spec, vector, vector.model);
    parts.push(note === undefined ? part : { ...part, notes: [...part.notes, note] });
  }
  return joinSteering(parts);
}

/** @throws PersonaError WRONG_MODEL, of the base, where it fits none */
function fitEither(
  vector: PersonaVector,
  name: string,
  base: ModelIdentity,
  tuned: readonly ModelIdentity[],
): string | undefined {
  const of = tuned.find(({ sha256 }) => sha256 === vector.model.sha256);
  if (of && of.sha256 !== base.sha256)
    return `${name} was made on ${of.name}, the tuned model, not on its base`;
  return checkFit(vector, base, name);
}
