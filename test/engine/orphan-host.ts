/** A host that keeps its engine busy and tells its pid, until somebody kills it. */
import { openEngine } from '../../src/engine/engine.ts';
import { GREEDY, TINY_OPTIONS } from './tiny-values.ts';

const engine = await openEngine({ ...TINY_OPTIONS, modelPath: process.argv[2]! });
process.send!(engine.pid);
for (;;) await engine.run({ prompt: 'On and on', maxTokens: 200, ...GREEDY });
