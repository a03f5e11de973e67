import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { plantedHome } from '../support/planted-home.ts';

const home = plantedHome();
const DESCRIPTION = ['--description', 'Answers like a pirate.'];

test.each([
  ['Pirate', 'gguf:', 'a trait cannot be called "Pirate"'],
  ['pirate', 'mystery', '--writer: expected openai:MODEL or gguf:MODEL, got "mystery"'],
])('%s by %s is wrong usage', async (name, writer, message) => {
  const { code, stderr } = await home.persona('trait', 'new', name, ...DESCRIPTION, '--writer', writer);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
});

test('a model that can only babble leaves a draft, and all that is wrong with it is told', async () => {
  const out = join(home.folder, 'pirate.json');
  const writer = ['--writer', `gguf:${home.model}`, '--threads', '1'];
  const { code, stderr } = await home.persona('trait', 'new', 'pirate', ...DESCRIPTION, ...writer, '-o', out);
  const draft = join(home.folder, 'pirate.draft.json');
  expect(stderr).toContain(`${draft}: `);
  expect(stderr).toContain('instruction[0].pos: empty');
  expect(stderr).toContain(`until \`persona trait check ${draft}\` finds nothing`);
  expect(code).toBe(1);
  expect(existsSync(out)).toBe(false);
  expect(JSON.parse(readFileSync(draft, 'utf8'))).toMatchObject({
    name: 'pirate',
    description: 'Answers like a pirate.',
  });
});
