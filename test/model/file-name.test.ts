import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quantizationOf, splitPartOf, splitPartsOf } from '../../src/model/file-name.ts';
import { slowQuantization } from '../../src/model/slow-quantization.ts';

test.each([
  ['SmolLM2-135M-Instruct.Q4_1.gguf', 'Q4_1'],
  ['gemma-3-270m-q4_k_m.gguf', 'Q4_K_M'],
  ['Qwen3-8B-UD-Q4_K_XL.gguf', 'Q4_K_XL'],
  ['model-IQ2_XXS.gguf', 'IQ2_XXS'],
  ['gpt-oss-20b-mxfp4.gguf', 'MXFP4'],
  ['Llama-3.2-1B-f16.gguf', 'F16'],
  ['llama-fp16.gguf', 'F16'],
  ['Qwen3-30B-BF16-00001-of-00002.gguf', 'BF16'],
  ['Q8_0/model-00001-of-00003.gguf', 'Q8_0'],
  ['F16-tuned.Q8_0.gguf', 'Q8_0'],
  ['model.gguf', undefined],
  ['Q8_0-notes/deep/model.gguf', undefined],
])('%s is %s', (file, expected) => {
  expect(quantizationOf(file)).toBe(expected);
});

test('a part of a split model knows its siblings, whichever it is', () => {
  expect(splitPartOf('dir/x-00002-of-00003.gguf')).toEqual({ stem: 'dir/x', index: 2, count: 3 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), (count, pick) => {
      const first = `x-Q8_0-00001-of-${String(count).padStart(5, '0')}.gguf`;
      const parts = splitPartsOf(first);
      expect(parts).toHaveLength(count);
      expect(splitPartsOf(parts[pick % count]!)).toEqual(parts);
    }),
  );
});

test('a part number that cannot be is just a name', () => {
  expect(splitPartOf('x-00004-of-00003.gguf')).toBeUndefined();
  expect(splitPartsOf('x-00000-of-00003.gguf')).toEqual(['x-00000-of-00003.gguf']);
});

test('types without a batched CPU kernel are warned of, with a figure only where one was measured', () => {
  expect(slowQuantization('q4_1')).toMatch(/197 against 366/);
  expect(slowQuantization('Q5_1')).not.toMatch(/\d+ against/);
  for (const type of ['Q3_K_M', 'IQ2_XXS', 'IQ4_XS'])
    expect(slowQuantization(type)).toMatch(/no fast batched/);
  for (const type of ['Q8_0', 'Q4_0', 'Q4_K_M', 'Q6_K', 'F16', 'IQ4_NL'])
    expect(slowQuantization(type)).toBeUndefined();
  expect(slowQuantization('Q5_0', 'x64')).toBeUndefined();
  expect(slowQuantization('Q5_0', 'arm64')).toBeDefined();
});
