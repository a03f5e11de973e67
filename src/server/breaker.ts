/**
 * Turns requests away at once while the engine keeps dying, so that they neither wait for it nor kill it again:
 *
 *     closed ── 3 crashes within a minute ──▶ open ── after 30 s ──▶ half-open: one request is let in
 *        ▲                                      ▲                       │
 *        └────────── it was answered ───────────┼───────────────────────┤
 *                                               └──── it crashed ───────┘
 */

export type BreakerState = 'closed' | 'open' | 'half-open';

export interface BreakerOptions {
  /** @default 3 */
  crashes?: number | undefined;
  /** @default 60_000 */
  withinMs?: number | undefined;
  /** @default 30_000 */
  openMs?: number | undefined;
  /** ms of a clock that only goes forward. @default performance.now */
  now?: (() => number) | undefined;
  onChange?: ((state: BreakerState) => void) | undefined;
}

/** A request that was let in; one of these is to be called when it ends. */
export interface Pass {
  answered(): void;
  /** The engine died under it. One death ends many requests: all of them may say so, it counts once. True for the first. */
  crashed(): boolean;
  /** It ended without telling anything of the engine: refused, or given up by its client. */
  gone(): void;
}

export interface Refusal {
  reason: string;
  /** whole, from 1 */
  retryAfterSeconds: number;
}

export interface Breaker {
  state(): BreakerState;
  enter(): { pass: Pass; refusal?: undefined } | { refusal: Refusal; pass?: undefined };
}

export function openBreaker(options: BreakerOptions = {}): Breaker {
  const {
    crashes = 3,
    withinMs = 60_000,
    openMs = 30_000,
    now = () => performance.now(),
    onChange,
  } = options;
  let times: number[] = []; // of crashes that count
  let openedAt: number | undefined;
  let trial: symbol | undefined;
  let life = 0; // of the engine: which one a request runs in
  let told: BreakerState = 'closed';

  function state(): BreakerState {
    if (openedAt === undefined) return 'closed';
    return now() - openedAt < openMs ? 'open' : 'half-open';
  }
  function change(): void {
    const current = state();
    if (current === told) return;
    told = current;
    onChange?.(current);
  }
  function crash(): void {
    life++;
    const at = now();
    times = [...times.filter((time) => at - time < withinMs), at];
    if (openedAt !== undefined || times.length >= crashes) openedAt = at;
    trial = undefined;
    change();
  }
  function close(): void {
    openedAt = undefined;
    times = [];
    trial = undefined;
    change();
  }
  function passFor(own: symbol | undefined): Pass {
    const born = life;
    return {
      answered() {
        if (own !== undefined && own === trial) close();
      },
      crashed() {
        if (born !== life) return false;
        crash();
        return true;
      },
      gone() {
        if (own === trial) trial = undefined;
      },
    };
  }

  return {
    state,
    enter() {
      change();
      const current = state();
      if (current === 'closed') return { pass: passFor(undefined) };
      if (current === 'half-open' && trial === undefined) {
        trial = Symbol('trial');
        return { pass: passFor(trial) };
      }
      const left = current === 'open' ? openedAt! + openMs - now() : 1000; // the trial will soon tell
      return {
        refusal: {
          reason: `the engine crashed ${times.length} times within ${Math.round(withinMs / 1000)} s and rests`,
          retryAfterSeconds: Math.max(1, Math.ceil(left / 1000)),
        },
      };
    },
  };
}
