import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { noJudgeCache, openJudgeCache } from '../../src/judge/cache.ts';
import { folder } from '../support/folder.ts';

test('what was kept is there after reopening, under its own key only', () => {
  const path = join(folder(), 'deep', 'answers.sqlite');
  const cache = openJudgeCache({ path });
  const key = cache.key('openai:m http://a/v1', '0_100', 'rate');
  cache.set(key, { tokens: [['80', 0.5]] });
  cache.close();
  const again = openJudgeCache({ path });
  expect(again.get(again.key('openai:m http://a/v1', '0_100', 'rate'))).toEqual({ tokens: [['80', 0.5]] });
  for (const other of [
    again.key('openai:m http://b/v1', '0_100', 'rate'),
    again.key('openai:m http://a/v1', '0_10', 'rate'),
    again.key('openai:m http://a/v1', '0_100', 'rate.'),
  ])
    expect(again.get(other)).toBeUndefined();
  again.close();
  expect(again.get(key)).toBeUndefined(); // closed: nothing is known, nothing breaks
});

test('the oldest go when there are too many', () => {
  const path = join(folder(), 'answers.sqlite');
  const cache = openJudgeCache({ path, maxRows: 3 });
  for (const key of ['a', 'b', 'c', 'a', 'd']) cache.set(key, key); // a is new again
  expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key))).toEqual(['a', undefined, 'c', 'd']);
  cache.close();
  const database = new DatabaseSync(path);
  expect(database.prepare('SELECT count(*) AS n FROM answers').get()).toEqual({ n: 3 });
  database.close();
});

test('a file that is no database is put aside', () => {
  const path = join(folder(), 'answers.sqlite');
  writeFileSync(path, 'this is no database, and long enough that it shows'.repeat(50));
  const notes: string[] = [];
  const cache = openJudgeCache({ path, onNote: (note) => notes.push(note) });
  cache.set('a', 1);
  expect(cache.get('a')).toBe(1);
  expect(notes).toEqual([expect.stringContaining('.broken')]);
  expect(readFileSync(`${path}.broken`, 'utf8')).toContain('no database');
  cache.close();
});

test('a database that breaks later is put aside then', () => {
  const path = join(folder(), 'answers.sqlite');
  const first = openJudgeCache({ path });
  for (let i = 0; i < 200; i++) first.set(`key ${i}`, 'x'.repeat(500));
  first.close();
  const bytes = readFileSync(path);
  bytes.fill(0xff, 4096); // the header stays
  writeFileSync(path, bytes);
  const notes: string[] = [];
  const cache = openJudgeCache({ path, onNote: (note) => notes.push(note) });
  expect(cache.get('key 150')).toBeUndefined();
  cache.set('new', 1);
  expect(cache.get('new')).toBe(1);
  expect(existsSync(`${path}.broken`)).toBe(true);
  expect(notes).toHaveLength(1);
  cache.close();
});

test('where no file can be, judging goes on without', () => {
  const file = join(folder(), 'file');
  writeFileSync(file, '');
  const notes: string[] = [];
  const cache = openJudgeCache({ path: join(file, 'answers.sqlite'), onNote: (note) => notes.push(note) });
  cache.set('a', 1);
  expect(cache.get('a')).toBeUndefined();
  expect(notes).toHaveLength(1);
  expect(noJudgeCache().get('a')).toBeUndefined();
});

test('several processes write at once, and nothing is lost', async () => {
  const path = join(folder(), 'answers.sqlite');
  const source = (own: number) => `
    const { openJudgeCache } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/judge/cache.ts'))});
    const cache = openJudgeCache({ path: ${JSON.stringify(path)}, onNote: (note) => { console.log(note); } });
    for (let i = 0; i < 200; i++) cache.set('${own} ' + i, i);
    cache.close();`;
  const ended = await Promise.all(
    [0, 1, 2].map((own) => promisify(execFile)(process.execPath, ['--input-type=module', '-e', source(own)])),
  );
  expect(ended.map(({ stdout }) => stdout)).toEqual(['', '', '']);
  const cache = openJudgeCache({ path });
  for (const own of [0, 1, 2]) for (let i = 0; i < 200; i++) expect(cache.get(`${own} ${i}`)).toBe(i);
  cache.close();
});
