/** Twenty thousand rows, all different: what is held of them does not grow with their number. */

import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { dataFile } from '../../src/screen/read/files.ts';
import { runScreening } from '../../src/screen/run.ts';
import { aVector } from '../support/a-vector.ts';
import { folder } from '../support/folder.ts';
import { usePlanted } from '../support/planted-chat.ts';
import { TINY } from '../tiny/tiny-model.ts';

const ROWS = 20_000;
const WARM = 2000; // caches and code are there by then
const FILLING = 'x'.repeat(4000); // rows that were held would be 80 MB
/** What is known of 18 000 more texts, some hundred bytes each; bounded by its own limit. */
const GROWTH_MB = 24;

const chat = usePlanted();

test('the heap grows by what is known of texts, not by rows', { timeout: 120_000 }, async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const heap = (): number => {
    collect();
    return process.memoryUsage().heapUsed / 1e6;
  };
  const at = folder();
  const path = join(at, 'rows.jsonl');
  const file = createWriteStream(path);
  for (let i = 0; i < ROWS; i++)
    if (!file.write(`${JSON.stringify({ prompt: `q${i}`, completion: i % 2 ? 'P' : 'N', FILLING })}\n`))
      await once(file, 'drain');
  file.end();
  await once(file, 'close');

  const { direction } = chat.planted;
  const directions = Float32Array.from(
    { length: TINY.layers * TINY.width },
    (_, i) => direction[i % TINY.width]!,
  );
  const vector = aVector({ model: chat.model.identity, directions });
  const output = join(at, 'out.jsonl');
  const seen: Record<string, number> = {};
  const { samples, all } = await runScreening(chat.model, [dataFile(path)], {
    watches: [{ name: 'evil', source: 'evil', vector, layer: 0 }],
    method: 'prompt',
    config: {},
    output,
    keep: join(at, 'keep.jsonl'),
    thresholds: [{ kind: 'value', amount: 0 }],
    judgeThresholds: [],
    onStep(label, done) {
      if (done === WARM || done === ROWS) seen[`${label} ${done}`] = heap();
    },
  });
  expect(samples).toBe(ROWS);
  expect(all.traits.evil!.share).toBe(0.5);
  expect(Object.keys(seen)).toHaveLength(4);
  const first = seen[`screening ${WARM}`]!;
  for (const [when, megabytes] of Object.entries(seen))
    expect(megabytes - first, when).toBeLessThan(GROWTH_MB);

  let row = 0;
  for (const line of readFileSync(output, 'utf8').trimEnd().split('\n'))
    expect(line.startsWith(`{"prompt":"q${row++}","`)).toBe(true);
  expect(row).toBe(ROWS);
});
