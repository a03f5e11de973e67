/** Proof, before the first step, that what is to be done to the stream while training reaches it. */

import type { LayerEdit } from '../engine/training/edit.ts';
import type { TrainingMemory } from '../engine/training/memory.ts';
import { runPass } from '../engine/training/pass.ts';
import { PersonaError } from '../errors.ts';
import { dot, norm } from '../math/vector.ts';
import type { CanaryReading, JobSample } from './job.ts';

/** Share of the expected length by which a reading may be off. */
const TOLERANCE = 0.02;
/** Tokens of the sample that is read. */
const LENGTH = 32;

/**
 * Each edit by itself, on the last token of a short sample: an added vector is there at its length, and along a
 * direction that is removed nothing is left.
 * @throws PersonaError CANARY
 */
export function readCanary(
  memory: TrainingMemory,
  edits: readonly LayerEdit[],
  { tokens }: Pick<JobSample, 'tokens'>,
): CanaryReading[] {
  const short = tokens.subarray(0, LENGTH);
  const samples = [{ tokens: short, learnt: new Uint8Array(short.length) }];
  const places = [{ sample: 0, token: short.length - 1 }];
  const read = (layer: number, by: readonly LayerEdit[]): Float32Array =>
    runPass(memory, { samples, edits: by, loss: false, reads: [{ layer, places }] }).reads[0]!;
  const readings: CanaryReading[] = [];
  const check = (reading: CanaryReading): void => {
    readings.push(reading);
    if (!(Math.abs(reading.got - reading.expected) <= TOLERANCE * reading.of))
      throw new PersonaError(
        'CANARY',
        `layer ${reading.layer}: ${reading.op} should leave ${reading.expected} along its direction, and left ${reading.got}`,
        { remedy: 'Do not train with this build: the edit does not reach the model as it should.' },
      );
  };
  for (const { layer, add, ablate } of edits) {
    const before = read(layer, []);
    if (add) {
      const after = read(layer, [{ layer, add }]);
      const expected = norm(add);
      const unit = add.map((x) => x / expected);
      check({ layer, op: 'add', expected, got: dot(after, unit) - dot(before, unit), of: expected });
    }
    if (ablate) {
      const after = read(layer, [{ layer, ablate }]);
      for (let i = 0; i < ablate.length; i += before.length) {
        const direction = ablate.subarray(i, i + before.length);
        check({ layer, op: 'ablate', expected: 0, got: dot(after, direction), of: norm(before) });
      }
    }
  }
  return readings;
}
