import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readGivenRollouts } from '../../src/rollout/given.ts';
import { folder } from '../support/folder.ts';

const POS = '{"side":"pos","prompt":"p","answer":"yes"}';
const NEG = '{"side":"neg","prompt":"p","answer":"no"}';

function file(...lines: string[]): string {
  const path = join(folder(), 'given.jsonl');
  writeFileSync(path, lines.join('\n'));
  return path;
}

test('lines are read in order; what else stands in them is passed over', async () => {
  const path = file(POS, '', '{"side":"neg","prompt":"q\\n","answer":"","score":3}', NEG, '');
  expect(await readGivenRollouts(path)).toEqual([
    { side: 'pos', prompt: 'p', answer: 'yes' },
    { side: 'neg', prompt: 'q\n', answer: '' },
    { side: 'neg', prompt: 'p', answer: 'no' },
  ]);
});

describe('a broken line is named by file, line and field', () => {
  test.each([
    ['{"side":"positive","prompt":"p","answer":"a"}', /given\.jsonl:2: side:/],
    ['{"prompt":"p","answer":"a"}', /given\.jsonl:2: side:/],
    ['{"side":"pos","prompt":"","answer":"a"}', /given\.jsonl:2: prompt:/],
    ['{"side":"pos","prompt":"p"}', /given\.jsonl:2: answer:/],
    ['{"side":"pos","prompt":"p","answer":null}', /given\.jsonl:2: answer:/],
    ['["pos","p","a"]', /given\.jsonl:2: /],
    ['{"side":"pos",', /given\.jsonl:2: not JSON/],
  ])('%s', async (line, message) => {
    await expect(readGivenRollouts(file(POS, line, NEG))).rejects.toMatchObject({
      code: 'BAD_FILE',
      message: expect.stringMatching(message),
    });
  });
});

test.each([
  ['no negative answer', [POS], 'neg'],
  ['no positive answer', [NEG], 'pos'],
  ['positive answers that are all empty', [NEG, '{"side":"pos","prompt":"p","answer":""}'], 'pos'],
  ['nothing', [''], 'pos'],
])('%s: the side is named, with what to do', async (_, lines, side) => {
  await expect(readGivenRollouts(file(...lines))).rejects.toMatchObject({
    code: 'EMPTY_SIDE',
    message: expect.stringContaining(`no rollout with side "${side}"`),
    remedy: expect.any(String),
  });
});

test('a file that is not there', async () => {
  await expect(readGivenRollouts(join(folder(), 'none.jsonl'))).rejects.toMatchObject({
    message: expect.stringContaining('none.jsonl'),
  });
});
