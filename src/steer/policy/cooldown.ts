/** How long a rule that fired keeps quiet: `50 tokens`, `10m`, `2h per key`. */

import { PersonaError } from '../../errors.ts';

export interface Cooldown {
  /** tokens: of all answers of the conversation, or of the key */
  unit: 'tokens' | 'ms';
  value: number;
  per: 'conversation' | 'key';
}

/** A moment of a conversation or key: tokens written so far, and the clock. */
export interface Moment {
  tokens: number;
  ms: number;
}

const MILLISECONDS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const COOLDOWN = /^(\d+(?:\.\d+)?)\s*(tokens?|ms|s|m|h|d)(?:\s+per\s+(conversation|key))?$/;

/** @throws PersonaError USAGE */
export function parseCooldown(text: string): Cooldown {
  const found = COOLDOWN.exec(text.trim());
  const value = Number(found?.[1]);
  if (!found || !(value > 0))
    throw new PersonaError(
      'USAGE',
      `expected a number of tokens or a time, as in 50 tokens, 10m or 2h per key; got ${JSON.stringify(text)}`,
    );
  const per = (found[3] ?? 'conversation') as Cooldown['per'];
  const scale = MILLISECONDS[found[2]!];
  return scale === undefined ? { unit: 'tokens', value, per } : { unit: 'ms', value: value * scale, per };
}

export function formatCooldown({ unit, value, per }: Cooldown): string {
  const scope = per === 'key' ? ' per key' : '';
  if (unit === 'tokens') return `${value} tokens${scope}`;
  const [name, scale] = Object.entries(MILLISECONDS).findLast(([, ms]) => value % ms === 0) ?? ['ms', 1];
  return `${value / scale}${name}${scope}`;
}

/** @param last when the rule fired before */
export function isOver({ unit, value }: Cooldown, last: Moment | undefined, now: Moment): boolean {
  return last === undefined || !(now[unit] - last[unit] < value);
}
