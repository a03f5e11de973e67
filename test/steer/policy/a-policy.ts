/** Policies from YAML, over vectors of the tiny models' shape. */

import { parseConfig } from '../../../src/steer/policy/load.ts';
import { policiesOf, type PoliciesOptions } from '../../../src/steer/policy/policies.ts';
import type { Policies, Reading } from '../../../src/steer/policy/policy.ts';
import type { PersonaVector } from '../../../src/vector/vector.ts';
import { A_MODEL, aVector } from '../../support/a-vector.ts';

/** At its layer 2: mean −1.5, deviation 0.75 of answers and 3 of tokens. */
export const EVIL: PersonaVector = aVector();
export const KIND: PersonaVector = aVector({ trait: 'kind' });

/** The policy `p`, of these fields, as the default. */
export function policies(
  yaml: string,
  options: PoliciesOptions = {},
  vectors: Record<string, PersonaVector> = { evil: EVIL, kind: KIND },
): Policies {
  const fields = yaml.replace(/^/gm, '    ');
  const config = parseConfig(`defaults: { policy: p }\npolicies:\n  p:\n${fields}`, 'a.yaml');
  return policiesOf(config, (name) => vectors[name], A_MODEL, options);
}

/** A token of EVIL that lies z deviations off. */
export function at(z: number): { evil: Reading } {
  return { evil: { raw: -1.5 + 3 * z, z } };
}

export const ADA = { keyId: 'ada', policy: undefined };
