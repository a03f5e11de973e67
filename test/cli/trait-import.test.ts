import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folder } from '../support/folder.ts';
import { PERSONA, runCli } from '../support/run-cli.ts';
import { aTrait } from '../trait/a-trait.ts';

const { instruction, questions, evaluation, eval_prompt } = aTrait();

/** The two files of a made-up trait. */
function files(changes: object = {}): { root: string; args: string[]; out: string } {
  const root = folder();
  const [extract, evaluated, out] = ['extract.json', 'eval.json', 'out/brave.json'].map((name) =>
    join(root, name),
  ) as [string, string, string];
  writeFileSync(extract, JSON.stringify({ instruction, questions, eval_prompt }));
  writeFileSync(evaluated, JSON.stringify({ instruction, questions: evaluation, eval_prompt, ...changes }));
  return { root, out, args: ['trait', 'import', extract, evaluated, '--name', 'brave', '-o', out] };
}

test('two files become one, with the adjectives and the description that are given', async () => {
  const { args, out } = files();
  const named = ['--description', aTrait().description, '--assistant-neg', 'timid'];
  expect(await runCli(PERSONA, [...args, ...named])).toMatchObject({ code: 0, stdout: `${out}\n` });
  expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual(aTrait());
  expect((await runCli(PERSONA, ['trait', 'check', out])).code).toBe(0);
  const again = await runCli(PERSONA, args);
  expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('is there already') });
});

test.each([
  ['instruction', { instruction: instruction.with(2, { pos: 'Other.', neg: 'Else.' }) }],
  ['eval_prompt', { eval_prompt: `${eval_prompt} ` }],
])('%s has to be the same in both', async (field, changes) => {
  const { args, out } = files(changes);
  const { code, stderr } = await runCli(PERSONA, args);
  expect(code).toBe(1);
  expect(stderr).toContain(`${field} differs between`);
  expect(existsSync(out)).toBe(false);
});

test('what is not fit for use is kept as a draft, with all that is wrong told', async () => {
  const { args, out, root } = files({ questions: evaluation.slice(1) });
  const { code, stderr } = await runCli(PERSONA, args);
  const draft = join(root, 'out/brave.draft.json');
  expect(code).toBe(1);
  expect(stderr).toContain(`${draft}: evaluation: expected 20 questions, got 19`);
  expect(stderr).toContain(`persona trait check ${draft}`);
  expect(existsSync(out)).toBe(false);
  expect(JSON.parse(readFileSync(draft, 'utf8')).name).toBe('brave');
});

test('a file of another kind is named with its field', async () => {
  const { args } = files({ questions: [7] });
  const { code, stderr } = await runCli(PERSONA, args);
  expect(code).toBe(1);
  expect(stderr).toContain('eval.json: questions[0]: expected string');
});
