import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { choosePlaces } from '../../src/screen/choose.ts';
import { dataFile, dataFiles } from '../../src/screen/read/files.ts';
import { countRecords, recordsOf } from '../../src/screen/read/records.ts';
import type { ReadRecord } from '../../src/screen/read/record.ts';
import { readSamples, type SampleOptions } from '../../src/screen/samples.ts';
import { folder } from '../support/folder.ts';

function write(name: string, data: string | Uint8Array): string {
  const path = join(folder(), name);
  writeFileSync(path, data);
  return path;
}
async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
/** [row, fields or problem] */
const read = async (name: string, data: string | Uint8Array): Promise<[number, unknown][]> =>
  (await all<ReadRecord>(recordsOf(dataFile(write(name, data))))).map((record) => [
    record.row,
    'problem' in record ? record.problem : record.fields,
  ]);

describe('CSV', () => {
  test('records begin on the lines that are told, whatever line breaks they hold', async () => {
    const text = '\uFEFFq,a\r\n1,"two\r\nlines"\r\n\r\n"x\n\ny",3\r\n4,5';
    expect(await read('a.csv', text)).toEqual([
      [2, { q: '1', a: 'two\r\nlines' }],
      [5, { q: 'x\n\ny', a: '3' }],
      [8, { q: '4', a: '5' }],
    ]);
  });

  test('a record of another length is bad, a stray quote is text, and one that is never closed takes the rest', async () => {
    const found = await read('a.csv', 'q,a\n1,2,3\n"x"y,2\n5,6\n7,"8\n9,9\n');
    expect(found).toEqual([
      [2, '3 fields, the first line names 2'],
      [3, { q: '"x"y', a: '2' }],
      [4, { q: '5', a: '6' }],
      [expect.any(Number), 'a quote that is never closed'],
    ]);
  });

  test('two columns of one name are an error', async () => {
    await expect(read('a.csv', 'q,q\n1,2\n')).rejects.toThrow('two columns are called "q"');
  });
});

describe('JSONL', () => {
  test('bad lines are told, blank ones passed over', async () => {
    expect(await read('a.jsonl', '{"a":1}\n\n{"a":\n2\nnull\n{"a":2}')).toEqual([
      [1, { a: 1 }],
      [3, expect.stringContaining('not JSON')],
      [4, 'expected an object of fields'],
      [5, 'expected an object of fields'],
      [6, { a: 2 }],
    ]);
    const broken = Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xff), Buffer.from('"}\n')]);
    expect(await read('b.jsonl', broken)).toEqual([[1, 'not UTF-8 text']]);
  });

  test('numbers that no double holds come out as they went in', async () => {
    const text = '{"id":12345678901234567890,"n":[-9007199254740993,1.0000000000000001,5]}';
    const [[, fields]] = (await read('a.jsonl', text)) as [[number, object]];
    expect(JSON.stringify(fields)).toBe('{"id":12345678901234567890,"n":[-9007199254740993,1,5]}');
  });

  test('a packed file that is cut short is an error that names it', async () => {
    const packed = gzipSync('{"a":1}\n'.repeat(1000));
    await expect(read('a.jsonl.gz', packed.subarray(0, packed.length - 10))).rejects.toThrow(/a\.jsonl\.gz/);
    await expect(read('b.jsonl.gz', 'no gzip')).rejects.toThrow(/b\.jsonl\.gz/);
  });
});

test('a file that is no Parquet is an error that names it', async () => {
  await expect(read('a.parquet', 'PAR1 not quite')).rejects.toMatchObject({ code: 'BAD_FILE' });
});

test('rows are counted by lines', async () => {
  const counted = async (name: string, data: string | Uint8Array): Promise<number | undefined> =>
    await countRecords(dataFile(write(name, data)));
  expect(await counted('a.jsonl', '1\n2\n3')).toBe(3);
  expect(await counted('a.jsonl', '')).toBe(0);
  expect(await counted('a.csv', 'q,a\n1,2\n')).toBe(1);
  expect(await counted('a.jsonl.gz', gzipSync('1\n'))).toBeUndefined();
});

test('names say what is in files', async () => {
  expect(dataFile('x/A.NDJSON.zst')).toEqual({ path: 'x/A.NDJSON.zst', format: 'jsonl', packing: 'zst' });
  expect(() => dataFile('a.json')).toThrow(
    expect.objectContaining({ remedy: expect.stringContaining('jq') }),
  );
  expect(() => dataFile('a.parquet.gz')).toThrow(/packed within/);
  await expect(dataFiles(['nothing/*.jsonl'])).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

describe('bad rows', () => {
  const good = '{"prompt":"q","answer":"a"}\n';
  const run = async (text: string, options: SampleOptions = {}): Promise<number> =>
    (await all(readSamples([dataFile(write('a.jsonl', text))], options))).length;

  test('ten are passed over in any file, and one in a thousand of a long one', async () => {
    expect(await run('{}\n'.repeat(10) + good)).toBe(1);
    await expect(run('{}\n'.repeat(11) + good)).rejects.toThrow('(11 bad rows of 11)');
    const long = good.repeat(20_000);
    expect(await run(long + '{}\n'.repeat(20))).toBe(20_000);
    await expect(run(long + '{}\n'.repeat(21))).rejects.toThrow('(21 bad rows of 20021)');
  });

  test('the limit is the user’s', async () => {
    await expect(run(`${good}{}\n`, { maxBad: { count: 0 } })).rejects.toThrow(/a\.jsonl:2/);
    await expect(run(`${good}{}\n`, { maxBad: { share: 0.49, least: 0 } })).rejects.toThrow(
      '1 bad rows of 2',
    );
    expect(await run(`${good}{}\n`, { maxBad: { share: 0.5, least: 0 } })).toBe(1);
  });

  test('a file without a good row is an error', async () => {
    await expect(run('')).rejects.toThrow('there are no rows');
    await expect(run('{}\n')).rejects.toThrow('there are no rows');
  });
});

test('a random subset: each place as likely, no place twice', async () => {
  async function* items(n: number): AsyncGenerator<number> {
    for (let i = 0; i < n; i++) yield i;
  }
  expect(await choosePlaces(items(3), 5)).toEqual([0, 1, 2]);
  const hits = Array.from({ length: 10 }, () => 0);
  for (let seed = 0; seed < 2000; seed++) {
    const places = await choosePlaces(items(10), 3, seed);
    expect(new Set(places).size).toBe(3);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    for (const place of places) hits[place]!++;
  }
  // 600 expected, standard deviation 20.5
  for (const count of hits) expect(Math.abs(count - 600)).toBeLessThan(90);
});
