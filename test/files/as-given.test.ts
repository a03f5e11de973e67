import { expect, test } from 'vitest';
import { z } from 'zod';
import { asGiven } from '../../src/files/as-given.ts';
import { checkJson } from '../../src/files/check-json.ts';

const schema = asGiven(z.object({ n: z.number(), deep: z.array(z.object({ s: z.string() })).optional() }));

test('a value that fits comes back as it was: all fields, in their order', () => {
  const text = '{"z":1,"n":2,"deep":[{"t":3,"s":"x"}]}';
  expect(JSON.stringify(checkJson(text, 'a', schema))).toBe(text);
});

test('one that does not fit is told as the schema tells it', () => {
  expect(() => checkJson('{"n":1,"deep":[{"s":"x"},{"s":2}]}', 'a:3', schema)).toThrow(
    'a:3: deep[1].s: expected string, received number',
  );
  expect(() => checkJson('[]', 'a:3', schema)).toThrow('a:3: expected object, received array');
});
