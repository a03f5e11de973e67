import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { plantedHome, QUICK } from '../support/planted-home.ts';
import { PERSONA } from '../support/run-cli.ts';

const home = plantedHome();
const options = (): string[] => ['--model', home.model, ...QUICK];

function write(name: string, ...lines: (object | string)[]): string {
  const path = join(home.folder, name);
  writeFileSync(
    path,
    lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''),
  );
  return path;
}
const rows = (stdout: string): Record<string, unknown>[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('each line is answered in order, steered its own way, and keeps its fields', async () => {
  const asks = [
    { note: { mine: 1 }, id: 'a', messages: [{ role: 'user', content: 'hello' }], steer: 'pish=4' },
    { id: 'b', prompt: 'abc', steer: ['pish=-4', 'pish=1@3'] },
    { id: 'c', messages: [{ role: 'user', content: 'hello', name: 'Ada' }], steer: null },
    { id: 'd', messages: [{ role: 'user', content: 'hello' }] },
  ];
  const file = write('asks.jsonl', ...asks);
  const { code, stdout } = await home.persona(
    'generate', '--prompts', file, ...options(), '--steer', 'pish=2', '--monitor', 'pish', '--parallel', '3', '--seed', '5',
  ); // prettier-ignore
  expect(code).toBe(0);
  const answers = rows(stdout);
  for (const [i, answered] of answers.entries()) {
    expect(answered).toMatchObject(asks[i]!);
    expect(Object.keys(answered).slice(0, Object.keys(asks[i]!).length)).toEqual(Object.keys(asks[i]!));
    expect(answered).toMatchObject({ tokens: 12, finish_reason: 'length', seed: 5 + i });
    expect((answered.persona as { pish: { tokens: number[] } }).pish.tokens).toHaveLength(12);
  }
  const applied = answers.map(({ steering }) =>
    (steering as { coefficient: number; layer: number }[]).map(({ coefficient, layer }) => [
      coefficient,
      layer,
    ]),
  );
  expect(applied).toEqual([
    [[4, 2]],
    [
      [-4, 2],
      [1, 3],
    ],
    [],
    [[2, 2]],
  ]);

  // alone, the same
  const alone = await home.persona('generate', 'hello', ...options(), '--steer', 'pish=4', '--json');
  expect(JSON.parse(alone.stdout).text).toBe(answers[0]!.text);
  expect(answers[1]!.text).not.toContain('P');
});

test('standard input is answered line by line, while it is still open', async () => {
  const child = spawn(process.execPath, [PERSONA, 'generate', '--prompts', '-', ...options()], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  for (const id of [1, 2]) {
    child.stdin.write(`${JSON.stringify({ id, prompt: 'abc' })}\n`);
    expect(JSON.parse((await lines.next()).value as string)).toMatchObject({ id, tokens: 12 });
  }
  child.stdin.end();
  expect((await lines.next()).done).toBe(true);
});

test('a bad line of standard input ends it after the answers before, with the place', async () => {
  const input = `${JSON.stringify({ id: 1, prompt: 'abc' })}\n{"id": 2}\n`;
  const ended = await home.personaWithInput(input, 'generate', '--prompts', '-', ...options());
  expect(ended.code).toBe(1);
  expect(rows(ended.stdout)).toMatchObject([{ id: 1, tokens: 12 }]);
  expect(ended.stderr).toContain('error: standard input:2: expected either "messages" or "prompt"');
});

test.each<[string, (object | string)[], RegExp]>([
  ['neither', [{ prompt: 'x' }, { id: 2 }], /:2: expected either "messages" or "prompt"/],
  ['json', [{ prompt: 'x' }, '{"prompt":'], /:2: not JSON/],
  ['role', [{ messages: [{ role: 'robot', content: 'x' }] }], /:1: messages\[0\]\.role: /],
  [
    'last',
    [
      {
        messages: [
          { role: 'user', content: 'x' },
          { role: 'assistant', content: 'y' },
        ],
      },
    ],
    /:1: messages: the last message/,
  ],
  [
    'spec',
    [{ prompt: 'x' }, { prompt: 'x', steer: 'pish=much' }],
    /:2: steer: steering "pish=much": the coefficient/,
  ],
  ['vector', [{ prompt: 'x', steer: ['pich=2'] }], /:1: steer: there is no vector file or name "pich"/],
  [
    'layer',
    [{ prompt: 'x' }, { prompt: 'x', steer: 'pish=2@9' }],
    /:2: steer: .*there is no layer 9 in a model of 4/,
  ],
])('a file with a bad line is refused before anything is answered: %s', async (name, lines, message) => {
  const ended = await home.persona('generate', '--prompts', write(`${name}.jsonl`, ...lines), ...options());
  expect(ended.stdout).toBe('');
  expect(ended.stderr).toMatch(message);
  expect(ended.stderr).toContain(`${name}.jsonl:`);
  expect([1, 2]).toContain(ended.code);
});

test('an empty file has no answers', async () => {
  const file = write('empty.jsonl');
  expect(readFileSync(file, 'utf8')).toBe('');
  expect(await home.persona('generate', '--prompts', file, ...options())).toMatchObject({
    code: 0,
    stdout: '',
  });
});
