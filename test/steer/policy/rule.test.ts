import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Reading } from '../../../src/steer/policy/policy.ts';
import { defaultRelease, type Trigger, watchRule } from '../../../src/steer/policy/rule.ts';
import { parseWhen } from '../../../src/steer/policy/when.ts';

/** raw is ten times z, and one more */
const at = (z: number): Reading => ({ raw: 10 * z + 1, z });

function trigger(when: string, release?: string, meanScale = 1): Trigger {
  const condition = parseWhen(when);
  return { when: condition, release: release ? parseWhen(release) : defaultRelease(condition, 0), meanScale };
}

/** Indices at which it fires. */
function firings(
  rule: Trigger,
  values: readonly (Reading | undefined)[],
  ready = (): boolean => true,
): number[] {
  const watch = watchRule(rule, ready);
  return values.flatMap((reading, i) => (watch.onToken(reading) === undefined ? [] : [i]));
}

test('it fires once an excursion, and again after half the bound was passed', () => {
  const values = [0, 4, 5, 2, 4, 1.4, 2, 3.5, 9].map(at);
  expect(firings(trigger('evil > 3sd'), values)).toEqual([1, 7]);
  expect(firings(trigger('evil > 3sd', 'evil < 2.5sd'), values)).toEqual([1, 4, 7]);
  expect(firings(trigger('evil > 31'), values)).toEqual([1, 7]);
});

test('a window’s mean: of as many tokens as it is long', () => {
  const values = [9, 0, 0, 4, 4, 4].map(at); // means of three: 3, 1.33, 2.67, 4
  expect(firings(trigger('evil > 2sd over 3 tokens'), values)).toEqual([2]);
  expect(firings(trigger('evil > 3.5sd over 3 tokens'), values)).toEqual([5]);
  // means from the second on: 4.5, 3, …
  expect(firings(trigger('evil > 3.5sd over 3 tokens and not before 2 tokens'), values)).toEqual([1, 5]);
  const watch = watchRule(trigger('evil > 2sd over 3 tokens'), () => true);
  const fired = values.slice(0, 3).map((reading) => watch.onToken(reading));
  expect(fired).toEqual([undefined, undefined, { raw: 31, z: 3 }]);
});

test('the mean of the answer so far is measured by the spread of whole answers', () => {
  const values = [1, 1, 1].map(at);
  expect(firings(trigger('mean evil > 2sd after 3 tokens'), values)).toEqual([]);
  const wide = watchRule(trigger('mean evil > 2sd after 3 tokens', undefined, 4), () => true);
  expect(values.map((reading) => wide.onToken(reading))).toEqual([undefined, undefined, { raw: 11, z: 4 }]);
});

test('below, too', () => {
  expect(firings(trigger('evil < -2sd'), [-3, -2, -0.9, -2.5].map(at))).toEqual([0, 3]);
});

test('the prompt is judged by itself, once', () => {
  const watch = watchRule(trigger('prompt evil > 2sd'), () => true);
  expect(watch.onToken(at(9))).toBeUndefined();
  expect(watch.onPrompt({ raw: 9, z: undefined })).toBeUndefined();
  expect(watch.onPrompt(at(3))).toEqual(at(3));
  expect(watch.onPrompt(at(3))).toBeUndefined();
  expect(watchRule(trigger('evil > 2sd'), () => true).onPrompt(at(3))).toBeUndefined();
});

test('what is no number fires nothing, ends nothing and is left out of means', () => {
  const none: (Reading | undefined)[] = [{ raw: 99, z: NaN }, { raw: 99, z: undefined }, undefined];
  expect(firings(trigger('evil > 3sd'), none)).toEqual([]);
  expect(firings(trigger('evil > 3'), [{ raw: NaN, z: 9 }])).toEqual([]);
  expect(firings(trigger('evil > 3sd'), [at(4), ...none, at(4)])).toEqual([0]);
  expect(firings(trigger('evil > 2.9sd over 2 tokens'), [at(3), ...none, at(3)])).toEqual([4]);
  expect(firings(trigger('mean evil > 2.9sd after 2 tokens'), [at(3), ...none, at(3)])).toEqual([4]);
});

test('while it may not fire, it stays armed', () => {
  let asked = 0;
  expect(firings(trigger('evil > 3sd'), [4, 4, 4, 4].map(at), () => ++asked > 2)).toEqual([2]);
});

test('the usual release lies half way back, and never beyond the bound', () => {
  const bound = (when: string, usual: number): number => defaultRelease(parseWhen(when), usual)!.bound.value;
  expect(bound('evil > 3sd', 0)).toBe(1.5);
  expect(bound('evil < -2sd', 0)).toBe(-1);
  expect(bound('evil > 12', -8)).toBe(2);
  expect(bound('evil > -2sd', 0)).toBe(-2);
  expect(bound('evil < 2', 0)).toBe(2);
  expect(defaultRelease(parseWhen('prompt evil > 2'), 0)).toBeUndefined();
});

const zs = fc.array(fc.oneof(fc.integer({ min: -4, max: 6 }), fc.constant(NaN)), { maxLength: 60 });

test('whatever is read: never before its tokens, only beyond the bound, and calm lies between two firings', () => {
  const rules = fc.record({
    over: fc.integer({ min: 1, max: 6 }),
    after: fc.integer({ min: 1, max: 12 }),
    bound: fc.integer({ min: 1, max: 4 }),
    of: fc.constantFrom('token' as const, 'mean' as const),
  });
  fc.assert(
    fc.property(zs, rules, (values, { over, after, bound, of }) => {
      const span = of === 'mean' ? 1 : over;
      const rule: Trigger = {
        when: { of, trait: 'evil', side: 'above', bound: { value: bound, unit: 'sd' }, over: span, after },
        release: parseWhen('evil < 0sd'),
        meanScale: 1,
      };
      const fired = firings(
        rule,
        values.map((z) => ({ raw: 0, z })),
      );
      for (const [i, index] of fired.entries()) {
        const usable = values.slice(0, index + 1).filter((z) => !Number.isNaN(z));
        expect(usable.length).toBeGreaterThanOrEqual(after);
        const averaged = of === 'mean' ? usable : usable.slice(-over);
        expect(averaged.reduce((sum, z) => sum + z, 0) / averaged.length).toBeGreaterThan(bound);
        if (i > 0) expect(values.slice(fired[i - 1]! + 1, index).some((z) => z < 0)).toBe(true);
      }
    }),
  );
});
