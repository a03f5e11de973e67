/**
 * Loaded before a program (`node --import`): at SIGUSR2 its clocks jump as the file named by JUMPING_CLOCK says,
 * `{"wall": ms, "steady": ms}`, counted from the true time. `wall` is Date's; `steady`, which may only grow, is
 * performance.now's. Timers go on as they are.
 */

import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

let jump = { wall: 0, steady: 0 };
const file = process.env['JUMPING_CLOCK'];
if (isMainThread && file !== undefined) {
  process.on('SIGUSR2', () => (jump = JSON.parse(readFileSync(file, 'utf8')) as typeof jump));
  const TrueDate = Date;
  const now = (): number => TrueDate.now() + jump.wall;
  globalThis.Date = new Proxy(TrueDate, {
    construct: (target, given: [], self: typeof Date) =>
      Reflect.construct(target, given.length === 0 ? [now()] : given, self) as Date,
    get: (target, name) => (name === 'now' ? now : (Reflect.get(target, name) as unknown)),
  });
  const steady = performance.now.bind(performance);
  performance.now = () => steady() + jump.steady;
}
