/** From a policy as it is written to one that can be run: its vectors found, its bounds in numbers, its edits made. */

import { isPersonaError, PersonaError } from '../../errors.ts';
import type { ModelIdentity } from '../../model/chat-model.ts';
import { watchedLayer } from '../../monitor/watch.ts';
import { checkFit } from '../../vector/fit.ts';
import type { PersonaVector } from '../../vector/vector.ts';
import { NO_STEERING, joinSteering, type Steering, steeringOf } from '../resolve.ts';
import type { SteerSpec } from '../spec.ts';
import { type ActionConfig, DRIFT, type DriftConfig, type PolicyConfig, type RuleConfig } from './config.ts';
import type { Cooldown } from './cooldown.ts';
import type { Trend } from './drift.ts';
import type { SteerPermission } from './permission.ts';
import type { Acting, Decision } from './policy.ts';
import { defaultRelease, type Trigger } from './rule.ts';
import type { Amount, Condition } from './when.ts';

export interface CompiledPolicy {
  /** undefined: what holds where there is no policy */
  name: string | undefined;
  watch: string[];
  /** every vector that it was made with, by name */
  vectors: ReadonlyMap<string, PersonaVector>;
  steer: SteerPermission;
  always: Steering;
  rules: CompiledRule[];
  drift: CompiledDrift | undefined;
  holdsBack: boolean;
  intervenes: boolean;
}

export interface CompiledRule {
  name: string;
  trigger: Trigger;
  cooldown: Cooldown | undefined;
  decisions: Decision[];
}

export interface CompiledDrift {
  /** with the scale of z for each */
  traits: { trait: string; meanScale: number }[];
  trend: Trend;
  decisions: Decision[];
}

export const NO_POLICY: CompiledPolicy = {
  name: undefined,
  watch: [],
  vectors: new Map(),
  steer: undefined,
  always: NO_STEERING,
  rules: [],
  drift: undefined,
  holdsBack: false,
  intervenes: false,
};

/** @throws PersonaError naming policy, rule and vector */
export function compilePolicy(
  name: string,
  config: PolicyConfig,
  find: (name: string) => PersonaVector | undefined,
  model: ModelIdentity,
): CompiledPolicy {
  const vectors = new Map<string, PersonaVector>();
  const watch = new Set<string>();

  function vectorOf(trait: string): PersonaVector {
    const vector = find(trait);
    if (vector === undefined)
      throw new PersonaError('NOT_FOUND', `no vector ${trait} is loaded`, {
        remedy: `Name its file under "vectors", as in vectors: {${trait}: ${trait}.gguf}.`,
      });
    vectors.set(trait, vector);
    return vector;
  }
  function watched(trait: string): WatchedVector {
    const vector = vectorOf(trait);
    checkFit(vector, model, trait);
    watch.add(trait);
    return { trait, vector, layer: watchedLayer({ vector: trait }, vector) };
  }
  function steering(specs: readonly SteerSpec[]): Steering {
    return joinSteering(specs.map((spec) => steeringOf(spec, vectorOf(spec.vector), model)));
  }
  function ruleOf(rule: RuleConfig): CompiledRule {
    const found = watched(rule.when.trait);
    const trigger = triggerOf(rule, found);
    const ownBound = (): Steering => {
      const { side, bound, of } = rule.when;
      const value = bound.unit === 'raw' ? bound.value : rawBound(found, bound.value, of);
      return steering([
        { vector: found.trait, op: 'cap', bound: { side, unit: 'raw', value }, scope: 'response' },
      ]);
    };
    const decisions = rule.do.map((action) =>
      decisionOf(rule.name, action, (specs) => (specs === undefined ? ownBound() : steering(specs))),
    );
    return { name: rule.name, trigger, cooldown: rule.cooldown, decisions };
  }
  function driftOf({ traits, turns, slope, do: actions }: DriftConfig): CompiledDrift {
    return {
      traits: traits.map((trait) => {
        const found = watched(trait);
        if (slope.unit === 'sd') baselineOf(found);
        return { trait, meanScale: meanScaleOf(found.vector, found.layer) };
      }),
      trend: { turns, slope },
      decisions: actions.map((action) => decisionOf(DRIFT, action, (specs = []) => steering(specs))),
    };
  }

  /** What is wrong with a part is said with its place. */
  function inPart<T>(part: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!isPersonaError(error)) throw error;
      const { code, message, remedy } = error;
      throw new PersonaError(code, `policy ${name}, ${part}: ${message}`, {
        ...(remedy !== undefined && { remedy }),
        cause: error,
      });
    }
  }

  for (const trait of config.watch) inPart('watch', () => watched(trait));
  const always = inPart('always', () => steering(config.always));
  const rules = config.rules.map((rule) => inPart(`rule ${rule.name}`, () => ruleOf(rule)));
  const drift = config.drift && inPart(DRIFT, () => driftOf(config.drift!));
  // a rule on the prompt is decided before a word is written: nothing has to wait for it
  const atTokens = new Set(
    rules
      .filter(({ trigger }) => trigger.when.of !== 'prompt')
      .flatMap(({ decisions }) => decisions.map(({ do: action }) => action)),
  );
  const holdsBack = atTokens.has('regenerate') || atTokens.has('fallback');
  const intervenes = holdsBack || atTokens.has('cap') || atTokens.has('stop');
  const { steer } = config;
  return { name, watch: [...watch], vectors, steer, always, rules, drift, holdsBack, intervenes };
}

