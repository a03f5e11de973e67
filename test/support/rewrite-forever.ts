/** Rewrites the file argv[2] with one letter after the other, 4 MB each, and prints each one that is written. */

import { writeWhole } from '../../src/files/write-whole.ts';

for (let i = 0; ; i++) {
  const letter = String.fromCharCode(97 + (i % 26));
  await writeWhole(process.argv[2]!, letter.repeat(4 * 2 ** 20));
  console.log(letter);
}
