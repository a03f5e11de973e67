/**
 * Questions with four choices, by which it is seen whether a steered model still knows what it knew: ours, which are
 * very easy, so that the smallest models have something to lose; or any file in the layout of MMLU.
 */

import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { PersonaError } from '../errors.ts';
import { issuesText } from '../files/check-json.ts';
import { csvRows } from '../files/csv-read.ts';
import { decodeText } from '../files/decode-text.ts';
import { fileProblem } from '../files/file-problem.ts';
import { readJsonl } from '../files/jsonl.ts';

export interface CapabilityItem {
  question: string;
  /** four */
  choices: string[];
  /** index of the right choice, 0 … 3 */
  answer: number;
  subject: string;
}

export const LETTERS = ['A', 'B', 'C', 'D'] as const;

/** Two levels up from src/vector/ and from dist/vector/ alike. */
const SHIPPED = fileURLToPath(new URL('../../capability/questions.jsonl', import.meta.url));

const text = z.string().regex(/\S/, 'empty');

const itemSchema: z.ZodType<CapabilityItem> = z.object({
  question: text,
  choices: z.array(text).length(LETTERS.length),
  answer: z
    .literal([0, 1, 2, 3, ...LETTERS], 'expected 0 to 3, or A to D')
    .transform((answer) => (typeof answer === 'number' ? answer : LETTERS.indexOf(answer))),
  subject: z.string().default('all'),
});

/**
 * Reads JSONL (`{"question", "choices": [4], "answer": 0–3 or A–D, "subject"?}`) or, from a file that ends in `.csv`,
 * lines without a header: question, the four choices, the letter of the right one.
 * @param path @default the questions that come with the package
 * @throws PersonaError BAD_FILE naming line and field
 */
export async function readCapability(path: string = SHIPPED): Promise<CapabilityItem[]> {
  const items = path.toLowerCase().endsWith('.csv') ? await readCsv(path) : await readLines(path);
  if (items.length === 0) throw new PersonaError('BAD_FILE', `${path}: no questions in it`);
  return items;
}

async function readLines(path: string): Promise<CapabilityItem[]> {
  const items: CapabilityItem[] = [];
  for await (const { value } of readJsonl(path, itemSchema)) items.push(value);
  return items;
}

async function readCsv(path: string): Promise<CapabilityItem[]> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileProblem('read', path, error);
  });
  // MMLU has a file a subject: abstract_algebra_test.csv
  const subject = basename(path).replace(/(?:_(?:test|val|dev))?\.csv$/i, '');
  return csvRows(decodeText(bytes, path), path).map(({ line, fields }) => {
    const [question, ...rest] = fields;
    if (fields.length !== 2 + LETTERS.length) {
      const message = `${path}:${line}: expected question, 4 choices and a letter, got ${fields.length} fields`;
      throw new PersonaError('BAD_FILE', message);
    }
    const item = { question, choices: rest.slice(0, -1), answer: rest.at(-1)!.trim(), subject };
    const checked = itemSchema.safeParse(item);
    if (checked.success) return checked.data;
    throw new PersonaError('BAD_FILE', `${path}:${line}: ${issuesText(checked.error.issues)}`);
  });
}