interface WatchedVector {
  trait: string;
  vector: PersonaVector;
  layer: number;
}

function triggerOf({ when, release }: RuleConfig, watched: WatchedVector): Trigger {
  const { vector, layer } = watched;
  const usesDeviations = [when, release].some((condition) => condition?.bound.unit === 'sd');
  if (usesDeviations) baselineOf(watched);
  const meanScale = when.of === 'mean' ? meanScaleOf(vector, layer) : 1;
  const usual = when.bound.unit === 'sd' ? 0 : (vector.baseline?.mean[layer] ?? 0);
  return { when, release: release ?? defaultRelease(when, usual), meanScale };
}

interface UsualAt {
  mean: number;
  deviation: number;
  tokenDeviation: number;
}

function baselineOf({ trait, vector: { baseline }, layer }: WatchedVector): UsualAt {
  const [mean, deviation, tokenDeviation] = [
    baseline?.mean,
    baseline?.deviation,
    baseline?.tokenDeviation,
  ].map((row) => row?.[layer] ?? NaN) as [number, number, number];
  if (deviation > 0 && tokenDeviation > 0) return { mean, deviation, tokenDeviation };
  const lacks = baseline ? `no spread at layer ${layer}` : 'no neutral baseline';
  throw new PersonaError('BAD_VECTOR', `${trait} holds ${lacks} to measure standard deviations from`, {
    remedy: `Give the bound as a projection, as in ${trait} > 12.5, or extract the vector anew.`,
  });
}

/** z of a mean, for each unit of the mean of single tokens' z; 1 where nothing is known of z. */
function meanScaleOf({ baseline }: PersonaVector, layer: number): number {
  const scale = baseline ? baseline.tokenDeviation[layer]! / baseline.deviation[layer]! : 1;
  return Number.isFinite(scale) ? scale : 1;
}

/** The projection that lies so many deviations off, in the spread that the condition is measured by. */
function rawBound(watched: WatchedVector, value: Amount['value'], of: Condition['of']): number {
  const { mean, deviation, tokenDeviation } = baselineOf(watched);
  return mean + value * (of === 'mean' ? deviation : tokenDeviation);
}

function byRule(rule: string, { edits, applied }: Steering): Acting {
  return { edits, applied: applied.map((each) => ({ ...each, rule })) };
}

function decisionOf(
  rule: string,
  action: ActionConfig,
  steering: (specs: readonly SteerSpec[] | undefined) => Steering,
): Decision {
  switch (action.do) {
    case 'log':
      return { rule, do: 'log' };
    case 'header':
      return { rule, do: 'header', name: action.name, value: action.value ?? rule };
    case 'webhook':
      return { rule, do: 'webhook', url: action.url };
    case 'cap':
    case 'regenerate':
      return { rule, do: action.do, ...byRule(rule, steering(action.specs)) };
    case 'stop':
      return { rule, do: 'stop', finishReason: action.finishReason };
    case 'fallback':
      return { rule, do: 'fallback', text: action.text };
  }
}
