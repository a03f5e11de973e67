/** The planted direction as the vector of the planted trait, in a folder that `preparePlanted` made. */

import { join } from 'node:path';
import { openChatModel } from '../../src/model/chat-model.ts';
import { writeVector } from '../../src/vector/file.ts';
import { writePlantedModel } from '../tiny/planted-model.ts';
import { TINY } from '../tiny/tiny-model.ts';
import { aVector } from './a-vector.ts';

/** v.gguf: length 1 at every layer, its own layer 2 and coefficient 1.5. */
export async function writePlantedVector(cwd: string): Promise<void> {
  const model = join(cwd, 'planted.gguf');
  const { direction } = await writePlantedModel({ path: model }); // the same file again
  await using chat = await openChatModel({ model, home: join(cwd, 'home'), threads: 1, parallel: 1 });
  const directions = Float32Array.from(
    { length: TINY.layers * TINY.width },
    (_, i) => direction[i % TINY.width]!,
  );
  await writeVector(join(cwd, 'v.gguf'), aVector({ trait: 'planted', model: chat.identity, directions }));
}
