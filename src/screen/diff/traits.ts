/** The traits of vectors, with their texts: questions to ask, rubrics to judge by. */

import { isPersonaError, PersonaError } from '../../errors.ts';
import type { Watch } from '../../monitor/watch.ts';
import { loadTrait } from '../../trait/load.ts';
import type { Trait } from '../../trait/trait.ts';

/** One of each name: as given, as it is in a vector's file, or as it is shipped. */
export async function traitsOf(
  watches: readonly Pick<Watch, 'vector' | 'source'>[],
  given: readonly Trait[],
): Promise<Trait[]> {
  const traits = new Map<string, Trait>();
  for (const { vector, source } of watches) {
    const name = vector.trait;
    if (traits.has(name)) continue;
    const known = given.find((trait) => trait.name === name) ?? vector.recipe.trait;
    traits.set(name, known ?? (await shippedTrait(name, source)));
  }
  for (const trait of given) if (!traits.has(trait.name)) traits.set(trait.name, trait);
  return [...traits.values()];
}

async function shippedTrait(name: string, source: string): Promise<Trait> {
  try {
    return await loadTrait(name);
  } catch (error) {
    if (!isPersonaError(error) || error.code !== 'NOT_FOUND') throw error;
    throw new PersonaError(
      'NOT_FOUND',
      `${source} does not hold the texts of its trait ${name}, and none is shipped`,
      {
        remedy: "Give the trait's file too, or prompts of your own.",
      },
    );
  }
}
