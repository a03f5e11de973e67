import { describe, expect, it } from 'vitest';
import { isPersonaError, type PersonaError } from '../../src/errors.ts';
import { formatPath, parseTrait, traitSchema } from '../../src/trait/schema.ts';
import { aTrait } from './a-trait.ts';

function errorOf(value: unknown): PersonaError {
  try {
    parseTrait(value, 'my.json');
  } catch (error) {
    if (isPersonaError(error)) return error;
    throw error;
  }
  throw new Error('expected a PersonaError');
}

describe('parseTrait', () => {
  it('gives back a trait as it was', () => {
    expect(parseTrait(structuredClone(aTrait()), 'my.json')).toEqual(aTrait());
  });

  it('names file and field of a missing text', () => {
    const { neg: _, ...onlyPos } = aTrait().instruction[2]!;
    const error = errorOf({ ...aTrait(), instruction: aTrait().instruction.with(2, onlyPos as never) });
    expect(error.code).toBe('BAD_TRAIT');
    expect(error.message).toBe('my.json: instruction[2].neg: missing');
  });

  it.each([
    [{ ...aTrait(), questions: ['Why?', 7] }, 'questions[1]: expected a string, got a number'],
    [{ ...aTrait(), evaluation: 'Why?' }, 'evaluation: expected an array, got a string'],
    [{ ...aTrait(), assistant: null }, 'assistant: expected an object, got null'],
    [[aTrait()], 'the file: expected an object, got an array'],
    ['evil', 'the file: expected an object, got a string'],
  ])('says what it expected and what it got (%#)', (value, mistake) => {
    expect(errorOf(value).message).toBe(`my.json: ${mistake}`);
  });

  it('refuses an unknown field and offers the closest known one', () => {
    expect(errorOf({ ...aTrait(), evaluations: [] }).message).toBe(
      'my.json: evaluations: unknown field; did you mean evaluation?',
    );
    const instruction = aTrait().instruction.with(0, { ...aTrait().instruction[0]!, negative: '' } as never);
    expect(errorOf({ ...aTrait(), instruction }).message).toBe(
      'my.json: instruction[0].negative: unknown field; known are pos, neg',
    );
  });

  it('lists several mistakes, each with its path, and the surplus as a number', () => {
    expect(errorOf({ ...aTrait(), name: 1, descriptoin: '' }).message).toBe(
      `my.json: 2 mistakes
  name: expected a string, got a number
  descriptoin: unknown field; did you mean description?`,
    );
    const lines = errorOf({ ...aTrait(), questions: Array.from({ length: 12 }, () => 0) }).message.split(
      '\n',
    );
    expect(lines).toHaveLength(12);
    expect(lines.at(0)).toBe('my.json: 12 mistakes');
    expect(lines.at(-1)).toBe('  and 2 more');
  });
});

it('traitSchema is the same gate for others to compose', () => {
  expect(traitSchema.safeParse(aTrait()).success).toBe(true);
  expect(traitSchema.safeParse({ ...aTrait(), extra: 1 }).success).toBe(false);
});

it('formatPath writes a path as a program would', () => {
  expect(formatPath(['instruction', 2, 'neg'])).toBe('instruction[2].neg');
  expect(formatPath(['a.b', 0])).toBe('["a.b"][0]');
});
