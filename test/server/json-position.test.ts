import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonErrorAt, place } from '../../src/server/json-position.ts';

test.each<[text: string, at: number]>([
  ['', 0],
  ['  ', 2],
  ['{"messages": [}', 14],
  ['{"a": 1,}', 8],
  ['{"a" 1}', 5],
  ["{'a': 1}", 1],
  ['[1 2]', 3],
  ['[1, ]', 4],
  ['{"a": tru}', 6],
  ['{"a": 1', 7],
  ['["a\nb"]', 1],
  ['1 1', 2],
  ['{"a": 1]', 7],
])('%j ends being JSON at %i', (text, at) => {
  expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError);
  expect(jsonErrorAt(text)).toBe(at);
});

test('JSON is JSON to its end, and a stray character is found where it is put', () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), (text, n) => {
      expect(jsonErrorAt(text)).toBe(text.length);
      const at = n % (text.length + 1);
      const broken = `${text.slice(0, at)}\u0001${text.slice(at)}`;
      expect(jsonErrorAt(broken)).toBeLessThanOrEqual(at);
    }),
  );
});

test('a place is told as people count', () => {
  expect(place('a\nbc', 3)).toBe('position 3 (line 2, column 2)');
});
