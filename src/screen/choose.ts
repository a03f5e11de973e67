/** A random subset of a stream whose length is not known beforehand: each item is as likely to be in it (reservoir). */

import { random } from '../math/random.ts';

/** The places (from 0) of n items, in order; of all where there are fewer. */
export async function choosePlaces(items: AsyncIterable<unknown>, n: number, seed = 0): Promise<number[]> {
  const source = random(seed);
  const chosen: number[] = [];
  let place = 0;
  for await (const _ of items) {
    if (chosen.length < n) chosen.push(place);
    else {
      const at = source.below(place + 1);
      if (at < n) chosen[at] = place;
    }
    place++;
  }
  return chosen.sort((a, b) => a - b);
}

/** The items at the places, which are in order. */
export async function* atPlaces<T>(items: AsyncIterable<T>, places: readonly number[]): AsyncGenerator<T> {
  let [place, next] = [0, 0];
  if (places.length === 0) return;
  for await (const item of items) {
    if (place++ !== places[next]) continue;
    yield item;
    if (++next === places.length) return;
  }
}
