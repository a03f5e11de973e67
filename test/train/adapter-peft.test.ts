/** Adapters as PEFT has them: the order of rows, files of PEFT's own, and what cannot be read by its name. */

import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TARGETS, TRAINABLE_ARCHITECTURES } from '../../src/engine/training/architecture.ts';
import { readSafetensor, readSafetensors, writeSafetensors } from '../../src/files/safetensors.ts';
import type { Adapter } from '../../src/train/adapter.ts';
import { readPeft, writePeft, type PeftModel } from '../../src/train/adapter-peft.ts';
import { folder } from '../support/folder.ts';
import { anAdapter, type AdapterShape } from './an-adapter.ts';

const FIXTURE = fileURLToPath(new URL('fixtures/peft', import.meta.url));
/** The model that `bench/adapter-peft.py make` has. */
const SMALL: PeftModel = { architecture: 'llama', heads: 2, kvHeads: 1, headWidth: 4, layers: 2 };
const WEIGHTS = 'adapter_model.safetensors';

const anyShape = fc.record({
  architecture: fc.constantFrom(...TRAINABLE_ARCHITECTURES),
  layers: fc.integer({ min: 1, max: 3 }),
  width: fc.integer({ min: 1, max: 9 }),
  heads: fc.integer({ min: 1, max: 3 }),
  kvHeads: fc.integer({ min: 1, max: 2 }),
  headWidth: fc.integer({ min: 1, max: 4 }).map((half) => 2 * half),
  feedForward: fc.integer({ min: 1, max: 9 }),
  rank: fc.integer({ min: 1, max: 8 }),
  alpha: fc.double({ min: 0.01, max: 1e4, noNaN: true }),
  rslora: fc.boolean(),
  targets: fc.subarray([...TARGETS], { minLength: 1 }),
  seed: fc.nat(),
}) satisfies fc.Arbitrary<AdapterShape>;

test('what is written reads as it was', async () => {
  const home = folder();
  await fc.assert(
    fc.asyncProperty(anyShape, async (shape) => {
      const adapter = anAdapter(shape);
      await writePeft(home, adapter, { baseModel: 'base', headWidth: shape.headWidth });
      expect(await readPeft(home, shape)).toEqual(adapter);
    }),
    { numRuns: 50 },
  );
});

test('rows of queries and keys lie half a head apart in PEFT, of llama alone', async () => {
  const home = folder();
  for (const architecture of TRAINABLE_ARCHITECTURES) {
    const b = Float32Array.of(0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15); // two heads of six rows, rank 1
    const a = Float32Array.of(1);
    const factors = new Map([
      ['blk.0.attn_q', { a, b }],
      ['blk.0.attn_v', { a, b }],
    ]);
    const targets = ['attn_q', 'attn_v'] as const;
    await writePeft(
      home,
      { architecture, layers: 1, rank: 1, alpha: 1, rslora: false, targets, factors },
      {
        baseModel: 'base',
        headWidth: 6,
      },
    );
    const file = await readSafetensors(join(home, WEIGHTS));
    const name = (module: string): string =>
      `base_model.model.model.layers.0.self_attn.${module}.lora_B.weight`;
    expect([...(await readSafetensor(file, name('q_proj')))]).toEqual(
      architecture === 'llama' ? [0, 2, 4, 1, 3, 5, 10, 12, 14, 11, 13, 15] : [...b],
    );
    expect([...(await readSafetensor(file, name('v_proj')))]).toEqual([...b]);
  }
});

test('a folder that PEFT wrote, in bfloat16', async () => {
  const adapter = await readPeft(FIXTURE, SMALL);
  expect(adapter).toMatchObject({ rank: 2, alpha: 4, rslora: true, layers: 2, targets: [...TARGETS] });
  expect(adapter.factors.size).toBe(14);
  let tensor = 0;
  for (const [matrix, { a, b }] of adapter.factors) {
    const planted = (length: number): number[] =>
      Array.from({ length }, (_, i) => ((((i + tensor) * 37) % 251) - 125) / 16);
    expect([...a], matrix).toEqual(planted(a.length));
    tensor++;
    const rows = planted(b.length);
    const turned = /attn_[qk]$/.test(matrix);
    // row 2i + j of a head of 4 is row 2j + i in transformers
    const expected = rows.map((_, at) => {
      const [row, r] = [Math.floor(at / 2), at % 2];
      const within = [0, 2, 1, 3][row % 4]!;
      return rows[turned ? (row - (row % 4) + within) * 2 + r : at];
    });
    expect([...b], matrix).toEqual(expected);
    tensor++;
  }
});

