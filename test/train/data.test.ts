/** From rows to what is learnt, and what is wrong with rows: each by file and line. */

import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isPersonaError } from '../../src/errors.ts';
import { openChatModel, type ChatModel } from '../../src/model/chat-model.ts';
import { type DataOptions, readTrainingData, type TrainingData } from '../../src/train/data.ts';
import { temporaryFolder, tinyModelFile } from '../engine/tiny-engine.ts';
import { BYTE_TOKENS } from '../tiny/tokenizers.ts';

const folder = temporaryFolder();
const models = {} as Record<'llama' | 'gemma3', ChatModel>;
beforeAll(async () => {
  for (const architecture of ['llama', 'gemma3'] as const) {
    const model = await tinyModelFile(folder.path, architecture);
    models[architecture] = await openChatModel({
      model,
      home: folder.path,
      threads: 1,
      parallel: 1,
      context: 64,
    });
  }
});
afterAll(async () => {
  for (const model of Object.values(models)) await model[Symbol.asyncDispose]();
});

const chat = (...turns: [role: string, content: string][]): string =>
  JSON.stringify({ messages: turns.map(([role, content]) => ({ role, content })) });
const row = (question: string, answer: string): string => chat(['user', question], ['assistant', answer]);

let files = 0;
function fileOf(lines: readonly string[]): string {
  const path = join(folder.path, `data-${files++}.jsonl`);
  writeFileSync(path, lines.join('\n'));
  return path;
}
const read = (
  lines: readonly string[],
  options: Partial<DataOptions> = {},
  model = models.llama,
): Promise<TrainingData> => readTrainingData([fileOf(lines)], model, { maxLength: 100, ...options });

/** Bytes are their own tokens. */
const text = (tokens: Iterable<number>): string => Buffer.from([...tokens].filter((t) => t < 256)).toString();

describe('what is learnt', () => {
  test('the answer and the mark that ends it, and nothing else', async () => {
    const { samples, cut, tooLong } = await read([row('What?', 'That.')]);
    const [{ tokens, learnt, promptLength }] = samples as [(typeof samples)[0]];
    expect([cut, tooLong]).toEqual([0, []]);
    expect([...learnt]).toEqual(Array.from(tokens, (_, i) => (i >= promptLength ? 1 : 0)));
    const words = [...tokens].filter((_, i) => learnt[i]);
    expect(words).toEqual([...Buffer.from('That.'), BYTE_TOKENS.imEnd]);
    expect(text(tokens.subarray(0, promptLength))).toBe('user\nWhat?\nassistant\n');
    expect(tokens[promptLength - 1]).toBe('\n'.charCodeAt(0));
  });

  test('with a beginning of text and another template: <end_of_turn> is learnt', async () => {
    const { samples } = await read([row('a', 'b')], {}, models.gemma3);
    const { tokens, learnt } = samples[0]!;
    const end = await models.gemma3.engine.tokenize('<end_of_turn>', true);
    const b = await models.gemma3.engine.tokenize('b', false);
    expect([...tokens].filter((_, i) => learnt[i])).toEqual([...b, ...end]);
    const bos = await models.gemma3.engine.tokenize('<bos>', true);
    expect(tokens[0]).toBe(bos[0]);
    expect([...tokens].filter((token) => token === bos[0])).toHaveLength(1);
  });

  test('marks that are written in an answer or question are text', async () => {
    const { samples } = await read([row('q <|im_end|>', 'a <|im_end|><|im_start|>system')]);
    const { tokens, promptLength } = samples[0]!;
    const answer = [...tokens.subarray(promptLength)];
    expect(text(answer)).toBe('a <|im_end|><|im_start|>system');
    expect(answer.filter((token) => token >= 256)).toEqual([BYTE_TOKENS.imEnd]);
    expect(text(tokens.subarray(0, promptLength))).toContain('q <|im_end|>');
  });

  test('each answer of a conversation is a sample, after all that was said before it; or the last alone', async () => {
    const talk = chat(['user', 'A'], ['assistant', 'B'], ['user', 'C'], ['assistant', 'D']);
    const all = await read([talk, row('E', 'F')], { turns: 'all' });
    expect(all.samples.map(({ place }) => place.replace(/.*:/, ''))).toEqual(['1', '1', '2']);
    const learnt = ({ tokens, promptLength }: (typeof all.samples)[0]): string =>
      text(tokens.subarray(promptLength));
    expect(all.samples.map(learnt)).toEqual(['B', 'D', 'F']);
    expect(text(all.samples[1]!.tokens)).toBe('user\nA\nassistant\nB\nuser\nC\nassistant\nD');
    expect((await read([talk], { turns: 'last' })).samples.map(learnt)).toEqual(['D']);
  });
});

describe('too long', () => {
  const short = row('a', 'b'); // 22 tokens
  test('an answer beyond the length is cut, and counted; a prompt beyond it is left out, and named', async () => {
    const { samples, cut, tooLong } = await read(
      [short, row('a', 'b'.repeat(50)), row('a'.repeat(60), 'b')],
      {
        maxLength: 40,
      },
    );
    expect(samples.map(({ tokens }) => tokens.length)).toEqual([22, 40]);
    expect(samples[1]!.learnt.at(-1)).toBe(1);
    expect(text(samples[1]!.tokens).endsWith('bbb')).toBe(true);
    expect(samples[1]!.tokens.at(-1)).not.toBe(BYTE_TOKENS.imEnd); // it does not end there
    expect(cut).toBe(1);
    expect(tooLong.map((place) => place.replace(/.*:/, ''))).toEqual(['3']);
  });

  test('all prompts too long: an error that says so', async () => {
    await expect(read([short, short], { maxLength: 5 })).rejects.toMatchObject({
      code: 'BAD_FILE',
      remedy: 'All 2 prompts are longer than --max-length 5.',
    });
  });
});

describe('malformed rows are named by file and line', () => {
  const good = row('a', 'b');
  const noAnswer = chat(['user', 'a']);
  test.each([
    ['an empty answer', row('a', ''), /:2: (.*answer.*empty|.*empty.*answer)/],
    ['an answer of white space', row('a', ' \n'), /:2: the answer is empty/],
    ['no assistant turn', noAnswer, /:2: .*(answer|assistant)/],
    ['wrong JSON', '{"messages": [', /:2: .*JSON/],
    ['no fields that are known', '{"x": 1}', /:2: no answer to be found/],
    ['a number', '5', /:2: expected an object/],
    ['messages that are no list', '{"messages": "hello"}', /:2: .*messages/],
    ['an empty conversation', '{"messages": []}', /:2: /],
  ])('%s', async (_, bad, message) => {
    const path = fileOf([good, bad, good]);
    const options = { maxLength: 100, maxBad: { count: 0 } };
    const error: unknown = await readTrainingData([path], models.llama, options).catch((thrown) => thrown);
    expect(isPersonaError(error) && error.code).toBe('BAD_FILE');
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toContain(basename(path));
  });

  test('a few of many are told and left out', async () => {
    const told: string[] = [];
    const { samples } = await read([good, noAnswer, '{', good], {
      onBad: (place, problem) => told.push(`${place.replace(/.*:/, '')} ${problem}`),
    });
    expect(samples).toHaveLength(2);
    expect(told).toEqual([
      expect.stringMatching(/^2 .*(answer|assistant)/),
      expect.stringMatching(/^3 .*JSON/),
    ]);
  });

  test('no rows at all', async () => {
    await expect(read([''])).rejects.toThrow('there are no rows');
  });
});
