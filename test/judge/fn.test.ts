import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openFunctionJudge } from '../../src/judge/fn.ts';
import { openJudge } from '../../src/judge/open.ts';
import { folder } from '../support/folder.ts';
import { plantedTrait } from '../support/planted-trait.ts';

const ITEM = { question: 'Why?', answer: 'Because!' };

function file(source: string, name = 'judge.ts'): string {
  const path = join(folder(), name);
  writeFileSync(path, source);
  return path;
}

async function judged(source: string, name?: string) {
  await using judge = await openJudge(`fn:${file(source, name)}`);
  return judge.forTrait(plantedTrait()).judge(ITEM);
}

test.each<[string, string, object]>([
  [
    'export default ({ answer }: { answer: string }): number => answer.length;',
    'a.ts',
    { trait: 8, coherence: 100 },
  ],
  ['export default async () => ({ trait: 1.5, coherence: 0 });', 'b.mjs', { trait: 1.5, coherence: 0 }],
  ['export default () => null;', 'c.mjs', { trait: null, coherence: null, reason: 'no score' }],
  [
    'export default () => ({ trait: 5, coherence: null });',
    'd.mjs',
    { trait: 5, coherence: null, reason: 'no score' },
  ],
  ['module.exports = ({ trait }) => trait.description.length;', 'e.cjs', { trait: 23, coherence: 100 }],
])('%s', async (source, name, expected) => {
  expect(await judged(source, name)).toEqual(expected);
});

test.each([
  ['export default () => NaN;', 'its score: expected a number from 0 to 100, got NaN'],
  ['export default () => 101;', 'got 101'],
  ['export default () => -0.1;', 'got -0.1'],
  [
    'export default () => ({ trait: "5", coherence: 5 });',
    'trait: expected a number from 0 to 100, got a string',
  ],
  ['export default () => ({ trait: 5 });', 'coherence: expected a number from 0 to 100, got missing'],
  ['export default () => {};', 'expected a number, { trait, coherence } or null, got missing'],
  ['export default () => { throw new TypeError("oh no"); };', 'the function failed: oh no'],
])('%s names file and answer', async (source, words) => {
  await expect(judged(source)).rejects.toMatchObject({
    code: 'BAD_FILE',
    message: expect.stringMatching(/judge\.ts: of the answer "Because!" to "Why\?": /),
  });
  await expect(judged(source)).rejects.toThrow(words);
});

test.each([
  ['export const judge = 1;', 'its default export is missing, not a function'],
  ['export default 5;', 'its default export is a number'],
  ['export default (', 'cannot be loaded'],
  ['import "./not-there.ts"; export default () => 1;', 'cannot be loaded'],
])('a file with %s', async (source, words) => {
  const path = file(source);
  await expect(openFunctionJudge(path)).rejects.toMatchObject({
    code: 'BAD_FILE',
    message: expect.stringContaining(path),
  });
  await expect(openFunctionJudge(path)).rejects.toThrow(words);
});

test('a file that is not there, and other names of judges', async () => {
  await expect(openJudge('fn:no/such.ts')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  for (const spec of ['gpt-4.1', 'openai:', 'likelihood', ''])
    await expect(openJudge(spec)).rejects.toMatchObject({
      code: 'USAGE',
      remedy: expect.stringContaining('openai:MODEL'),
    });
});