test('the settings are those that PEFT writes', async () => {
  const home = folder();
  await writePeft(home, anAdapter({ rslora: true }), { baseModel: 'some/base', headWidth: 16 });
  const config = (at: string): Record<string, unknown> =>
    JSON.parse(readFileSync(join(at, 'adapter_config.json'), 'utf8'));
  const [ours, theirs] = [config(home), config(FIXTURE)];
  expect(ours).toMatchObject({ r: 3, lora_alpha: 6, base_model_name_or_path: 'some/base' });
  for (const [field, value] of Object.entries(ours)) {
    if (['r', 'lora_alpha', 'base_model_name_or_path'].includes(field)) continue;
    const sorted = (x: unknown): unknown => (Array.isArray(x) ? new Set(x) : x);
    expect(sorted(value), field).toEqual(sorted(theirs[field]));
  }
});

test('factors of some blocks only are named one by one, and read again', async () => {
  const home = folder();
  const whole = anAdapter();
  const factors = new Map([...whole.factors].filter(([matrix]) => !/^blk\.[02]\.attn_q$/.test(matrix)));
  const adapter: Adapter = { ...whole, factors };
  await writePeft(home, adapter, { baseModel: 'base', headWidth: 16 });
  const { target_modules } = JSON.parse(readFileSync(join(home, 'adapter_config.json'), 'utf8')) as {
    target_modules: string[];
  };
  expect(target_modules).toHaveLength(factors.size);
  expect(target_modules).toContain('model.layers.1.self_attn.q_proj');
  expect(target_modules).not.toContain('model.layers.0.self_attn.q_proj');
  expect(
    await readPeft(home, { architecture: 'llama', heads: 4, kvHeads: 2, headWidth: 16, layers: 4 }),
  ).toEqual(adapter);
});

