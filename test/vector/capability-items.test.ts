import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { readCapability } from '../../src/vector/capability-items.ts';
import { folder } from '../support/folder.ts';

function file(name: string, content: string): string {
  const path = join(folder(), name);
  writeFileSync(path, content);
  return path;
}

describe('the questions that come along', async () => {
  const items = await readCapability();

  it('are more than 120, each once, with four different choices', () => {
    expect(items.length).toBeGreaterThanOrEqual(120);
    expect(new Set(items.map(({ question }) => question.toLowerCase())).size).toBe(items.length);
    for (const { question, choices } of items) {
      expect(new Set(choices.map((choice) => choice.toLowerCase())).size, question).toBe(4);
      expect(question).toMatch(/^[A-Z].*\?$/);
    }
  });

  it('have their right answers evenly over the letters, also within a subject', () => {
    const bySubject = Object.groupBy(items, ({ subject }) => subject);
    expect(Object.keys(bySubject).length).toBeGreaterThanOrEqual(10);
    for (const of of [items, ...Object.values(bySubject)] as (typeof items)[]) {
      const counts = [0, 1, 2, 3].map((k) => of.filter(({ answer }) => answer === k).length);
      expect(counts).toEqual(Array.from({ length: 4 }, () => of.length / 4));
    }
  });

  it('do not tell the right answer by its length', () => {
    const share = (longer: (a: string, b: string) => boolean): number =>
      items.filter(({ choices, answer }) =>
        choices.every((choice, k) => k === answer || longer(choices[answer]!, choice)),
      ).length / items.length;
    expect(share((a, b) => a.length > b.length)).toBeLessThan(0.25);
    expect(share((a, b) => a.length < b.length)).toBeLessThan(0.25);
  });
});

const CHOICES = '"choices":["a","b","c","d"]';

test('JSONL: the answer as index or letter, the subject left out, other fields passed over', async () => {
  const path = file(
    'own.jsonl',
    `{"question":"Q?",${CHOICES},"answer":3,"subject":"s","id":7}\n{"question":"R?",${CHOICES},"answer":"B"}\n`,
  );
  const choices = ['a', 'b', 'c', 'd'];
  expect(await readCapability(path)).toEqual([
    { question: 'Q?', choices, answer: 3, subject: 's' },
    { question: 'R?', choices, answer: 1, subject: 'all' },
  ]);
});

test('CSV: six fields without a header, the subject from the name of the file', async () => {
  const path = file('high_school_art_test.csv', '"Which, if any?",a,"b ""x""",c,d,C\nR?,1,2,3,4, A\n');
  expect(await readCapability(path)).toEqual([
    { question: 'Which, if any?', choices: ['a', 'b "x"', 'c', 'd'], answer: 2, subject: 'high_school_art' },
    { question: 'R?', choices: ['1', '2', '3', '4'], answer: 0, subject: 'high_school_art' },
  ]);
});

test.each([
  ['x.jsonl', `{"question":"Q?",${CHOICES},"answer":4}\n`, ':1: answer: expected 0 to 3, or A to D'],
  ['x.jsonl', `{"question":"Q?",${CHOICES},"answer":"E"}\n`, ':1: answer: expected 0 to 3, or A to D'],
  ['x.jsonl', '{"question":"Q?","choices":["a","b","c"],"answer":0}\n', ':1: choices: '],
  ['x.jsonl', '{"question":"Q?","choices":["a","b"," ","d"],"answer":0}\n', ':1: choices[2]: empty'],
  ['x.jsonl', `{${CHOICES},"answer":0}\n`, ':1: question: '],
  ['x.jsonl', '\n', ': no questions in it'],
  ['x.csv', 'Q?,a,b,c,d,A\nQ?,a,b,c,A\n', ':2: expected question, 4 choices and a letter, got 5 fields'],
  ['x.csv', 'question,A,B,C,D,answer\n', ':1: answer: expected 0 to 3, or A to D'],
  ['x.csv', 'Q?,a,,c,d,A\n', ':1: choices[1]: empty'],
])('%s %j is refused', async (name, content, message) => {
  const path = file(name, content);
  await expect(readCapability(path)).rejects.toMatchObject({
    code: 'BAD_FILE',
    message: expect.stringContaining(path + message),
  });
});

test('a file that is not there', async () => {
  await expect(readCapability('/no/such.csv')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
