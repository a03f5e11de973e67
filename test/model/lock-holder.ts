/** A process that takes the lock at argv[2], says so, and holds it until it is killed. */

import { withLock } from '../../src/model/lock.ts';

await withLock(process.argv[2]!, {}, async () => {
  process.stdout.write('held\n');
  await new Promise((resolve) => setTimeout(resolve, 60_000));
});
