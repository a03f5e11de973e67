/** What is remembered of conversations and keys between answers: so many, and for so long. In memory only. */

import { createHash } from 'node:crypto';
import type { Moment } from './cooldown.ts';

/** Some kilobytes each; the one that was silent for longest makes room. */
const MAX_REMEMBERED = 10_000;
/** A conversation that goes on after half a day begins anew. */
const KEPT_MS = 12 * 3_600_000;
/** Turns of a conversation; also the most that a trend may look at. */
export const MAX_TURNS = 100;

/** Sums over the tokens of one answer. */
export interface TurnSums {
  raw: number;
  z: number;
  tokens: number;
}

export interface Remembered {
  /** written so far, over all answers */
  tokens: number;
  /** by policy and rule: when it fired last */
  fired: Map<string, Moment>;
  /** by trait and turn */
  turns: Map<string, Map<number, TurnSums>>;
  /** by policy and trait: the drift was told of, and has not ended */
  drifting: Set<string>;
}

export interface Memory {
  /** What is known under this name, begun where there is nothing. */
  of(name: string): Remembered;
  readonly size: number;
}

export function openMemory(now: () => number = Date.now, most: number = MAX_REMEMBERED): Memory {
  const known = new Map<string, { remembered: Remembered; seen: number }>(); // the longest silent first

  function of(name: string): Remembered {
    const ms = now();
    for (const [old, { seen }] of known) {
      if (ms - seen <= KEPT_MS) break;
      known.delete(old);
    }
    const found = known.get(name);
    known.delete(name);
    const remembered = found?.remembered ?? {
      tokens: 0,
      fired: new Map(),
      turns: new Map(),
      drifting: new Set(),
    };
    known.set(name, { remembered, seen: ms });
    if (known.size > most) known.delete(known.keys().next().value!);
    return remembered;
  }
  return {
    of,
    get size() {
      return known.size;
    },
  };
}

/** Of a key's conversation: its id is the client's own, and may be another client's too, or as long as it likes. */
export function conversationName(keyId: string, id: string): string {
  return `conversation ${createHash('sha256')
    .update(JSON.stringify([keyId, id]))
    .digest('base64')}`;
}

export function keyName(keyId: string): string {
  return `key ${keyId}`;
}

/** An answer begins: it takes the place of one at the same turn, and of all after it. */
export function beginTurn({ turns }: Remembered, trait: string, turn: number): TurnSums {
  const known = turns.get(trait) ?? new Map<number, TurnSums>();
  turns.set(trait, known);
  for (const other of known.keys()) if (other >= turn) known.delete(other);
  if (known.size >= MAX_TURNS) known.delete(known.keys().next().value!);
  const sums = { raw: 0, z: 0, tokens: 0 };
  known.set(turn, sums);
  return sums;
}
