/** Loads, uses and frees a model again and again in this one process; tells its resident memory after some rounds. */
import { setImmediate } from 'node:timers/promises';
import { openNative } from '../../src/engine/ffi.ts';
import { GraphTap } from '../../src/engine/graph-tap.ts';
import { NativeModel } from '../../src/engine/native-model.ts';
import { Scheduler } from '../../src/engine/scheduler.ts';
import { GREEDY, randomDirection, readAll } from './tiny-values.ts';

const [modelPath, rounds, every] = process.argv.slice(2);
openNative();
const resident: number[] = [];
for (let round = 1; round <= Number(rounds); round++) {
  using tap = new GraphTap();
  using model = new NativeModel(
    { modelPath: modelPath!, parallel: 2, context: 128, batch: 16, threads: 1 },
    tap.callback,
    { last: () => 'no reason given' },
  );
  tap.attach(model);
  using scheduler = new Scheduler(model, tap);
  let open = 3;
  for (let id = 1; id <= open; id++) {
    const ended = (): number => open--;
    scheduler.submit(
      id,
      {
        prompt: 'some text to begin with',
        maxTokens: 4,
        ...(id === 1 ? GREEDY : {}),
        ...readAll(),
        edits: [{ op: 'add', layer: 1, direction: randomDirection(id), coefficient: 1 }],
      },
      { onEvents: () => {}, onDone: ended, onError: ended },
    );
  }
  while (scheduler.busy) {
    scheduler.step();
    await setImmediate(); // as the engine process does: freed views are collected between steps
  }
  if (open !== 0) throw new Error(`${open} requests did not end`);
  if (round % Number(every) === 0) {
    globalThis.gc?.();
    resident.push(process.memoryUsage.rss());
  }
}
process.send!(resident);
