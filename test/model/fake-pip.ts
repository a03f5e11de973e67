/** Stands for pip: copies NAME.whl of the folder argv[2] to --dest, or fails with words as pip does. */

import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  args: process.argv.slice(3),
  options: {
    dest: { type: 'string' },
    'no-deps': { type: 'boolean' },
    'only-binary': { type: 'string' },
    'no-input': { type: 'boolean' },
  },
  allowPositionals: true,
});
const [name] = positionals.at(-1)!.split('==');
if (name === 'hangs') setTimeout(() => {}, 60_000);
else
  await copyFile(join(process.argv[2]!, `${name}.whl`), join(values.dest!, `${name}.whl`)).catch(() => {
    console.error('Looking around\nERROR: No matching distribution found for ' + positionals.at(-1));
    process.exit(1);
  });
