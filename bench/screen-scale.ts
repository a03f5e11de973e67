/**
 * Screening at scale, for people: rows that are all different, on a model of your own. Prints rows a second and the
 * memory of this process every so often; the latter should level off.
 *
 *     node bench/screen-scale.ts MODEL VECTOR [ROWS = 100000] [METHOD = prompt]
 */

import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openChatModel } from '../src/model/chat-model.ts';
import { parseWatch, resolveWatches } from '../src/monitor/watch.ts';
import { METHODS } from '../src/screen/measure.ts';
import { dataFile } from '../src/screen/read/files.ts';
import { runScreening } from '../src/screen/run.ts';
import { vectorFinder } from '../src/vector/find.ts';

const [model, vector, rows = '100000', wanted = 'prompt'] = process.argv.slice(2);
const method = METHODS.find((one) => one === wanted);
if (model === undefined || vector === undefined || method === undefined)
  throw new Error('usage: node bench/screen-scale.ts MODEL VECTOR [ROWS] [METHOD]');

const folder = mkdtempSync(join(tmpdir(), 'screen-scale-'));
try {
  const path = join(folder, 'rows.jsonl');
  const file = createWriteStream(path);
  for (let i = 0; i < Number(rows); i++) {
    const row = { prompt: `What comes after ${i}?`, completion: `After ${i} comes ${i + 1}.` };
    if (!file.write(`${JSON.stringify(row)}\n`)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');

  await using opened = await openChatModel({ model, parallel: 32, context: 256 });
  const { watches } = await resolveWatches([parseWatch(vector)], vectorFinder(), opened.identity);
  const begun = performance.now();
  const { all } = await runScreening(opened, [dataFile(path)], {
    watches,
    method,
    maxTokens: 32,
    config: {},
    output: join(folder, 'out.parquet'),
    thresholds: [],
    judgeThresholds: [],
    onStep(label, done) {
      if (done % 5000 !== 0) return;
      const rate = (1000 * done) / (performance.now() - begun);
      const memory = process.memoryUsage();
      process.stdout.write(
        `${label} ${done}: ${rate.toFixed(0)} rows/s, heap ${(memory.heapUsed / 1e6).toFixed(0)} MB, process ${(memory.rss / 1e6).toFixed(0)} MB\n`,
      );
    },
  });
  process.stdout.write(`${JSON.stringify(all)}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
