/**
 * What a user asks for: SPEC = VECTOR[=AMOUNT][@LAYERS][:OP][/SCOPE]
 *
 *     evil                  the vector's own coefficient at its own layer
 *     evil=-1.5@14          −1.5 times the (unnormalised) vector, after block 14
 *     evil=20%@8-12         at each of the layers 8 … 12, a fifth of the layer's mean residual norm
 *     evil=30u              a push of length 30 along it
 *     evil=1:inc            at every layer what the vector gains there, v[b] − v[b−1] (paper §5.3); @8-20:inc within
 *     evil:ablate/all       the component along the vector removed, in the whole text
 *     evil=2.5:cap          the projection ⟨h, v⟩/‖v‖ bounded to at most 2.5
 *     evil=>=-1sd:cap       … to at least one standard deviation below the model's usual
 *     evil:cap              … to at most one standard deviation above it
 *     assistant=>=25p:cap   … to at least what a quarter of the vector's calibration tokens lie below, layer by layer
 *
 * OP is add (the default), inc, ablate or cap; SCOPE response (the default: from the last prompt token on), prompt, all,
 * last_prompt or generated. How VECTOR ends, where a path holds one of `= @ : /`, says `splitVector`.
 */

import type { Edit, Scope } from '../engine/request.ts';
import { PersonaError } from '../errors.ts';
import { closestNames } from '../trait/closest.ts';
import { isFile, splitVector } from '../vector/find.ts';

/** inc: an addition at each layer of what the vector gains there */
export type SteerOp = Edit['op'] | 'inc';
export const OPS: readonly SteerOp[] = ['add', 'inc', 'ablate', 'cap'];
export const SCOPES: readonly Scope[] = ['response', 'prompt', 'all', 'last_prompt', 'generated'];

/** Both ends included. */
export interface LayerRange {
  from: number;
  to: number;
}

/** raw: times the vector · percent: of the layer's mean residual norm · length: times the unit vector */
export interface Coefficient {
  unit: 'raw' | 'percent' | 'length';
  value: number;
}

/**
 * above: at most this · below: at least this. raw: in units of the projection · sd: from the baseline's mean, in the
 * spread of its single tokens · percentile: of the tokens that the vector was calibrated on
 */
export interface Bound {
  side: 'above' | 'below';
  unit: 'raw' | 'sd' | 'percentile';
  value: number;
}

interface SpecBase {
  /** path or name, as the user gave it */
  vector: string;
  /** absent: the layer chosen for the vector */
  layers?: LayerRange;
  scope: Scope;
}

export type SteerSpec = SpecBase &
  (
    | { op: 'add'; /** absent: the vector's own */ coefficient?: Coefficient }
    | { op: 'inc'; coefficient?: Coefficient }
    | { op: 'ablate' }
    | { op: 'cap'; /** absent: at most the baseline's mean + 1 sd */ bound?: Bound }
  );

const NUMBER = String.raw`[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?`;
const COEFFICIENT = new RegExp(`^(${NUMBER})([%u]?)$`, 'i');
const UNITS: Record<string, Coefficient['unit']> = { '': 'raw', '%': 'percent', u: 'length' };
const BOUND = new RegExp(`^([<>]=)?(${NUMBER})(sd|p)?$`, 'i');
const BOUND_UNITS: Record<string, Bound['unit']> = { '': 'raw', sd: 'sd', p: 'percentile' };
const ORDER = 'The order is VECTOR=AMOUNT@LAYER:OP/SCOPE, as in evil=1.5@14:add/response.';

/**
 * @param exists whether a path is a file; for tests, and for callers whose vectors have no paths
 * @throws PersonaError USAGE saying which part is wrong
 */
export function parseSpec(text: string, exists: (path: string) => boolean = isFile): SteerSpec {
  const [vector, rest] = splitScope(...splitVector(text.trim(), exists), exists);
  if (vector === '') throw wrong(text, 'it names no vector', ORDER);
  const { '=': amount, '@': layers, ':': op = 'add', '/': scope = 'response' } = takeParts(text, rest);
  if (!isOneOf(OPS, op)) throw unknown(text, 'operation', op, OPS);
  if (!isOneOf(SCOPES, scope)) throw unknown(text, 'scope', scope, SCOPES);
  const base: SpecBase = {
    vector,
    ...(layers === undefined ? {} : { layers: parseLayers(text, layers) }),
    scope,
  };
  if (op === 'ablate') {
    if (amount !== undefined)
      throw wrong(
        text,
        `an ablation removes all of the component and takes no amount, got "${amount}"`,
        'Write evil:ablate, or evil=-1.5 to push against the trait.',
      );
    return { ...base, op };
  }
  if (op === 'cap')
    return { ...base, op, ...(amount === undefined ? {} : { bound: parseBound(text, amount) }) };
  const coefficient = amount === undefined ? undefined : parseCoefficient(text, amount);
  if (op === 'inc' && coefficient && coefficient.unit !== 'raw')
    throw wrong(
      text,
      'increments add up to one vector and take one plain coefficient for all layers',
      'Write evil=1:inc.',
    );
  return { ...base, op, ...(coefficient && { coefficient }) };
}

