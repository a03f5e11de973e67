/**
 * Ten thousand broken files: each is read as a sound vector, or refused with an error that names it. Never a crash, a
 * wait, or memory for what a file only claims.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isPersonaError } from '../../src/errors.ts';
import { readStoredZip } from '../../src/files/zip-read.ts';
import { storedZip } from '../../src/files/zip-write.ts';
import { type Random, random } from '../../src/math/random.ts';
import { writeGguf } from '../../src/model/gguf-write.ts';
import type { GgufValue } from '../../src/model/gguf.ts';
import { readAnyVector } from '../../src/vector/convert.ts';
import type { VectorFormat } from '../../src/vector/format.ts';
import { writeVectorAs } from '../../src/vector/write-as.ts';
import { A_MODEL, aVector } from '../support/a-vector.ts';
import { folder } from '../support/folder.ts';

const PER_FILE = 1250;
const SLOW_MS = 1000;
/** The files have some thousand bytes; a window for reading a header has a quarter of a megabyte. */
const MAX_MEMORY = 200 * 2 ** 20;

const SMALL = { ...A_MODEL, width: 8 };
const vector = aVector({ model: SMALL });

const written = (format: VectorFormat, name: string) => async (): Promise<[Buffer, VectorFormat]> => {
  const path = join(folder(), name);
  await writeVectorAs(path, vector, format);
  return [readFileSync(path), format];
};
const fixture = (name: string) => async (): Promise<[Buffer, VectorFormat]> => [
  readFileSync(new URL(`./fixtures/${name}.pt`, import.meta.url)),
  'pt',
];
async function foreignGguf(): Promise<[Buffer, VectorFormat]> {
  const path = join(folder(), 'foreign.gguf');
  await writeGguf({
    path,
    metadata: [
      ['general.architecture', { type: 'string', value: 'controlvector' }],
      ['controlvector.layer_count', { type: 'u32', value: 3 }],
    ],
    tensors: [1, 2, 3].map((b) => ({
      name: `direction.${b}`,
      shape: [8],
      type: b === 2 ? 'F16' : 'F32',
      data: b === 2 ? new Float16Array(8).fill(b) : new Float32Array(8).fill(b),
    })),
  });
  return [readFileSync(path), 'cvector'];
}

const KINDS: [string, () => Promise<[Buffer, VectorFormat]>, Mutate][] = [
  ['a vector of ours', written('gguf', 'x.gguf'), mutate],
  ['a control vector of another tool', foreignGguf, mutate],
  ['safetensors of ours', written('safetensors', 'x.safetensors'), mutate],
  ['the header of safetensors, its length set right', written('safetensors', 'x.safetensors'), mutateHeader],
  ['the .pt of PyTorch', fixture('bfloat16'), mutate],
  ['what lies in the .pt, its checksums set right', fixture('strided'), mutateEntries],
  ['a role of assistant-axis, its checksums set right', fixture('role'), mutateEntries],
  ['caps of assistant-axis, their checksums set right', fixture('capping'), mutateEntries],
];

test.each(KINDS)(
  '%s',
  async (_, make, change) => {
    const [original, from] = await make();
    const path = join(folder(), 'mutated');
    const next = random(11);
    const ended = { read: 0, refused: 0 };
    const before = memory();
    let slowest = 0;
    let most = 0;
    for (let i = 0; i < PER_FILE; i++) {
      const bytes = await change(original, next);
      writeFileSync(path, bytes);
      const start = performance.now();
      try {
        const found = await readAnyVector(path, {
          from,
          model: () => Promise.resolve(SMALL),
          trait: 'evil',
          experiment: 'layers_1:3-p0.25',
        });
        const { layers, width } = found.vector.model;
        expect(found.vector.directions).toHaveLength(layers * width);
        expect(found.vector.directions.every(Number.isFinite)).toBe(true);
        ended.read++;
      } catch (error) {
        const told = isPersonaError(error) && error.message.includes(path);
        if (!told) {
          writeFileSync('/tmp/mutated-failure', bytes);
          throw new Error(`mutation ${i} ended in ${String(error)}`, { cause: error });
        }
        ended.refused++;
      }
      slowest = Math.max(slowest, performance.now() - start);
      most = Math.max(most, memory());
    }
    expect(slowest).toBeLessThan(SLOW_MS);
    expect(most - before).toBeLessThan(MAX_MEMORY);
    // the mutations hit: some are harmless, most are not
    expect(ended.refused).toBeGreaterThan(PER_FILE / 10);
    expect(ended.read + ended.refused).toBe(PER_FILE);
  },
  60_000,
);

// --- made by hand -----------------------------------------------------------------------------------------------------

