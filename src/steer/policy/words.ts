/** A policy in words, for people who want to know what they wrote. */

import { formatSpec, type SteerSpec } from '../spec.ts';
import type { CompiledPolicy } from './compile.ts';
import type { ActionConfig, PolicyConfig, RuleConfig } from './config.ts';
import { formatCooldown } from './cooldown.ts';
import { permissionText } from './permission.ts';
import { formatAmount, formatWhen } from './when.ts';

/** Lines, the first of them the name. */
export function policyWords(name: string, config: PolicyConfig, compiled: CompiledPolicy): string[] {
  const { always, rules, drift } = config;
  const lines = [
    name,
    `  watches ${compiled.watch.length > 0 ? compiled.watch.join(', ') : 'nothing'}`,
    `  callers may steer ${permissionText(config.steer)}`,
  ];
  if (always.length > 0) lines.push(`  always: ${specsText(always)}`);
  for (const [i, rule] of rules.entries()) {
    const { release } = compiled.rules[i]!.trigger;
    const again = release ? `, again after ${formatWhen(release)}` : '';
    const pause = rule.cooldown ? `, not within ${formatCooldown(rule.cooldown)}` : '';
    lines.push(`  ${rule.name}: when ${formatWhen(rule.when)}${again}${pause}: ${actionsText(rule.do)}`);
  }
  if (drift)
    lines.push(
      `  drift: when ${drift.traits.join(' or ')} ${drift.slope.value > 0 ? 'rises' : 'falls'} by ${formatAmount({ ...drift.slope, value: Math.abs(drift.slope.value) })} a turn over ${drift.turns} turns: ${actionsText(drift.do)}`,
    );
  if (compiled.holdsBack)
    lines.push('  answers are held back until they are whole: a rule may throw them away');
  return lines;
}

/** What is allowed, but may not be meant. */
export function policyWarnings({ rules, always, steer }: PolicyConfig): string[] {
  const ends = (rule: RuleConfig): boolean =>
    rule.do.some(({ do: action }) => ['cap', 'stop', 'regenerate', 'fallback'].includes(action));
  const warnings = rules
    .filter((rule) => rule.cooldown && ends(rule))
    .map(({ name }) => `${name}: during its cool-down, answers pass unchanged`);
  const open = steer === undefined || steer === true;
  if (open && always.length > 0)
    warnings.push('callers may steer anything, also at layers behind those that are always edited');
  return warnings;
}

function actionsText(actions: readonly ActionConfig[]): string {
  return actions.map(actionText).join(', ');
}

function actionText(action: ActionConfig): string {
  switch (action.do) {
    case 'log':
      return 'log';
    case 'header':
      return `header ${action.name}`;
    case 'webhook':
      return `webhook ${action.url}`;
    case 'cap':
      return action.specs ? `cap by ${specsText(action.specs)}` : 'cap at the bound';
    case 'stop':
      return `stop (${action.finishReason})`;
    case 'regenerate':
      return `write anew with ${action.specs ? specsText(action.specs) : 'a cap at the bound'}`;
    case 'fallback':
      return `answer ${JSON.stringify(action.text)} instead`;
  }
}

function specsText(specs: readonly SteerSpec[]): string {
  return specs.map(formatSpec).join(', ');
}
