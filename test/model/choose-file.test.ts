import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chooseFiles, type RepoFile } from '../../src/model/choose-file.ts';

function repo(...paths: string[]): RepoFile[] {
  return paths.map((path) => ({ path, bytes: 1 }));
}
function choose(files: RepoFile[], wanted?: string): string[] {
  return chooseFiles(files, wanted).map(({ path }) => path);
}

const usual = repo(
  'README.md',
  'm-Q2_K.gguf',
  'm-Q4_K_M.gguf',
  'm-Q8_0.gguf',
  'm-F16.gguf',
  'mmproj-m-F16.gguf',
  'm-UD-Q4_K_M.gguf',
);

test('without a wish: Q8_0, then Q4_0, Q4_K_M, F16, in whatever order they are listed', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(usual, { minLength: usual.length }), (files) => {
      expect(choose(files)).toEqual(['m-Q8_0.gguf']);
    }),
  );
  expect(choose(repo('m-Q4_K_M.gguf', 'm-Q4_0.gguf', 'm-F16.gguf'))).toEqual(['m-Q4_0.gguf']);
  expect(choose(repo('m-F16.gguf', 'm-Q2_K.gguf'))).toEqual(['m-F16.gguf']);
});

test('the only model is taken whatever it is called', () => {
  expect(choose(repo('README.md', 'strange.gguf', 'imatrix.gguf'))).toEqual(['strange.gguf']);
});

test('a wish counts in any case, and may be a file', () => {
  expect(choose(usual, 'q8_0')).toEqual(['m-Q8_0.gguf']);
  expect(choose(usual, 'q4_k_m')).toEqual(['m-Q4_K_M.gguf']);
  expect(choose(usual, 'ud-q4_k_m')).toEqual(['m-UD-Q4_K_M.gguf']);
  expect(choose(usual, 'm-Q2_K.gguf')).toEqual(['m-Q2_K.gguf']);
});

test('all parts of a split model come, in order', () => {
  const split = repo('Q8_0/m-00002-of-00002.gguf', 'Q8_0/m-00001-of-00002.gguf', 'm-Q2_K.gguf');
  expect(choose(split, 'Q8_0')).toEqual(['Q8_0/m-00001-of-00002.gguf', 'Q8_0/m-00002-of-00002.gguf']);
  expect(() => choose(split.slice(1), 'Q8_0')).toThrow(/lacks Q8_0\/m-00002-of-00002.gguf/);
});

test('what cannot be chosen is an error that says what there is', () => {
  expect(() => choose(usual, 'Q5_K_S')).toThrow(/none called Q5_K_S; there are m-Q2_K.gguf, m-Q4_K_M/);
  expect(() => choose(repo('m-Q2_K.gguf', 'm-Q3_K_M.gguf'))).toThrow(/none of Q8_0, Q4_0/);
  expect(() => choose(repo('small-Q8_0.gguf', 'large-Q8_0.gguf'))).toThrow(/several models fit/);
  expect(() => choose(repo('model.safetensors'))).toThrow(/no GGUF model among its 1 files/);
});
