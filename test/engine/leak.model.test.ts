/** Memory stays flat over many loads in one process, and over many requests to one engine. Slow. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { Edit } from '../../src/engine/request.ts';
import { openTiny, temporaryFolder, tinyModelFile } from './tiny-engine.ts';
import { randomDirection, randomPrompt } from './tiny-values.ts';

const folder = temporaryFolder();
const MB = 2 ** 20;

test('500 rounds of load, use and free', { timeout: 300_000 }, async () => {
  const modelPath = await tinyModelFile(folder.path, 'llama');
  const child = fork(fileURLToPath(new URL('./leak-child.ts', import.meta.url)), [modelPath, '500', '50'], {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const resident = await new Promise<number[]>((resolve, reject) => {
    child.once('message', (message) => resolve(message as number[]));
    child.once('exit', (code) => reject(new Error(`the child ended with ${code}`)));
  });
  expect(resident).toHaveLength(10);
  expect((resident.at(-1)! - resident[0]!) / MB).toBeLessThan(15);
});

test('10,000 requests through one engine', { timeout: 300_000 }, async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await using engine = await openTiny(folder.path, 'llama', { parallel: 8, canary: false });
  const heap = (): number => {
    collect();
    return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
  };
  const run = async (from: number, count: number): Promise<void> => {
    for (let at = from; at < from + count; at += 100) {
      await Promise.allSettled(
        Array.from({ length: 100 }, (_, i) => {
          const seed = at + i;
          const direction = randomDirection(seed);
          const edit: Edit = { op: 'add', layer: seed % 4, direction, coefficient: 1 };
          const stop = new AbortController();
          return engine.run(
            {
              prompt: randomPrompt(seed % 50, 1 + (seed % 40)),
              maxTokens: seed % 6,
              topLogprobs: 2,
              edits: seed % 3 ? [] : [edit],
              means: { layers: seed % 5 ? [seed % 4] : 'all', kinds: ['prompt_avg', 'response_avg'] },
              projections: [{ name: 'p', layer: seed % 4, direction }],
            },
            { signal: stop.signal, onEvents: () => seed % 11 === 0 && stop.abort() },
          );
        }),
      );
    }
  };
  await run(0, 2000);
  const before = [await engine.residentBytes(), heap()] as const;
  await run(2000, 8000);
  expect((heap() - before[1]) / MB).toBeLessThan(5);
  expect(((await engine.residentBytes()) - before[0]) / MB).toBeLessThan(25);
});
