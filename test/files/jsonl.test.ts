import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { openJsonl, readJsonl, type ReadJsonlOptions, type TornLine } from '../../src/files/jsonl.ts';
import { folder } from '../support/folder.ts';
import { killAfter } from '../support/kill-child.ts';

const Row = z.object({ n: z.number() });

async function read(path: string, options?: ReadJsonlOptions): Promise<number[]> {
  const rows: number[] = [];
  for await (const { value } of readJsonl(path, Row, options)) rows.push(value.n);
  return rows;
}

test('what is appended is read again, also after reopening', async () => {
  const path = join(folder(), 'run/log.jsonl');
  for (const start of [0, 2]) {
    await using log = await openJsonl(path, { sync: start > 0 });
    await log.append({ n: start });
    await log.append({ n: start + 1 });
  }
  expect(readFileSync(path, 'utf8')).toBe('{"n":0}\n{"n":1}\n{"n":2}\n{"n":3}\n');
  expect(await read(path)).toEqual([0, 1, 2, 3]);
});

test('any rows come back as they were, wherever the stream is cut into blocks', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ text: fc.string({ unit: 'binary' }) })),
      fc.integer({ min: 1, max: 9 }),
      async (rows, size) => {
        const bytes = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
        async function* blocks() {
          for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
        }
        const seen: unknown[] = [];
        for await (const { line, value } of readJsonl({ name: 'stream', bytes: blocks() }, z.unknown())) {
          seen.push(value);
          expect(line).toBe(seen.length);
        }
        expect(seen).toEqual(rows);
      },
    ),
    { numRuns: 50 },
  );
});

test('appends that overlap keep their order', async () => {
  const path = join(folder(), 'log.jsonl');
  await using log = await openJsonl(path);
  await Promise.all(Array.from({ length: 50 }, (_, n) => log.append({ n })));
  expect(await read(path)).toEqual(Array.from({ length: 50 }, (_, n) => n));
});

test('an append that fails is heard of by its caller, and the next one works', async () => {
  const path = join(folder(), 'log.jsonl');
  await using log = await openJsonl(path);
  await expect(log.append({ n: 1n })).rejects.toThrow('BigInt');
  await log.append({ n: 2 });
  expect(await read(path)).toEqual([2]);
});

test('when the disk is full the error says so', async () => {
  await using log = await openJsonl('/dev/full');
  await expect(log.append({ n: 1 })).rejects.toMatchObject({
    message: 'cannot write /dev/full: the disk is full',
    remedy: 'Free some space, then run the same command again.',
  });
});

test('at whatever byte a log was torn, reopening cuts back to the last whole row and says so', async () => {
  const path = join(folder(), 'log.jsonl');
  const whole = '{"n":1}\n{"n":2,"text":"ä"}\n'; // rows end at byte 7 and 27
  for (let length = 0; length <= whole.length + 1; length++) {
    writeFileSync(path, whole);
    truncateSync(path, length);
    const torn: TornLine[] = [];
    const log = await openJsonl(path, { onTorn: (line) => torn.push(line) });
    await log.append({ n: 3 });
    await log.close();
    const rows = [length >= 7 ? [1] : [], length >= 27 ? [2] : [], [3]].flat();
    expect(await read(path)).toEqual(rows);
    const tail = length < 7 ? length : length > 8 && length < 27 ? length - 8 : 0;
    expect(torn).toEqual(tail > 0 ? [{ place: path, bytes: tail }] : []);
  }
});

test('a torn row longer than one look back is cut away whole', async () => {
  const path = join(folder(), 'log.jsonl');
  writeFileSync(path, `{"n":1}\n{"n":2,"text":"${'x'.repeat(200_000)}`);
  const torn: TornLine[] = [];
  await (await openJsonl(path, { onTorn: (line) => torn.push(line) })).close();
  expect(readFileSync(path, 'utf8')).toBe('{"n":1}\n');
  expect(torn).toEqual([{ place: path, bytes: 200_015 }]);
});

test('a reader leaves a torn last line out when it is told of it, and else refuses it', async () => {
  const path = join(folder(), 'log.jsonl');
  writeFileSync(path, '{"n":1}\n{"n":');
  const torn: TornLine[] = [];
  expect(await read(path, { onTorn: (line) => torn.push(line) })).toEqual([1]);
  expect(torn).toEqual([{ place: `${path}:2`, bytes: 5 }]);
  await expect(read(path)).rejects.toMatchObject({
    code: 'BAD_FILE',
    message: `${path}:2: the last line is torn: it ends in the middle of a row`,
  });
});

test('files by other hands are read: byte-order mark, blank lines, CRLF, no last newline', async () => {
  const path = join(folder(), 'data.jsonl');
  writeFileSync(path, '\uFEFF{"n":1}\r\n\r\n  \n{"n":2}');
  expect(await read(path)).toEqual([1, 2]);
  appendFileSync(path, '\n  ');
  expect(await read(path)).toEqual([1, 2]);
});

test('a broken row is an error that names file, line and field', async () => {
  const path = join(folder(), 'data.jsonl');
  writeFileSync(path, '{"n":1}\n{"n":\n{"n":3}\n');
  await expect(read(path, { onTorn: () => {} })).rejects.toThrow(`${path}:2: not JSON: `);
  writeFileSync(path, '{"n":1}\n\n{"n":"three"}\n');
  await expect(read(path)).rejects.toThrow(`${path}:3: n: expected number, received string`);
  writeFileSync(path, Buffer.concat([Buffer.from('{"n":1}\n{"t":"'), Buffer.of(0xff), Buffer.from('"}\n')]));
  await expect(read(path)).rejects.toThrow(`${path}:2: not UTF-8 text`);
});

test('a line without end is refused before it fills the memory', async () => {
  let sent = 0;
  async function* endless() {
    for (;;) {
      sent += 1000;
      yield Buffer.alloc(1000, 'x');
    }
  }
  const rows = readJsonl({ name: 'stdin', bytes: endless() }, Row, { maxLineBytes: 10_000 });
  await expect(rows.next()).rejects.toMatchObject({
    code: 'BAD_FILE',
    message: 'stdin:1: a line of more than 10000 bytes',
  });
  expect(sent).toBe(11_000);
});

test('a missing file is said to be missing', async () => {
  await expect(read('/nowhere/data.jsonl')).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: 'cannot read /nowhere/data.jsonl: there is no such file',
  });
});

test('after a kill -9 each row that was acknowledged is there, and the log goes on', async () => {
  const path = join(folder(), 'log.jsonl');
  let least = 0;
  for (const lines of [1, 2, 4]) {
    const written = await killAfter(lines, './append-forever.ts', path);
    least += written.length;
    await (await openJsonl(path)).close();
    let rows = 0;
    for await (const { value } of readJsonl(path, z.object({ row: z.number(), filling: z.string() }))) {
      expect(value.filling.length).toBe(8 * 2 ** 20);
      rows++;
    }
    expect(rows).toBeGreaterThanOrEqual(least);
    least = rows;
  }
});
