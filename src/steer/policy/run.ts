/** A policy at work on one answer: readings go in, decisions come out, in the order of the file. */

import { type Cooldown, isOver, type Moment } from './cooldown.ts';
import type { CompiledPolicy, CompiledRule } from './compile.ts';
import { DRIFT } from './config.ts';
import { driftState, trendOf } from './drift.ts';
import {
  beginTurn,
  conversationName,
  keyName,
  type Memory,
  type Remembered,
  type TurnSums,
} from './memory.ts';
import { checkPermission, type Steerable } from './permission.ts';
import type { Caller, Conversation, Decision, Fired, PolicyRun, Reading, Readings } from './policy.ts';
import { type RuleWatch, watchRule } from './rule.ts';

export interface RunContext {
  policy: CompiledPolicy;
  memory: Memory;
  now: () => number;
  find: Steerable['find'];
  model: Steerable['model'];
}

export function beginRun(context: RunContext, caller: Caller, conversation: Conversation): PolicyRun {
  const { policy, memory } = context;
  const named = policy.name ?? '';
  const names = { key: keyName(caller.keyId), conversation: conversationName(caller.keyId, conversation.id) };
  const remembered = (per: Cooldown['per']): Remembered => memory.of(names[per]);
  const moment = (per: Cooldown['per']): Moment => ({ tokens: remembered(per).tokens, ms: context.now() });
  const traits = policy.drift?.traits ?? [];

  const fired: Fired[] = [];
  /** the text was thrown away for them already: it is tried once */
  const regenerated = new Set<CompiledRule>();
  let capped = new Set<CompiledRule>();
  let watches = watchAll();
  let sums: Map<string, TurnSums> | undefined;
  let begun = false;
  let last = -1;

  function watchAll(): { rule: CompiledRule; watch: RuleWatch }[] {
    return policy.rules.map((rule) => ({ rule, watch: watchRule(rule.trigger, () => isReady(rule)) }));
  }
  function isReady(rule: CompiledRule): boolean {
    const { cooldown, name } = rule;
    if (cooldown === undefined || regenerated.has(rule)) return true; // an answer written anew is watched as well
    return isOver(cooldown, remembered(cooldown.per).fired.get(`${named} ${name}`), moment(cooldown.per));
  }
  /** The answer is written once more: what was read of the first one is nothing to the second. */
  function restart(): void {
    watches = watchAll();
    capped = new Set();
    sums = undefined;
    last = -1;
  }

  function decide(
    at: number,
    readingOf: (watch: RuleWatch, trait: string) => Reading | undefined,
  ): Decision[] {
    const made: Decision[] = [];
    for (const { rule, watch } of watches) {
      const { trait } = rule.trigger.when;
      const reading = readingOf(watch, trait);
      if (reading === undefined) continue;
      if (rule.cooldown) {
        const { per } = rule.cooldown;
        remembered(per).fired.set(`${named} ${rule.name}`, moment(per));
      }
      for (const decision of rule.decisions) {
        if (!isOpen(rule, decision, made)) continue;
        if (decision.do === 'cap') capped.add(rule);
        if (decision.do === 'regenerate') regenerated.add(rule);
        made.push(decision);
        fired.push({ rule: rule.name, action: decision.do, trait, at, reading });
      }
    }
    return made;
  }
  /** One end an answer: the first that is wanted. A cap that acts already is not put on top of itself. */
  function isOpen(rule: CompiledRule, decision: Decision, made: readonly Decision[]): boolean {
    if (decision.do === 'cap') return !capped.has(rule);
    if (decision.do === 'regenerate' && regenerated.has(rule)) return false;
    return !endsAnswer(decision) || !made.some(endsAnswer);
  }

  function drifts(): Decision[] {
    const { drift } = policy;
    if (drift === undefined) return [];
    const known = remembered('conversation');
    return drift.traits.flatMap(({ trait, meanScale }) => {
      const slope = trendOf(known, trait, conversation.turn, drift.trend, meanScale);
      const state = slope && driftState(known, `${named} ${trait}`, slope, drift.trend.slope);
      if (slope === undefined || state === undefined) return [];
      // it is told of once, but what acts on an answer acts on each of them
      const decisions = drift.decisions.filter(
        ({ do: action }) => state === 'begins' || action === 'cap' || action === 'header',
      );
      for (const { do: action } of decisions)
        fired.push({ rule: DRIFT, action, trait, at: -1, reading: slope });
      return decisions;
    });
  }
  function remember(readings: Readings): void {
    if (policy.rules.some(({ cooldown }) => cooldown?.per === 'key')) remembered('key').tokens++;
    if (traits.length === 0 && !policy.rules.some(({ cooldown }) => cooldown)) return;
    const known = remembered('conversation');
    known.tokens++;
    sums ??= new Map(traits.map(({ trait }) => [trait, beginTurn(known, trait, conversation.turn)]));
    for (const [trait, sum] of sums) {
      const reading = readings[trait];
      if (reading === undefined || !Number.isFinite(reading.raw)) continue;
      sum.raw += reading.raw;
      sum.z += reading.z ?? NaN;
      sum.tokens++;
    }
  }

  return {
    watch: policy.watch,
    edits: policy.always.edits,
    applied: policy.always.applied,
    holdsBack: policy.holdsBack,
    intervenes: policy.intervenes,
    checkSteering(asked) {
      const { find, model } = context;
      checkPermission({ permission: policy.steer, policy: named, find, model }, asked);
    },
    onPrompt(readings) {
      if (begun) restart();
      begun = true;
      return [...decide(-1, (watch, trait) => watch.onPrompt(readings[trait])), ...drifts()];
    },
    onToken(index, readings) {
      if (index <= last) restart();
      last = index;
      remember(readings);
      return decide(index, (watch, trait) => watch.onToken(readings[trait]));
    },
    fired: () => fired,
  };
}

function endsAnswer({ do: action }: Decision): boolean {
  return action === 'stop' || action === 'regenerate' || action === 'fallback';
}
