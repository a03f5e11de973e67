/** One recorder of several things that want to know of an answer: the event store, metrics, traces, the log. */

import type { AnswerEvent, Recorder } from './contracts.ts';

export type Taker = (event: AnswerEvent) => void;

/** None hinders another, nor the answer: what one throws is told once for each different trouble, and left. */
export function joinRecorder(
  takers: readonly Taker[],
  store?: Recorder,
  onProblem?: (problem: string) => void,
): Recorder {
  const told = new Set<string>();
  const all = store === undefined ? takers : [(event: AnswerEvent): void => store.record(event), ...takers];
  return {
    record(event) {
      for (const take of all) {
        try {
          take(event);
        } catch (error) {
          const problem = `an answer was not recorded in full: ${(error as Error).message}`;
          if (told.size < MAX_TOLD && !told.has(problem)) onProblem?.(problem);
          told.add(problem);
        }
      }
    },
    async [Symbol.asyncDispose]() {
      await store?.[Symbol.asyncDispose]();
    },
  };
}

/** Different troubles; more would be the same one with changing words. */
const MAX_TOLD = 20;
