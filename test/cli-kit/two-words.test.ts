import { expect, test } from 'vitest';
import { joinTwoWords } from '../../src/cli/kit/two-words.ts';

const join = (line: string): string => joinTwoWords(line.split(' ')).join(' ');

test('options of llama.cpp that take two words become one', () => {
  expect(join('generate hi --control-vector-layer-range 10 31 --json')).toBe(
    'generate hi --control-vector-layer-range 10,31 --json',
  );
  expect(join('--control-vector-scaled a.gguf -0.8 hi')).toBe('--control-vector-scaled a.gguf:-0.8 hi');
});

test('what is whole already, or is something else, stays as it is', () => {
  for (const line of [
    '--control-vector-scaled a.gguf:0.8 12', // 12 is the prompt
    '--control-vector-scaled a.gguf',
    '--control-vector-scaled a.gguf hi',
    '--control-vector-layer-range 10',
    '--control-vector a.gguf 7',
    '-- --control-vector-layer-range 10 31',
  ])
    expect(join(line)).toBe(line);
});
