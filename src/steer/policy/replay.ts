/**
 * What the rules of a policy would have done to answers that were kept. Each rule is judged by itself, as if no other
 * had acted, by its first firing in each answer. Where only figures of an answer are known, what they leave open is
 * said to be open.
 */

import type { CompiledDrift, CompiledPolicy, CompiledRule } from './compile.ts';
import { DRIFT } from './config.ts';
import { isOver, type Moment } from './cooldown.ts';
import { driftState, trendOf } from './drift.ts';
import { beginTurn, conversationName, keyName, type Memory, openMemory, type Remembered } from './memory.ts';
import type { Reading } from './policy.ts';
import { inUnit, watchRule } from './rule.ts';
import type { StoredAnswer, StoredTrait } from './stored.ts';

export type Verdict =
  /** at: token; −1 the prompt; undefined where it cannot be told which */
  { is: 'fired'; at: number | undefined } | { is: 'quiet' } | { is: 'open'; why: string };

export interface RuleRecord {
  rule: string;
  /** answers that it could be judged on */
  judged: number;
  fired: { id: string; at: number | undefined }[];
  open: { id: string; why: string }[];
}

export interface Replay {
  /** Answers in the order in which they came. */
  add(answer: StoredAnswer): void;
  records(): RuleRecord[];
}

export function openReplay(policy: CompiledPolicy): Replay {
  let clock = 0;
  const memory = openMemory(() => clock, Infinity);
  const names = [...policy.rules.map(({ name }) => name), ...(policy.drift ? [DRIFT] : [])];
  const records = new Map(
    names.map((rule): [string, RuleRecord] => [rule, { rule, judged: 0, fired: [], open: [] }]),
  );

  function note(rule: string, id: string, verdict: Verdict): void {
    const record = records.get(rule)!;
    if (verdict.is === 'open') {
      record.open.push({ id, why: verdict.why });
      return;
    }
    record.judged++;
    if (verdict.is === 'fired') record.fired.push({ id, at: verdict.at });
  }
  return {
    add(answer) {
      clock = answer.ms ?? clock;
      const conversation = memory.of(conversationName(answer.keyId, answer.conversation.id));
      if (policy.drift) note(DRIFT, answer.id, judgeDrift(policy.drift, answer, conversation));
      const before = new Map(policy.rules.map((rule) => [rule, rememberedOf(rule, answer, memory)]));
      for (const rule of policy.rules) note(rule.name, answer.id, judge(rule, answer, before.get(rule)!));
      for (const remembered of new Set(before.values())) remembered.tokens += answer.written ?? 0;
    },
    records: () => [...records.values()],
  };
}

function rememberedOf(
  { cooldown }: CompiledRule,
  { keyId, conversation }: StoredAnswer,
  memory: Memory,
): Remembered {
  return memory.of(cooldown?.per === 'key' ? keyName(keyId) : conversationName(keyId, conversation.id));
}

function judge(rule: CompiledRule, answer: StoredAnswer, remembered: Remembered): Verdict {
  const { trait } = rule.trigger.when;
  const read = answer.traits.get(trait);
  if (read === undefined) return { is: 'open', why: `${trait} was not read` };
  const verdict = read.tokens
    ? replayTokens(rule, answer, read, remembered)
    : judgeFigures(rule, answer, read);
  if (verdict.is !== 'fired' || rule.cooldown === undefined || read.tokens) return verdict;
  const now = momentOf(answer, remembered, 0);
  if (!isOver(rule.cooldown, remembered.fired.get(rule.name), now)) return { is: 'quiet' };
  remembered.fired.set(rule.name, now);
  return verdict;
}

/** Without a time, a cool-down of minutes is taken to be over. */
function momentOf({ ms }: StoredAnswer, { tokens }: Remembered, index: number): Moment {
  return { tokens: tokens + index, ms: ms ?? NaN };
}

function replayTokens(
  { name, trigger, cooldown }: CompiledRule,
  answer: StoredAnswer,
  { prompt, tokens }: StoredTrait,
  remembered: Remembered,
): Verdict {
  if (trigger.when.of === 'prompt' && prompt === undefined)
    return { is: 'open', why: 'the prompt was not read' };
  let index = 0;
  const now = (): Moment => momentOf(answer, remembered, index);
  const watch = watchRule(
    trigger,
    () => cooldown === undefined || isOver(cooldown, remembered.fired.get(name), now()),
  );
  let first: number | undefined;
  const fire = (reading: Reading | undefined, at: number): void => {
    if (reading === undefined) return;
    first ??= at;
    remembered.fired.set(name, now());
  };
  fire(watch.onPrompt(prompt), -1);
  for (const [at, token] of tokens!.entries()) {
    index = at + 1; // of a token's own moment, it is counted
    fire(watch.onToken(token), at);
  }
  return first === undefined ? { is: 'quiet' } : { is: 'fired', at: first };
}

/** By the mean, the greatest token and the prompt alone. */
function judgeFigures(
  { trigger: { when } }: CompiledRule,
  { written }: StoredAnswer,
  read: StoredTrait,
): Verdict {
  const passes = (reading: Reading): boolean => {
    const value = inUnit(reading, when.bound.unit);
    return when.side === 'above' ? value > when.bound.value : value < when.bound.value;
  };
  if (written !== undefined && written < when.after) return { is: 'quiet' };
  if (when.of === 'prompt')
    return read.prompt === undefined
      ? { is: 'open', why: 'the prompt was not read' }
      : passes(read.prompt)
        ? { is: 'fired', at: -1 }
        : { is: 'quiet' };
  if (when.of === 'mean')
    return read.mean === undefined
      ? { is: 'open', why: 'no mean was kept' }
      : passes(read.mean)
        ? { is: 'fired', at: undefined }
        : { is: 'quiet' };
  if (when.side === 'below') return { is: 'open', why: 'the least token was not kept' };
  if (read.max === undefined) return { is: 'open', why: 'the greatest token was not kept' };
  if (!passes(read.max)) return { is: 'quiet' }; // no mean of tokens is greater than the greatest
  if (when.over > 1 || when.after > 1) return { is: 'open', why: 'single tokens were not kept' };
  return { is: 'fired', at: undefined };
}

/** As the server does: when a turn begins, of the turns before it. */
function judgeDrift({ traits, trend }: CompiledDrift, answer: StoredAnswer, known: Remembered): Verdict {
  const { turn } = answer.conversation;
  let verdict: Verdict = { is: 'quiet' };
  for (const { trait, meanScale } of traits) {
    const slope = trendOf(known, trait, turn, trend, meanScale);
    if (slope && driftState(known, trait, slope, trend.slope) === 'begins') verdict = { is: 'fired', at: -1 };
    const sums = beginTurn(known, trait, turn);
    const read = answer.traits.get(trait);
    if (read === undefined) {
      if (verdict.is === 'quiet') verdict = { is: 'open', why: `${trait} was not read` };
    } else if (read.tokens) {
      for (const { raw, z } of read.tokens) {
        sums.raw += raw;
        sums.z += z ?? NaN;
        sums.tokens++;
      }
    } else if (read.mean) {
      sums.raw = read.mean.raw;
      sums.z = (read.mean.z ?? NaN) / meanScale; // that of an answer's mean, as the sum over one token
      sums.tokens = 1;
    }
  }
  return verdict;
}
