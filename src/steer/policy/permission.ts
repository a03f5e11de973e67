/**
 * What a caller may steer. Judged by what a SPEC comes to on the vector, not by how it is written: coefficients of
 * several SPECs add up, a percentage is as much as it is, and a cap may force no more than an addition could.
 */

import { PersonaError } from '../../errors.ts';
import type { ModelIdentity } from '../../model/chat-model.ts';
import type { PersonaVector } from '../../vector/vector.ts';
import { type AppliedSteering, steeringOf } from '../resolve.ts';
import { formatSpec, type SteerOp, type SteerSpec } from '../spec.ts';
import type { PolicyConfig, SteerLimits } from './config.ts';

export type SteerPermission = PolicyConfig['steer'];

/** Where no ops are named: other operations reach beyond a coefficient. */
const DEFAULT_OPS: readonly SteerOp[] = ['add'];
/** Coefficients that came by way of a percentage carry rounding. */
const ROUNDING = 1e-9;

export interface Steerable {
  permission: SteerPermission;
  /** of the policy, for messages */
  policy: string;
  find: (name: string) => PersonaVector | undefined;
  model: ModelIdentity;
}

/** What a caller asks for. */
export interface AskedSpec {
  spec: SteerSpec;
  /** of the field that it came from */
  path: string;
}

/** @throws PersonaError FORBIDDEN naming the field; or what is wrong with a SPEC, where limits have to be held to it */
export function checkPermission(steerable: Steerable, asked: readonly AskedSpec[]): void {
  const { permission, find, model } = steerable;
  if (permission === undefined || permission === true) return;
  // by vector, layer and sign: pushes of two signs may act on different parts of the text, and then do not cancel
  const sums = new Map<string, number>();
  for (const { spec, path } of asked) {
    const refuse = (what: string): PersonaError =>
      new PersonaError(
        'FORBIDDEN',
        `${path}: policy ${steerable.policy} does not allow ${formatSpec(spec)}: ${what}`,
        {
          remedy: `Callers may steer ${permissionText(permission)}.`,
        },
      );
    const limits = limitsOf(permission, spec.vector);
    if (limits === true) continue;
    if (limits === false) throw refuse(`${spec.vector} may not be steered`);
    const ops = limits.ops ?? DEFAULT_OPS;
    if (!ops.includes(spec.op)) throw refuse(`the operation is none of ${ops.join(', ')}`);
    if (limits.scopes && !limits.scopes.includes(spec.scope))
      throw refuse(`the scope is none of ${limits.scopes.join(', ')}`);
    const vector = find(spec.vector);
    if (vector === undefined)
      throw new PersonaError('NOT_FOUND', `${path}: no vector ${spec.vector} is loaded`);
    for (const applied of steeringOf(spec, vector, model).applied) {
      const { layer, coefficient = 0 } = applied;
      if (limits.layers && !(layer >= limits.layers[0] && layer <= limits.layers[1]))
        throw refuse(`layer ${layer} is outside ${layersText(limits.layers)}`);
      const key = `${Math.sign(coefficient)} ${layer} ${spec.vector}`;
      const sum = (sums.get(key) ?? 0) + coefficient;
      sums.set(key, sum);
      if (spec.op === 'cap') checkCap(applied, limits, vector, refuse);
      else if (spec.op !== 'ablate' && !(isWithin(coefficient, limits) && isWithin(sum, withZero(limits))))
        throw refuse(`the coefficient at layer ${layer} comes to ${Number(sum.toPrecision(6))}`);
    }
  }
}

function limitsOf(
  permission: Exclude<SteerPermission, boolean | undefined> | false,
  name: string,
): boolean | SteerLimits {
  if (permission === false) return false;
  for (const key of [name, '*']) if (Object.hasOwn(permission, key)) return permission[key]!;
  return false; // where some are named, the others are not meant
}

/** Adding c times the vector moves a projection by c·‖v‖: no cap may force it further from the usual. */
function checkCap(
  { layer, norm, above, below }: AppliedSteering,
  limits: SteerLimits,
  { baseline }: PersonaVector,
  refuse: (what: string) => PersonaError,
): void {
  if (limits.min === undefined && limits.max === undefined) return;
  const usual = baseline?.mean[layer];
  if (usual === undefined)
    throw refuse('it has limits, and without a neutral baseline in the vector a cap cannot be held to them');
  const forced = ((above ?? below!) - usual) / norm;
  if (above !== undefined && !(forced >= (limits.min ?? -Infinity) - ROUNDING))
    throw refuse(`at most ${above} would force more than ${limits.min} times the vector`);
  if (below !== undefined && !(forced <= (limits.max ?? Infinity) + ROUNDING))
    throw refuse(`at least ${below} would force more than ${limits.max} times the vector`);
}

/** What several pushes of one sign may come to. */
function withZero({ min, max }: SteerLimits): SteerLimits {
  return { min: min && Math.min(min, 0), max: max && Math.max(max, 0) };
}

function isWithin(coefficient: number, { min = -Infinity, max = Infinity }: SteerLimits): boolean {
  return coefficient >= min - ROUNDING && coefficient <= max + ROUNDING;
}

/** optimistic (add or cap, -1 to 2 times the vector, layers 10 to 20, scope response), and nothing else */
export function permissionText(permission: SteerPermission): string {
  if (permission === undefined || permission === true) return 'anything';
  if (permission === false) return 'nothing';
  const { '*': others = false, ...named } = permission;
  const allowed = Object.entries(named).flatMap(([name, limits]) =>
    limits === false ? [] : [name + limitsText(limits)],
  );
  const refused = Object.keys(named).filter((name) => named[name] === false);
  const rest =
    others === false ? [] : [`${allowed.length > 0 ? 'any other' : 'anything'}${limitsText(others)}`];
  const parts = [...allowed, ...rest];
  if (parts.length === 0) return 'nothing';
  if (rest.length === 0) return `${parts.join(', ')}, and nothing else`;
  return parts.join(', ') + (refused.length > 0 ? `, but not ${refused.join(', ')}` : '');
}

function limitsText(limits: true | SteerLimits): string {
  if (limits === true) return '';
  const { min, max, layers, ops = DEFAULT_OPS, scopes } = limits;
  const parts = [ops.join(' or ')];
  if (min !== undefined && max !== undefined) parts.push(`${min} to ${max} times the vector`);
  else if (min !== undefined) parts.push(`at least ${min} times the vector`);
  else if (max !== undefined) parts.push(`at most ${max} times the vector`);
  if (layers) parts.push(layersText(layers));
  if (scopes) parts.push(`scope ${scopes.join(' or ')}`);
  return ` (${parts.join(', ')})`;
}

function layersText([from, to]: readonly [number, number]): string {
  return from === to ? `layer ${from}` : `layers ${from} to ${to}`;
}
