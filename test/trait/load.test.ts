import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listTraits, loadTrait, readTrait } from '../../src/trait/load.ts';
import { aTrait } from './a-trait.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'persona-trait-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

it('listTraits names the traits of the paper, and eleven more', async () => {
  expect(await listTraits()).toEqual([
    'apathetic',
    'curiosity',
    'deception',
    'empathy',
    'evil',
    'flattery',
    'formality',
    'hallucination',
    'helpfulness',
    'hostility',
    'humorous',
    'impolite',
    'manipulation',
    'optimistic',
    'overconfidence',
    'refusal',
    'sycophancy',
    'verbosity',
  ]);
});

describe('loadTrait', () => {
  it.each([
    ['evil', 'evil'],
    ['sycophantic', 'sycophancy'],
    ['hallucinating', 'hallucination'],
  ])('finds %s as the shipped trait %s', async (asked, name) => {
    expect((await loadTrait(asked)).name).toBe(name);
  });

  it('loads a file of the user, also one with a byte order mark', async () => {
    const path = await file('brave.json', `\uFEFF${JSON.stringify(aTrait())}`);
    expect(await loadTrait(path)).toEqual(aTrait());
  });

  it('lets warnings pass', async () => {
    const trait = { ...aTrait(), assistant: { pos: 'brave', neg: 'honest' } };
    expect(await loadTrait(await file('warned.json', JSON.stringify(trait)))).toEqual(trait);
  });

  it('refuses a trait whose texts break a rule, naming file and field', async () => {
    const trait = { ...aTrait(), eval_prompt: `${aTrait().eval_prompt} {` };
    const path = await file('brace.json', JSON.stringify(trait));
    await expect(loadTrait(path)).rejects.toMatchObject({
      code: 'BAD_TRAIT',
      message: expect.stringContaining(`${path}: eval_prompt: a brace that is no slot`),
    });
  });

  it('offers the closest names for an unknown one', async () => {
    await expect(loadTrait('optimstic')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'No trait is called "optimstic"',
      remedy: expect.stringContaining('Did you mean optimistic?'),
    });
  });

  it('lists what there is when nothing is close', async () => {
    await expect(loadTrait('zzz')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      remedy: expect.stringMatching(/There are apathetic, curiosity, .* verbosity\./),
    });
  });

  it('takes a name that holds a slash for a path', async () => {
    await expect(loadTrait('../evil')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'No trait file at ../evil',
    });
  });
});

describe('readTrait', () => {
  it('leaves the texts to checkTrait', async () => {
    const trait = { ...aTrait(), questions: [] };
    expect(await readTrait(await file('few.json', JSON.stringify(trait)))).toEqual(trait);
  });

  it('refuses what is not JSON', async () => {
    const path = await file('broken.json', '{ "name": ');
    await expect(readTrait(path)).rejects.toMatchObject({
      code: 'BAD_TRAIT',
      message: expect.stringContaining(`${path}: not JSON: `),
    });
  });

  it('refuses a folder', async () => {
    await expect(readTrait(folder)).rejects.toMatchObject({
      code: 'BAD_TRAIT',
      message: expect.stringContaining('cannot be read'),
    });
  });

  it('does not read a file that is far too long', async () => {
    const path = await file('long.json', ' '.repeat(1_000_001));
    await expect(readTrait(path)).rejects.toMatchObject({
      code: 'BAD_TRAIT',
      message: expect.stringContaining('expected at most 1000000'),
    });
  });
});
