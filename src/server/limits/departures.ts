/** How fast answers end now, to tell those who are turned away when it is worth to come back. */

export interface Departures {
  ended(): void;
  /** Whole seconds until `answers` more will have ended at the present rate. */
  secondsUntil(answers: number): number;
}

/** The rate is that of the last answers, of not more than a minute. */
const REMEMBERED = 32;
const WINDOW_MS = 60_000;
/** Where nothing is known yet. */
const UNKNOWN_SECONDS = 5;
/** A rate changes; nobody should stay away longer because of a moment. */
const MAX_SECONDS = 60;

/** @param now ms of a clock that only goes forward */
export function openDepartures(now: () => number): Departures {
  let times: number[] = [];
  return {
    ended() {
      times = [...times.slice(1 - REMEMBERED), now()];
    },
    secondsUntil(answers) {
      const at = now();
      const recent = times.filter((time) => at - time < WINDOW_MS);
      if (recent.length < 2) return UNKNOWN_SECONDS;
      const perMs = recent.length / Math.max(1, at - recent[0]!);
      return Math.min(MAX_SECONDS, Math.max(1, Math.ceil(answers / perMs / 1000)));
    },
  };
}