describe('what cannot be read is named', () => {
  async function changed(config: object, rename: (name: string) => string = (name) => name): Promise<string> {
    const home = folder();
    cpSync(FIXTURE, home, { recursive: true });
    const path = join(home, 'adapter_config.json');
    writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...config }));
    const file = await readSafetensors(join(home, WEIGHTS));
    const tensors = await Promise.all(
      [...file.tensors].map(async ([name, { shape }]) => ({
        name: rename(name),
        shape,
        data: await readSafetensor(file, name),
      })),
    );
    await writeSafetensors(
      join(home, WEIGHTS),
      tensors.filter(({ name }) => name !== ''),
    );
    return home;
  }

  test.each<[object, RegExp]>([
    [{ peft_type: 'IA3' }, /peft_type is "IA3"/],
    [{ use_dora: true }, /use_dora is true/],
    [{ bias: 'all' }, /bias is "all"/],
    [{ lora_bias: true }, /lora_bias is true/],
    [{ modules_to_save: ['lm_head'] }, /modules_to_save is \["lm_head"\]/],
    [{ rank_pattern: { q_proj: 4 } }, /rank_pattern is \{"q_proj":4\}/],
    [{ alpha_pattern: { q_proj: 4 } }, /alpha_pattern is \{"q_proj":4\}/],
    [{ layer_replication: [[0, 2]] }, /layer_replication/],
    [{ trainable_token_indices: [1] }, /trainable_token_indices/],
    [{ alora_invocation_tokens: [1] }, /alora_invocation_tokens/],
    [{ init_lora_weights: 'pissa_niter_4' }, /init_lora_weights is "pissa_niter_4"/],
    [{ r: 0 }, /r: /],
    [{ lora_alpha: 'x' }, /lora_alpha: /],
    [{ lora_alpha: 0 }, /lora_alpha is 0/],
    [{ r: 3 }, /lora_A\.weight has rank 2, r of adapter_config\.json is 3/],
  ])('%j', async (config, words) => {
    await expect(readPeft(await changed(config), SMALL)).rejects.toThrow(words);
  });

  test.each<[object]>([
    [{ modules_to_save: [] }],
    [{ rank_pattern: null }],
    [{ init_lora_weights: 'gaussian' }],
    [{}],
  ])('%j is nothing', async (config) => {
    expect((await readPeft(await changed(config), SMALL)).factors.size).toBe(14);
  });

  test.each<[string, (name: string) => string, RegExp]>([
    [
      'another module',
      (name) => name.replace('layers.1.mlp.up_proj', 'layers.1.mlp.gate_up_proj'),
      /layers\.1\.mlp\.gate_up_proj\.lora_A\.weight is of no module/,
    ],
    ['the head', (name) => name.replace('model.layers.1.mlp.up_proj', 'lm_head'), /lm_head\.lora_A\.weight/],
    [
      'DoRA',
      (name) => name.replace('1.mlp.up_proj.lora_A.weight', '1.mlp.up_proj.lora_magnitude_vector'),
      /magnitude/,
    ],
    [
      'another tower',
      (name) => name.replace('model.model.layers', 'model.vision_tower.encoder.layers'),
      /vision_tower/,
    ],
    [
      'one half',
      (name) => (name.includes('1.mlp.up_proj.lora_B') ? '' : name),
      /1\.mlp\.up_proj\.lora_A\.weight has no B/,
    ],
    [
      'a whole module missing',
      (name) => (name.includes('v_proj') ? '' : name),
      /no tensor of self_attn\.v_proj/,
    ],
  ])('%s', async (_, rename, words) => {
    await expect(readPeft(await changed({}, rename), SMALL)).rejects.toThrow(words);
  });

  test.each(['model.language_model', 'language_model.model'])(
    'the names within %s are known',
    async (prefix) => {
      const home = await changed({}, (name) =>
        name.replace('base_model.model.model', `base_model.model.${prefix}`),
      );
      expect(await readPeft(home, SMALL)).toEqual(await readPeft(FIXTURE, SMALL));
    },
  );

  test.each<[Partial<PeftModel>, RegExp]>([
    [{ layers: 1 }, /layers\.1\..*the model has 1 blocks/],
    [{ heads: 3 }, /the model 3 heads of 4/],
    [{ kvHeads: 2 }, /k_proj\.lora_B\.weight has 4 rows, the model 2 heads of 4/],
    [{ headWidth: 2 }, /heads of 2/],
    [{ architecture: 'phi3' }, /phi3/],
  ])('a model with %j', async (model, words) => {
    await expect(readPeft(FIXTURE, { ...SMALL, ...model })).rejects.toThrow(words);
  });

  test('a value that is not finite', async () => {
    const home = await changed({});
    const file = await readSafetensors(join(home, WEIGHTS));
    const name = 'base_model.model.model.layers.0.mlp.up_proj.lora_A.weight';
    const bytes = readFileSync(join(home, WEIGHTS));
    bytes.writeFloatLE(Number.NaN, file.tensors.get(name)!.offset + 12);
    writeFileSync(join(home, WEIGHTS), bytes);
    await expect(readPeft(home, SMALL)).rejects.toThrow(`${name} holds a value that is not finite, at 3`);
  });

  test('pickled weights, and none', async () => {
    const home = await changed({});
    renameSync(join(home, WEIGHTS), join(home, 'adapter_model.bin'));
    await expect(readPeft(home, SMALL)).rejects.toThrow(
      /adapter_model\.bin: expected adapter_model\.safetensors/,
    );
    rmSync(join(home, 'adapter_model.bin'));
    await expect(readPeft(home, SMALL)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('an architecture whose names are not known, and heads that do not fit', async () => {
    const adapter = anAdapter({ architecture: 'phi3' });
    await expect(writePeft(folder(), adapter, { baseModel: 'b', headWidth: 16 })).rejects.toThrow(/phi3/);
    await expect(writePeft(folder(), anAdapter(), { baseModel: 'b', headWidth: 24 })).rejects.toThrow(
      /blk\.0\.attn_q has 64 rows, no multiple of 24/,
    );
  });
});
