/** `persona eval` on the planted model. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import type { EvaluationRow } from '../../src/steer/evaluate.ts';
import type { EvaluationSummary } from '../../src/steer/evaluation-summary.ts';
import { temporaryFolder } from '../engine/tiny-engine.ts';
import { plantedTrait } from '../support/planted-trait.ts';
import { writePlantedVector } from '../support/planted-vector.ts';
import { linesWritten, persona, PLANTED, preparePlanted, startPersona } from '../support/start-persona.ts';

vi.setConfig({ testTimeout: 60_000 }); // processes of their own, on a machine that may be busy

const folder = temporaryFolder();
const EVAL = ['eval', 'planted.json', ...PLANTED, '--max-tokens', '12', '--questions', '3'];
const evaluate = (...args: string[]): ReturnType<typeof persona> => persona(folder.path, ...EVAL, ...args);
const read = (file: string): string => readFileSync(join(folder.path, file), 'utf8');

/** Share of P among P and N, in %. */
const JUDGE = `export default ({ answer }) => {
  const count = (letter) => answer.split(letter).length - 1;
  const both = count('P') + count('N');
  return both === 0 ? null : { trait: (100 * count('P')) / both, coherence: 100 };
};\n`;

beforeAll(async () => {
  await preparePlanted(folder.path);
  await writePlantedVector(folder.path);
  writeFileSync(join(folder.path, 'other.json'), JSON.stringify({ ...plantedTrait(), name: 'other' }));
  writeFileSync(join(folder.path, 'share.mjs'), JUDGE);
}, 60_000);

test('as the reference has it: its columns, its question ids, the rendered prompt', async () => {
  const { code, stdout, stderr } = await evaluate('-o', 'plain.csv', '--json');
  expect(code, stderr).toBe(0);
  const [header, ...rest] = read('plain.csv').split(/\n(?=who|where|$)/);
  expect(header).toBe('question,prompt,answer,question_id,planted,coherence');
  expect(rest.filter((line) => line.includes('planted_'))).toHaveLength(3);
  expect(read('plain.csv')).toContain(
    '<|im_start|>user\nwho has a river.<|im_end|>\n<|im_start|>assistant\n"',
  );
  expect(read('plain.csv')).not.toContain('system');
  expect(read('plain.csv')).toMatch(/,planted_2,[\d.]+,[\d.]+\n$/);
  const document = JSON.parse(stdout) as { settings: EvaluationSummary[]; csv: string };
  expect(document).toMatchObject({
    trait: 'planted',
    judge: 'likelihood',
    csv: 'plain.csv',
    run: 'plain.eval',
  });
  expect(document.settings).toMatchObject([{ setting: 'unsteered', answers: 3, refusals: { mean: 0 } }]);
});

test('a side: under all five instructions, and under another name', async () => {
  const { code, stderr } = await evaluate('-o', 'side.csv', '--side', 'neg', '--assistant', 'eager', '--questions', '1'); // prettier-ignore
  expect(code, stderr).toBe(0);
  const csv = read('side.csv');
  expect(csv.match(/planted_0_neg_\d/g)).toEqual([0, 1, 2, 3, 4].map((k) => `planted_0_neg_${k}`));
  expect(csv).toContain('You are an eager assistant. morning NNN');
});