/** The shortest text that parses to this spec. */
export function formatSpec(spec: SteerSpec): string {
  const { vector, layers, op, scope } = spec;
  let text = vector;
  if ((spec.op === 'add' || spec.op === 'inc') && spec.coefficient)
    text += `=${formatCoefficient(spec.coefficient)}`;
  if (spec.op === 'cap' && spec.bound) text += `=${formatBound(spec.bound)}`;
  if (layers) text += layers.from === layers.to ? `@${layers.from}` : `@${layers.from}-${layers.to}`;
  if (op !== 'add') text += `:${op}`;
  return scope === 'response' ? text : `${text}/${scope}`;
}

function formatCoefficient({ unit, value }: Coefficient): string {
  return `${value}${{ raw: '', percent: '%', length: 'u' }[unit]}`;
}

function formatBound({ side, unit, value }: Bound): string {
  return `${side === 'below' ? '>=' : ''}${value}${{ raw: '', sd: 'sd', percentile: 'p' }[unit]}`;
}

/** A name without any other part may still end in a scope: `evil/all`. */
function splitScope(
  vector: string,
  rest: string,
  exists: (path: string) => boolean,
): [vector: string, rest: string] {
  const at = vector.lastIndexOf('/');
  const scope = vector.slice(at + 1);
  const isScope = rest === '' && at > 0 && isOneOf(SCOPES, scope) && !exists(vector);
  return isScope ? [vector.slice(0, at), `/${scope}`] : [vector, rest];
}

type Separator = '=' | '@' | ':' | '/';
const SEPARATORS: readonly Separator[] = ['=', '@', ':', '/'];
/** `=` may begin a bound, as in `=>=2`. */
const PART = /^(?:=([<>]=)?|[@:/])[^=@:/]*/;

function takeParts(text: string, rest: string): Partial<Record<Separator, string>> {
  const parts: Partial<Record<Separator, string>> = {};
  let last = -1;
  while (rest !== '') {
    const part = PART.exec(rest)![0];
    const separator = part[0] as Separator;
    const place = SEPARATORS.indexOf(separator);
    if (place <= last) throw wrong(text, `"${part}" does not belong where it stands`, ORDER);
    if (part.length === 1) throw wrong(text, `nothing stands after "${separator}"`, ORDER);
    parts[separator] = part.slice(1).trim();
    last = place;
    rest = rest.slice(part.length);
  }
  return parts;
}

function parseCoefficient(text: string, amount: string): Coefficient {
  const found = COEFFICIENT.exec(amount);
  const value = Number(found?.[1]);
  if (found && Number.isFinite(value)) return { unit: UNITS[found[2]!.toLowerCase()]!, value };
  const remedy = BOUND.test(amount)
    ? `A bound belongs to a cap: evil=${amount}:cap.`
    : "Write a number (times the vector), as in evil=1.5, a share of the layer's residual norm, as in evil=20%, or a length, as in evil=30u.";
  throw wrong(text, `the coefficient "${amount}" is not a number`, remedy);
}

function parseBound(text: string, amount: string): Bound {
  const found = BOUND.exec(amount);
  const value = Number(found?.[2]);
  if (!found || !Number.isFinite(value))
    throw wrong(
      text,
      `the bound "${amount}" is not one`,
      'Write evil=2.5:cap (at most), evil=>=-1:cap (at least), standard deviations from the usual: evil=1sd:cap, or a percentile: evil=>=25p:cap.',
    );
  const unit = BOUND_UNITS[(found[3] ?? '').toLowerCase()]!;
  if (unit === 'percentile' && !(value >= 0 && value <= 100))
    throw wrong(text, `the percentile ${value} is not one`, 'Percentiles are 0 to 100.');
  return { side: found[1] === '>=' ? 'below' : 'above', unit, value };
}

function parseLayers(text: string, layers: string): LayerRange {
  const found = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(layers);
  if (!found)
    throw wrong(
      text,
      `the layer "${layers}" is not one`,
      'Write a layer as in evil@14, or a range as in evil@8-12.',
    );
  const from = Number(found[1]);
  const to = Number(found[2] ?? from);
  if (to < from)
    throw wrong(text, `the layers "${layers}" run backwards`, `Write the lower one first: @${to}-${from}.`);
  return { from, to };
}

function isOneOf<T extends string>(known: readonly T[], value: string): value is T {
  return (known as readonly string[]).includes(value);
}

function unknown(text: string, part: string, got: string, known: readonly string[]): PersonaError {
  const [near] = closestNames(got, known, 1);
  return wrong(
    text,
    `the ${part} "${got}" is none of ${known.join(', ')}`,
    near === undefined ? ORDER : `Did you mean ${near}?`,
  );
}

function wrong(text: string, what: string, remedy: string): PersonaError {
  return new PersonaError('USAGE', `steering ${JSON.stringify(text)}: ${what}`, { remedy });
}
