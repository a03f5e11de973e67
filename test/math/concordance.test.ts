import fc from 'fast-check';
import { expect, test } from 'vitest';
import { auc } from '../../src/math/auc.ts';
import { concordance } from '../../src/math/concordance.ts';

test('worked cases', () => {
  expect(concordance([1, 3, 2], [1, 2, 3])).toBeCloseTo(2 / 3, 12);
  expect(concordance([1, 2, 3], [10, 20, 30])).toBe(1);
  expect(concordance([3, 2, 1], [10, 20, 30])).toBe(0);
  expect(concordance([5, 5, 5], [1, 2, 3])).toBe(0.5);
  expect(concordance([1, 2], [4, 4])).toBeNaN();
  expect(concordance([], [])).toBeNaN();
});

test('it is what counting all pairs gives, and with two values of b the AUC', () => {
  const pairs = fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 4 })), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(pairs, (rows) => {
      const [a, b] = [rows.map(([x]) => x), rows.map(([, y]) => y)];
      let [same, all] = [0, 0];
      for (let i = 0; i < a.length; i++)
        for (let j = 0; j < i; j++) {
          if (b[i] === b[j]) continue;
          all++;
          same += (1 + Math.sign(a[i]! - a[j]!) * Math.sign(b[i]! - b[j]!)) / 2;
        }
      if (all === 0) expect(concordance(a, b)).toBeNaN();
      else expect(concordance(a, b)).toBeCloseTo(same / all, 12);
      const [high, low] = [a.filter((_, i) => b[i]! > 2), a.filter((_, i) => b[i]! <= 2)];
      const two = concordance(
        a,
        b.map((y) => (y > 2 ? 1 : 0)),
      );
      if (high.length > 0 && low.length > 0) expect(two).toBeCloseTo(auc(high, low), 12);
    }),
  );
});
