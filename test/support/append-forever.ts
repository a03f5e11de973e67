/** Appends long rows to the log argv[2], and prints the number of each one that is written. */

import { openJsonl } from '../../src/files/jsonl.ts';

const log = await openJsonl(process.argv[2]!);
const filling = 'x'.repeat(8 * 2 ** 20);
for (let row = 0; ; row++) {
  await log.append({ row, filling });
  console.log(row);
}
