/** vector.gguf holds the answer means, as the paper uses them; the two other token kinds lie beside it. */

import { join } from 'node:path';
import type { MeanKind } from '../engine/request.ts';
import { MEAN_KINDS } from '../rollout/ask.ts';
import { writeVector } from './file.ts';
import type { PersonaVector } from './vector.ts';

export async function writeKinds(
  run: string,
  vector: PersonaVector,
  directions: Record<MeanKind, Float32Array>,
): Promise<void> {
  await writeVector(join(run, 'vector.gguf'), vector);
  for (const kind of MEAN_KINDS) {
    if (kind === vector.kind) continue;
    // what was measured with the answer means does not hold for the others
    const { baseline: _baseline, layer: _layer, coefficient: _coefficient, ...rest } = vector;
    await writeVector(join(run, `vector.${kind}.gguf`), {
      ...rest,
      kind,
      directions: directions[kind],
      quality: {},
    });
  }
}
