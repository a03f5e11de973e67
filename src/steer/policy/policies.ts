/** The policies of a configuration, ready to be begun with each answer. */

import { PersonaError } from '../../errors.ts';
import type { ModelIdentity } from '../../model/chat-model.ts';
import { closestNames } from '../../trait/closest.ts';
import type { PersonaVector } from '../../vector/vector.ts';
import { type CompiledPolicy, compilePolicy, NO_POLICY } from './compile.ts';
import type { PersonaConfig } from './config.ts';
import { type Memory, openMemory } from './memory.ts';
import type { Policies } from './policy.ts';
import { beginRun } from './run.ts';

export interface PoliciesOptions {
  /** Of conversations; give the same to policies that take the place of others. @default a new one */
  memory?: Memory;
  /** milliseconds. @default Date.now */
  now?: () => number;
}

/**
 * All policies are made ready at once, so that what is wrong with one is known before anything is served.
 * @param find a loaded vector by its name; asked again with each answer, as vectors come and go
 * @throws PersonaError naming policy, rule and vector: NOT_FOUND, WRONG_MODEL, BAD_VECTOR, USAGE
 */
export function policiesOf(
  config: Pick<PersonaConfig, 'policies' | 'defaults'>,
  find: (name: string) => PersonaVector | undefined,
  model: ModelIdentity,
  options: PoliciesOptions = {},
): Policies {
  const { now = Date.now, memory = openMemory(now) } = options;
  const compiled = compilePolicies(config, find, model);

  function policyOf(name: string | undefined): CompiledPolicy {
    if (name === undefined) return NO_POLICY;
    const policy = compiled.get(name);
    if (policy === undefined) throw noPolicy(name, [...compiled.keys()]);
    if ([...policy.vectors].every(([vector, known]) => find(vector) === known)) return policy;
    const anew = compilePolicy(name, config.policies[name]!, find, model); // a vector was loaded in place of another
    compiled.set(name, anew);
    return anew;
  }
  return {
    vectors: () => new Set([...compiled.values()].flatMap(({ vectors }) => [...vectors.keys()])),
    begin(caller, conversation) {
      const policy = policyOf(caller.policy ?? config.defaults.policy);
      return beginRun({ policy, memory, now, find, model }, caller, conversation);
    },
  };
}

export function compilePolicies(
  { policies }: Pick<PersonaConfig, 'policies'>,
  find: (name: string) => PersonaVector | undefined,
  model: ModelIdentity,
): Map<string, CompiledPolicy> {
  return new Map(
    Object.entries(policies).map(([name, policy]) => [name, compilePolicy(name, policy, find, model)]),
  );
}

export function noPolicy(name: string, known: readonly string[]): PersonaError {
  const near = closestNames(name, known, 1)[0];
  const there = known.length > 0 ? `There are ${known.join(', ')}.` : 'The configuration names none.';
  return new PersonaError('NOT_FOUND', `there is no policy ${JSON.stringify(name)}`, {
    remedy: near === undefined ? there : `Did you mean ${near}?`,
  });
}
