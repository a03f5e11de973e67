import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openRunFolder, openRunLog, type RunLog } from '../../src/vector/run-folder.ts';
import { folder } from '../support/folder.ts';

const CONFIG = { trait: 'evil', questions: 20, filter: { threshold: 50, paired: true }, layers: [1, 2] };

describe('the folder of a run', () => {
  test('is made, with what was asked for', async () => {
    const path = join(folder(), 'runs', 'evil');
    await openRunFolder(path, CONFIG);
    expect(JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'))).toEqual(CONFIG);
  });

  test('is gone on with when asked for the same, in whatever order, absent fields being none', async () => {
    const path = folder();
    await openRunFolder(path, CONFIG);
    const { trait, ...rest } = CONFIG;
    await openRunFolder(path, { ...rest, trait, temperature: undefined });
  });

  test('is refused when asked for something else, each field named with both values', async () => {
    const path = folder();
    await openRunFolder(path, CONFIG);
    const before = readFileSync(join(path, 'config.json'), 'utf8');
    const other = {
      ...CONFIG,
      questions: 8,
      filter: { threshold: 50, paired: false },
      layers: [1, 3],
      seed: 1,
    };
    await expect(openRunFolder(path, other)).rejects.toMatchObject({
      code: 'USAGE',
      message: `${path} holds a run that was configured otherwise: questions: 20 there, 8 now; filter.paired: true there, false now; layers: [1,2] there, [1,3] now; seed: nothing there, 1 now`,
      remedy: expect.stringContaining('--run'),
    });
    expect(readFileSync(join(path, 'config.json'), 'utf8')).toBe(before);
  });

  test('a config that is no JSON object is an error that names the file', async () => {
    const path = folder();
    writeFileSync(join(path, 'config.json'), '[]');
    await expect(openRunFolder(path, CONFIG)).rejects.toMatchObject({
      code: 'BAD_FILE',
      message: expect.stringContaining('config.json'),
    });
  });
});

describe('a log of a run', () => {
  const schema = z.object({ id: z.string(), value: z.number() });
  type Row = z.infer<typeof schema>;

  async function reopened(path: string): Promise<Row[]> {
    const { rows, log }: RunLog<Row> = await openRunLog(path, schema, (row) => row.id);
    await log.close();
    return rows;
  }

  test('begins empty, and goes on with its rows', async () => {
    const path = join(folder(), 'new', 'rows.jsonl');
    const first = await openRunLog(path, schema, (row) => row.id);
    expect(first.rows).toEqual([]);
    await first.log.append({ id: 'a', value: 1 });
    await first.log.append({ id: 'b', value: 2 });
    await first.log.close();
    const second = await openRunLog(path, schema, (row) => row.id);
    expect(second.rows).toEqual([
      { id: 'a', value: 1 },
      { id: 'b', value: 2 },
    ]);
    await second.log.append({ id: 'c', value: 3 });
    await second.log.close();
    expect((await reopened(path)).map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  });

  test('a torn last line is cut off, and the next row stands alone on its line', async () => {
    const path = join(folder(), 'rows.jsonl');
    writeFileSync(path, '{"id":"a","value":1}\n{"id":"b","va');
    const { rows, log } = await openRunLog(path, schema, (row) => row.id);
    expect(rows).toEqual([{ id: 'a', value: 1 }]);
    await log.append({ id: 'b', value: 2 });
    await log.close();
    expect(readFileSync(path, 'utf8')).toBe('{"id":"a","value":1}\n{"id":"b","value":2}\n');
  });

  test('of rows with one key the first stands', async () => {
    const path = join(folder(), 'rows.jsonl');
    writeFileSync(path, '{"id":"a","value":1}\n{"id":"a","value":9}\n{"id":"b","value":2}\n');
    expect(await reopened(path)).toEqual([
      { id: 'a', value: 1 },
      { id: 'b', value: 2 },
    ]);
  });

  test('a broken row in the midst is an error with its line', async () => {
    const path = join(folder(), 'rows.jsonl');
    writeFileSync(path, '{"id":"a","value":1}\n');
    appendFileSync(path, '{"id":"b","value":"2"}\n{"id":"c","value":3}\n');
    await expect(reopened(path)).rejects.toMatchObject({
      code: 'BAD_FILE',
      message: expect.stringMatching(/rows\.jsonl:2: value:/),
    });
    expect(existsSync(path)).toBe(true);
  });
});
