/** A process that resolves the model argv[2], prints its path, and notes on stderr. */

import { resolveModel } from '../../src/model/pull.ts';

const { path } = await resolveModel(process.argv[2], { onNote: (note) => console.error(note) });
console.log(path);