async function refusal(path: string, from: VectorFormat): Promise<string> {
  const start = performance.now();
  const given = { from, model: () => Promise.resolve(SMALL), trait: 'evil' };
  const error: unknown = await readAnyVector(path, given).catch((e: unknown) => e);
  if (!isPersonaError(error)) throw new Error('expected a PersonaError', { cause: error });
  expect(error.message).toContain(path);
  expect(performance.now() - start).toBeLessThan(SLOW_MS);
  return error.message;
}

test('a GGUF that claims a model of terabytes', async () => {
  const path = join(folder(), 'x.gguf');
  const width = 2 ** 20;
  const text = (value: string): GgufValue => ({ type: 'string', value });
  await writeGguf({
    path,
    metadata: [
      ['general.architecture', text('controlvector')],
      ['persona.format', { type: 'u32', value: 1 }],
      ['persona.trait', text('evil')],
      ['persona.model', text(JSON.stringify({ ...A_MODEL, layers: 4096, width }))],
      ['persona.direction_0', { type: 'array', of: 'f32', items: new Float32Array(width) }],
    ],
    tensors: [{ name: 'direction.1', shape: [8], type: 'F32', data: new Float32Array(8) }],
  });
  expect(await refusal(path, 'gguf')).toContain('direction.1 has width 8, persona.model says 1048576');
  const bytes = readFileSync(path);
  bytes.writeBigUInt64LE(2n ** 40n, 8);
  writeFileSync(path, bytes);
  expect(await refusal(path, 'gguf')).toContain('number of tensors at byte 8: expected at most');
});

test('dictionaries that hold each other a hundred thousand million times', async () => {
  const path = join(folder(), 'x.pt');
  const count = 20_000;
  const into = (item: string): string =>
    `}(${Array.from({ length: count }, (_, i) => `M${String.fromCharCode(i & 255, i >> 8)}${item}`).join('')}u`;
  const pickle = `\x80\x02${into('N')}q\x00${into('h\x00')}q\x01${into('h\x01')}.`;
  writeFileSync(path, storedZip([{ name: 'x/data.pkl', content: Buffer.from(pickle, 'latin1') }]));
  expect(await refusal(path, 'pt')).toContain('more than 20000 items');
});

function memory(): number {
  const { external, heapUsed } = process.memoryUsage();
  return external + heapUsed;
}

// --- mutations -------------------------------------------------------------------------------------------------------

type Mutate = (bytes: Buffer, next: Random) => Buffer | Promise<Buffer>;

/** Numbers at which counts, lengths and offsets go wrong. */
const EXTREMES = [0n, 1n, 0x7fn, 0xffn, 0x7fffn, 0xffffn, 0x7fff_ffffn, 0xffff_ffffn, 2n ** 53n, 2n ** 60n, 2n ** 63n, 2n ** 64n - 1n]; // prettier-ignore

/** One to three changes: a bit, a cut, a part moved, doubled or removed, a number replaced. */
function mutate(original: Buffer, next: Random): Buffer {
  let bytes: Buffer = Buffer.from(original);
  const changes = 1 + next.below(3);
  for (let i = 0; i < changes && bytes.length > 8; i++) bytes = changed(bytes, next);
  return bytes;
}

function changed(bytes: Buffer, next: Random): Buffer {
  const at = next.below(bytes.length);
  const length = 1 + next.below(Math.min(64, bytes.length - at));
  const part = bytes.subarray(at, at + length);
  switch (next.below(6)) {
    case 0:
      bytes[at]! ^= 1 << next.below(8);
      return bytes;
    case 1:
      return bytes.subarray(0, at);
    case 2: {
      const to = next.below(bytes.length);
      return Buffer.concat([bytes.subarray(0, to), part, bytes.subarray(to)]);
    }
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    case 4:
      part.fill(next.below(256));
      return bytes;
    default: {
      const value = Buffer.alloc(8);
      value.writeBigUInt64LE(EXTREMES[next.below(EXTREMES.length)]!);
      value.subarray(0, 1 << next.below(4)).copy(bytes, at);
      return bytes;
    }
  }
}

/** Changes one entry of a zip archive, or its name, under a checksum that fits. */
async function mutateEntries(original: Buffer, next: Random): Promise<Buffer> {
  const entries = [...(await readStoredZip(original, 'original'))].map(([name, content]) => ({
    name,
    content,
  }));
  const chosen = entries[next.below(entries.length)]!;
  const pickle = entries.find(({ name }) => name.endsWith('data.pkl'))!;
  const target = next.below(4) > 0 ? pickle : chosen; // where most can go wrong
  if (next.below(20) === 0) target.name = mutate(Buffer.from(target.name), next).toString('latin1');
  else target.content = mutate(Buffer.from(target.content), next);
  return storedZip(entries);
}

/** Changes the JSON of a safetensors header, under a length that fits. */
function mutateHeader(original: Buffer, next: Random): Buffer {
  const end = 8 + Number(original.readBigUInt64LE());
  const header = mutate(original.subarray(8, end), next);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, original.subarray(end)]);
}
