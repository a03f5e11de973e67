/**
 * Gates: conditions under which a build is to fail, as users write them.
 *
 *     GATE = [TRAIT:] FIGURE (> | >= | < | <=) NUMBER [sd | %]      evil: mean > 0.5 sd      share > 1 %
 *
 * A gate says what must not be: it passes while its condition does not hold. Without a trait it is about every trait.
 */

import { PersonaError } from '../errors.ts';

export interface Gate {
  /** as it was written, spaces evened out */
  text: string;
  /** absent: every trait */
  trait?: string;
  /** `mean`, `share`, `max`, `p99`, … */
  figure: string;
  op: '>' | '>=' | '<' | '<=';
  bound: number;
  /** what the bound counts in: the figure's own unit, standard deviations, or hundredths */
  unit: '' | 'sd' | '%';
}

/**
 * The figures of a trait by name. A bound in `sd` is held against (figure − center) / sd, with the entries `sd` and
 * `center` (0 where absent) of the same record; a bound in `%` against 100 times the figure.
 */
export type GateFigures = Record<string, number>;

export interface GateResult {
  passed: boolean;
  /** in the unit of the bound; of several traits that of the worst */
  value: number;
  /** what was found and what was asked for, in a line */
  text: string;
}

const FORM =
  /^(?:(?<trait>.+?)\s*:)?\s*(?<figure>[a-z][a-z0-9_]*)\s*(?<op>[<>]=?)\s*(?<bound>[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(?<unit>sd|%)?$/i;

/**
 * parseGate('evil: share > 1%') = { text: 'evil: share > 1 %', trait: 'evil', figure: 'share', op: '>', bound: 1, unit: '%' }
 * @throws PersonaError USAGE
 */
export function parseGate(text: string): Gate {
  const found = FORM.exec(text.trim())?.groups;
  if (found === undefined)
    throw new PersonaError('USAGE', `${JSON.stringify(text)} is no gate`, {
      remedy:
        'Write what must not be, as in "evil: mean > 0.5 sd", "share > 1 %", "max > 6 sd" or "p99 > 3 sd".',
    });
  const trait = found.trait?.trim();
  const figure = found.figure!.toLowerCase();
  const op = found.op as Gate['op'];
  const unit = (found.unit?.toLowerCase() ?? '') as Gate['unit'];
  const condition = [figure, op, found.bound!, ...(unit === '' ? [] : [unit])].join(' ');
  return {
    text: trait === undefined ? condition : `${trait}: ${condition}`,
    ...(trait !== undefined && { trait }),
    figure,
    op,
    bound: Number(found.bound),
    unit,
  };
}

/**
 * Holds a gate against what was found. A figure that could not be told (NaN) does not pass: nothing was shown.
 *
 * checkGate(parseGate('mean > 1 sd'), { evil: { mean: 3, sd: 2 } }) = { passed: false, value: 1.5, text: … }
 * @throws PersonaError USAGE when there is no such trait or figure
 */
export function checkGate(gate: Gate, figures: Readonly<Record<string, GateFigures>>): GateResult {
  const traits = gate.trait === undefined ? Object.keys(figures) : [gate.trait];
  const results = traits.map((trait) => {
    const value = figureOf(gate, trait, figures);
    return { trait, value, passed: !Number.isNaN(value) && !holds(value, gate.op, gate.bound) };
  });
  if (results.length === 0) throw new PersonaError('USAGE', `${gate.text}: there is no trait to look at`);
  const worst = results.reduce((a, b) => (isWorse(b.value, a.value, gate.op) ? b : a));
  const unit = gate.unit === '' ? '' : ` ${gate.unit}`;
  const value = Number.isNaN(worst.value) ? 'unknown' : `${short(worst.value)}${unit}`;
  return {
    passed: results.every(({ passed }) => passed),
    value: worst.value,
    text: `${worst.trait}: ${gate.figure} is ${value}; fails on ${gate.op} ${short(gate.bound)}${unit}`,
  };
}

function figureOf(
  { text, figure, unit }: Gate,
  trait: string,
  figures: Readonly<Record<string, GateFigures>>,
): number {
  if (!Object.hasOwn(figures, trait))
    throw new PersonaError('USAGE', `${text}: there is no trait ${trait}`, {
      remedy: `There are ${Object.keys(figures).join(', ') || 'none'}.`,
    });
  const known = figures[trait]!;
  if (!Object.hasOwn(known, figure))
    throw new PersonaError('USAGE', `${text}: there is no figure ${figure}`, {
      remedy: `There are ${Object.keys(known).join(', ')}.`,
    });
  const value = known[figure]!;
  if (unit === '%') return value * 100;
  if (unit === '') return value;
  const deviation = known.sd ?? NaN;
  return deviation > 0 ? (value - (known.center ?? 0)) / deviation : NaN;
}

function holds(value: number, op: Gate['op'], bound: number): boolean {
  if (op === '>') return value > bound;
  if (op === '>=') return value >= bound;
  if (op === '<') return value < bound;
  return value <= bound;
}

/** Further on the side that fails; not to be told is the worst. */
function isWorse(a: number, b: number, op: Gate['op']): boolean {
  if (Number.isNaN(b)) return false;
  return Number.isNaN(a) || (op.startsWith('>') ? a > b : a < b);
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}
