import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { fieldPath } from '../../src/files/check-json.ts';
import { MAX_JSON_BYTES, readJson } from '../../src/files/read-json.ts';
import { folder } from '../support/folder.ts';

const Shape = z.object({ name: z.string(), pairs: z.array(z.object({ pos: z.string() })) });

function file(content: string | Uint8Array): string {
  const path = join(folder(), 'trait.json');
  writeFileSync(path, content);
  return path;
}

test('a file that fits is returned checked', async () => {
  const path = file('\uFEFF{"name":"humor","pairs":[{"pos":"Joke."}],"more":1}');
  expect(await readJson(path, Shape)).toEqual({ name: 'humor', pairs: [{ pos: 'Joke.' }] });
});

test('what does not fit is named by file and field', async () => {
  const path = file('{"name":"humor","pairs":[{"pos":"a"},{"pos":7}]}');
  await expect(readJson(path, Shape, { code: 'BAD_TRAIT' })).rejects.toMatchObject({
    code: 'BAD_TRAIT',
    message: `${path}: pairs[1].pos: expected string, received number`,
  });
  const list = file('[]');
  await expect(readJson(list, Shape)).rejects.toThrow(`${list}: expected object, received array`);
});

test('only the first three of many issues are shown', async () => {
  const path = file(JSON.stringify({ name: 'x', pairs: Array.from({ length: 5 }, () => ({ pos: 0 })) }));
  await expect(readJson(path, Shape)).rejects.toThrow(
    /pairs\[2\]\.pos: expected string, received number; and 2 more$/,
  );
});

test('text that is no JSON or no UTF-8, a missing and an endless file are refused', async () => {
  const broken = file('{"name":');
  await expect(readJson(broken, Shape)).rejects.toMatchObject({ code: 'BAD_FILE' });
  await expect(readJson(broken, Shape)).rejects.toThrow(`${broken}: not JSON: `);
  const latin = file(Uint8Array.of(0x22, 0xe4, 0x22));
  await expect(readJson(latin, Shape)).rejects.toThrow(`${latin}: not UTF-8 text`);
  await expect(readJson('/nowhere.json', Shape)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const large = file('');
  truncateSync(large, MAX_JSON_BYTES + 1); // a hole, it takes no space
  await expect(readJson(large, Shape)).rejects.toThrow('too large for a JSON file');
});

test('a field path reads like code', () => {
  expect(fieldPath(['instruction', 3, 'pos'])).toBe('instruction[3].pos');
  expect(fieldPath([0, 'a'])).toBe('[0].a');
});
