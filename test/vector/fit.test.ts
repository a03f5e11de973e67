import { describe, expect, test } from 'vitest';
import { checkFit } from '../../src/vector/fit.ts';
import { A_MODEL, aVector } from '../support/a-vector.ts';

const OTHER = 'c'.repeat(64);

test('the same weights fit', () => {
  expect(checkFit(aVector(), A_MODEL)).toBeUndefined();
  expect(checkFit(aVector(), { ...A_MODEL, name: 'renamed', quantization: 'unknown' })).toBeUndefined();
});

test('the same weights with another template fit, with a note', () => {
  expect(checkFit(aVector(), { ...A_MODEL, templateSha256: OTHER })).toMatch(/evil .*another chat template/);
});

describe('another quantisation of the same name fits, with a note', () => {
  test.each([
    ['Llama-3.1-8B-Instruct.Q8_0', 'Llama-3.1-8B-Instruct-Q4_K_M'],
    ['llama-3.1-8b-instruct-f16', 'Llama-3.1-8B-Instruct'],
    ['model-fp16', 'model.IQ2_XXS'],
    ['gpt-oss-20b-mxfp4', 'gpt-oss-20b-BF16'],
    ['bitnet-TQ1_0', 'bitnet-f32'],
  ])('%s and %s', (made, other) => {
    const vector = aVector({ model: { ...A_MODEL, name: made, quantization: 'Q8_0' } });
    const model = { ...A_MODEL, name: other, quantization: 'Q4_K_M', sha256: OTHER };
    expect(checkFit(vector, model, 'my vector')).toBe(
      `my vector was made on ${made} as Q8_0; this file is Q4_K_M`,
    );
  });
});

describe('another model is refused, with both named', () => {
  test.each([
    ['another name', { name: 'other' }],
    ['another version', { name: 'tiny-2' }],
    ['another size of the same family', { layers: 8 }],
    ['another width', { width: 128 }],
    ['another architecture', { architecture: 'qwen2' }],
  ])('%s', (_, change) => {
    const model = { ...A_MODEL, sha256: OTHER, ...change };
    expect(() => checkFit(aVector(), model)).toThrow(
      expect.objectContaining({
        code: 'WRONG_MODEL',
        message: expect.stringMatching(
          new RegExp(`evil was made on tiny .*; this is ${model.name} \\(${model.architecture}`),
        ),
        remedy: expect.any(String),
      }),
    );
  });
});
