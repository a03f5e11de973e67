/** Rates of the engine, from outside: what its caller gets, messages between the processes included. */

import type { Engine } from '../../engine/engine.ts';
import type { EngineRequest } from '../../engine/request.ts';

/** The engine goes on taking what was last taken from a graph for 64 steps; after these it is as if freshly started. */
const SETTLE_TOKENS = 80;

export const GREEDY = { temperature: 0 } as const;

/** Makes the engine forget what it had to read or edit before, so that each measurement starts from the same state. */
export async function settle(engine: Engine, signal: AbortSignal): Promise<void> {
  await engine.run({ prompt: [0], maxTokens: SETTLE_TOKENS, sampling: GREEDY, ignoreEnd: true }, { signal });
}

/** Tokens that came together. */
export interface Arrival {
  /** ms of performance.now */
  at: number;
  tokens: number;
}

/** Tokens a second, all requests together, while all of them are decoding. */
export async function decodeRate(
  engine: Engine,
  requests: readonly EngineRequest[],
  signal: AbortSignal,
): Promise<number> {
  await settle(engine, signal);
  const begun = performance.now();
  return rateTogether(begun, await arrivalsOf(engine, requests, signal));
}

/** When the tokens of each request were told, all asked at once. */
export async function arrivalsOf(
  engine: Engine,
  requests: readonly EngineRequest[],
  signal: AbortSignal,
): Promise<Arrival[][]> {
  return await Promise.all(
    requests.map(async (request) => {
      const arrivals: Arrival[] = [];
      await engine.run(request, {
        signal,
        onEvents: ({ length: tokens }) => arrivals.push({ at: performance.now(), tokens }),
      });
      return arrivals;
    }),
  );
}

/**
 * Tokens a second of all streams together, from when the last one has told of its first token to when the first one
 * has told of its last. (A model so fast that the first one ends before the last one began is measured over all of
 * the time, from when it was asked.)
 * @param begun ms of performance.now
 */
export function rateTogether(begun: number, streams: readonly (readonly Arrival[])[]): number {
  const first = streams.map((arrivals) => arrivals[0]!.at);
  const last = streams.map((arrivals) => arrivals.at(-1)!.at);
  const together = Math.max(...first) < Math.min(...last);
  const from = together ? Math.max(...first) : begun;
  const to = together ? Math.min(...last) : Math.max(...last);
  const told = streams.flat().filter(({ at }) => at > from && at <= to);
  return (told.reduce((sum, { tokens }) => sum + tokens, 0) * 1000) / (to - from);
}

/** Units of work a second, from the first request handed in to the last one answered. */
export async function wholeRate(
  engine: Engine,
  requests: readonly EngineRequest[],
  units: number,
  signal: AbortSignal,
): Promise<number> {
  await settle(engine, signal);
  const begun = performance.now();
  await Promise.all(requests.map((request) => engine.run(request, { signal })));
  return (units * 1000) / (performance.now() - begun);
}
