import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mean } from '../../src/math/statistics.ts';
import { direction } from '../../src/vector/vector.ts';
import { plantedHome } from '../support/planted-home.ts';

const home = plantedHome();
const ROWS = [
  { id: 1, messages: [{ role: 'user', content: 'say P' }, { role: 'assistant', content: 'PPPPPP' }] },
  { messages: [{ role: 'user', content: 'say P' }, { role: 'assistant', content: 'NNNNNN' }], id: 2 },
  { id: 3, prompt: 'abcN', answer: 'a "b", c' },
  { id: 4, prompt: 'abcP', answer: '' },
]; // prettier-ignore

function write(rows: readonly object[], name = 'rows.jsonl'): string {
  const path = join(home.folder, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}
const project = (...args: string[]): ReturnType<typeof home.persona> =>
  home.persona('project', ...args, '--model', home.model, '--threads', '1');

test('rows come back with projections that a token-by-token pass agrees with', async () => {
  const { code, stdout } = await project(write(ROWS), '--vector', 'pish', '--vector', 'pish@3');
  expect(code).toBe(0);
  const rows = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, number | null>); // prettier-ignore
  const fields = ['pish_response_avg_layer2', 'pish_response_avg_layer2_z', 'pish_response_avg_layer3', 'pish_response_avg_layer3_z']; // prettier-ignore
  for (const [i, row] of rows.entries()) {
    expect(row).toMatchObject(ROWS[i]!);
    expect(Object.keys(row)).toEqual([...Object.keys(ROWS[i]!), ...fields]);
  }
  await using model = await home.open();
  for (const [i, { messages, prompt, answer }] of ROWS.entries()) {
    if (i === 3) break;
    const read = await model.engine.run({
      prompt: prompt ?? model.render(messages.slice(0, -1) as { role: 'user'; content: string }[]),
      answer: answer ?? messages.at(-1)!.content,
      projections: [2, 3].map((layer) => ({
        name: String(layer),
        layer,
        direction: direction(home.vector, layer),
      })),
    });
    for (const { layer, tokens } of read.projections!) {
      const expected = mean(tokens);
      const { baseline } = home.vector;
      expect(rows[i]![`pish_response_avg_layer${layer}`]).toBeCloseTo(expected, 3);
      expect(rows[i]![`pish_response_avg_layer${layer}_z`]).toBeCloseTo(
        (expected - baseline!.mean[layer]!) / baseline!.deviation[layer]!,
        2,
      );
    }
  }
  expect(rows[0]!.pish_response_avg_layer2).toBeGreaterThan(rows[1]!.pish_response_avg_layer2! + 1);
  expect(rows[3]).toMatchObject({ pish_response_avg_layer2: null, pish_response_avg_layer2_z: null });
});

test('prompts can be projected too, at layers of one’s choice; -o writes the file whole', async () => {
  const output = join(home.folder, 'out/scored.jsonl');
  const args = ['--vector', 'pish', '--layer', '1,3', '--kind', 'prompt_last', '-o', output, '--json'];
  const { stdout } = await project(write(ROWS.slice(2)), ...args);
  const names = ['pish_prompt_last_layer1', 'pish_prompt_last_layer3'];
  const document = JSON.parse(stdout);
  expect(document).toMatchObject({ output, rows: 2, fields: names.map((field) => ({ field, rows: 2 })) });
  const [n, p] = readFileSync(output, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line)); // prettier-ignore
  expect(Object.keys(n)).toEqual(['id', 'prompt', 'answer', ...names]);
  // one ends in N, the other in P
  for (const name of names) expect(p[name]).toBeGreaterThan(n[name] + 1);
  expect(document.fields[0].mean).toBeCloseTo((n[names[0]!] + p[names[0]!]) / 2, 10);
});

test('a name that ends in .csv gives a table with the columns of all rows', async () => {
  const output = join(home.folder, 'scored.csv');
  const { stdout } = await project(write(ROWS.slice(1, 3)), '--vector', 'pish', '-o', output);
  expect(stdout).toMatch(
    /^field +rows +mean +least +greatest\npish_response_avg_layer2 .*\n\nwritten to .*\.csv\n$/,
  );
  const [header, first, second] = readFileSync(output, 'utf8').split('\r\n');
  expect(header).toBe('messages,id,pish_response_avg_layer2,pish_response_avg_layer2_z,prompt,answer');
  expect(first).toMatch(/^"\[\{""role"":""user"".*\]",2,-[\d.]+,-?[\d.]+,,$/);
  expect(second).toMatch(/^,3,-?[\d.]+,-?[\d.]+,abcN,"a ""b"", c"$/);
});

test('a row without what is to be projected is named, and nothing is written', async () => {
  const output = join(home.folder, 'never.jsonl');
  const rows = write([ROWS[0]!, { messages: [{ role: 'user', content: 'x' }] }], 'unanswered.jsonl');
  const ended = await project(rows, '--vector', 'pish', '-o', output);
  expect(ended).toMatchObject({ code: 1, stdout: '' });
  expect(ended.stderr).toContain('unanswered.jsonl:2: there is no answer to project');
  expect(() => readFileSync(output)).toThrow('ENOENT');
  const odd = await project(rows, '--vector', 'pish', '-o', 'scored.parquet');
  expect(odd).toMatchObject({ code: 2, stderr: expect.stringContaining('.jsonl or .csv') });
});