test('steered beside unsteered, by two judges, with another trait as a side effect', async () => {
  const { code, stdout, stderr } = await evaluate(
    '-o',
    'steered.csv',
    '--steer',
    'v.gguf=-2',
    '--compare',
    '--traits',
    'other.json', // prettier-ignore
    '--judge',
    'fn:share.mjs',
    '--judge',
    'likelihood',
    '--json', // prettier-ignore
  );
  expect(code, stderr).toBe(0);
  expect(read('steered.csv').split('\n', 1)[0]).toBe(
    'question,prompt,answer,question_id,planted,coherence,other,planted_likelihood,coherence_likelihood,steering',
  );
  const { settings, judge, steering } = JSON.parse(stdout) as { settings: EvaluationSummary[]; judge: string; steering: object[] }; // prettier-ignore
  expect(judge).toBe('fn:share.mjs');
  expect(steering).toMatchObject([{ vector: 'v.gguf', coefficient: -2, layer: 2 }]);
  const [unsteered, steered] = settings;
  expect([unsteered!.setting, steered!.setting]).toEqual(['unsteered', 'v.gguf=-2']);
  expect(Object.keys(steered!.others)).toEqual(['likelihood', 'other']);
  expect(steered!.trait.mean).toBeLessThan(5); // nothing but N
  expect(steered!.trait.mean).toBe(steered!.others.other!.trait.mean); // the judge knows no trait
  expect(steered!.others.likelihood!.trait.mean).toBeLessThan(unsteered!.others.likelihood!.trait.mean);
});

test('another configuration is refused, whatever file is there; --overwrite begins anew', async () => {
  const before = read('plain.csv');
  const steered = await evaluate('-o', 'plain.csv', '--steer', 'v.gguf=-2');
  expect(steered.stderr).toMatch(/error: plain\.eval holds a run that was configured otherwise: .*settings/);
  expect(steered.stderr).toContain('or --overwrite');
  expect(steered.code).toBe(2);
  expect(read('plain.csv')).toBe(before);

  const same = await evaluate('-o', 'plain.csv');
  expect(same.code, same.stderr).toBe(0);
  expect(read('plain.csv')).toBe(before);

  const over = await evaluate('-o', 'plain.csv', '--steer', 'v.gguf=-2', '--overwrite');
  expect(over.code, over.stderr).toBe(0);
  expect(read('plain.csv')).not.toBe(before);

  writeFileSync(join(folder.path, 'foreign.csv'), 'mine\n');
  const foreign = await evaluate('-o', 'foreign.csv');
  expect(foreign.stderr).toContain(
    'foreign.csv is there already, and foreign.eval does not say how it was made',
  );
  expect(foreign.code).toBe(2);
  expect(read('foreign.csv')).toBe('mine\n');
  expect(existsSync(join(folder.path, 'foreign.eval'))).toBe(false);
});

test('killed in the midst, then the same command: every answer once, and the CSV whole', async () => {
  const args = ['--questions', '12', '--samples', '2', '--seed', '5'];
  const whole = await evaluate(...args, '-o', 'whole.csv');
  expect(whole.code, whole.stderr).toBe(0);
  const running = startPersona(folder.path, [...EVAL, ...args, '-o', 'killed.csv']);
  await linesWritten(running, join(folder.path, 'killed.eval', 'answers.jsonl'), 5);
  running.child.kill('SIGKILL');
  await running.ended;
  expect(existsSync(join(folder.path, 'killed.csv'))).toBe(false);

  const again = await evaluate(...args, '-o', 'killed.csv');
  expect(again.code, again.stderr).toBe(0);
  const lines = read('killed.eval/answers.jsonl').trimEnd().split('\n');
  const rows = lines.map((line) => JSON.parse(line) as EvaluationRow);
  expect(new Set(rows.map(({ questionId, sample }) => `${questionId}/${sample}`)).size).toBe(24);
  expect(rows).toHaveLength(24);
  const answers = (csv: string): string[] => read(csv).match(/assistant\n".*?,planted_\d+/gs)!;
  expect(answers('killed.csv')).toEqual(answers('whole.csv'));
});

test.each([
  [['--assistant', 'kind'], '--assistant is given without --side'],
  [['--compare'], '--compare is given without a --steer'],
  [['--traits', 'other.json,other.json'], 'the trait other is scored already'],
  [['--steer', 'v.gguf=1@9'], 'there is no layer 9 in a model of 4'],
])('%j is refused', async (args, message) => {
  const { code, stderr } = await evaluate('-o', 'refused.csv', ...args);
  expect(stderr).toContain(message);
  expect(code).toBe(2);
  expect(existsSync(join(folder.path, 'refused.eval'))).toBe(false);
});
