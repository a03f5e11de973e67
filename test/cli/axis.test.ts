/** `persona axis` from the command line, whole and killed in the midst; its vector shown, and its floor steered by. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { readVector } from '../../src/vector/file.ts';
import { expectClose, temporaryFolder } from '../engine/tiny-engine.ts';
import { plantedRoles } from '../support/planted-roles.ts';
import {
  lineCount,
  linesWritten,
  persona,
  PLANTED,
  preparePlanted,
  type Running,
  startPersona,
} from '../support/start-persona.ts';

vi.setConfig({ testTimeout: 60_000 }); // processes of their own, on a machine that may be busy

const folder = temporaryFolder();
/** 6 roles × 1 prompt × 2 questions, and 3 prompts × all 5 questions as usual */
const TOTAL = 6 * 2 + 3 * 5;

function start(run: string, ...args: string[]): Running {
  const axis = ['axis', ...PLANTED, '--roles', 'roles.json', '--questions', '2', '--max-tokens', '16'];
  return startPersona(folder.path, [...axis, '--run', run, ...args]);
}

const path = (...parts: string[]): string => join(folder.path, ...parts);

beforeAll(async () => {
  await preparePlanted(folder.path);
  writeFileSync(path('roles.json'), JSON.stringify(plantedRoles()));
});

test('the whole way: what was counted, who is how assistant-like, a floor that steers', async () => {
  const { code, stdout, stderr } = await start('whole', '-o', 'named/assistant.gguf').ended;
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('12 answers in 6 of 6 roles from roles.json, 15 as the model usually is');
  expect(stdout).toMatch(/^\d+ of 12 answers are likelier in their role than without it\n/);
  expect(stdout).toMatch(/\nrole +projection +sd +in role\n(?:\w+ +-[\d.]+ +-[\d.]+ +\d of 2\n)+/);
  expect(stdout).toMatch(
    /\nfirst component and axis: cosine \d\.\d\d; variance by component \d+ %, .*; \d hold 70 %\n/,
  );
  expect(stdout).toContain(
    "\nvector: named/assistant.gguf\nreport: whole/axis.html\nfloor: --steer 'named/assistant.gguf=>=25p@3:cap/all'\n",
  );
  expect(lineCount(path('whole/rollouts.jsonl'))).toBe(TOTAL);
  const vector = await readVector(path('named/assistant.gguf'));
  expect(await readVector(path('whole/vector.gguf'))).toEqual(vector);

  const again = await start('whole', '--json', '--layer', '1').ended;
  expect(again.stderr).toContain(`going on with ${TOTAL} rollouts of ${TOTAL}`);
  const document = JSON.parse(again.stdout);
  expect(document).toMatchObject({
    vector: 'whole/vector.gguf',
    trait: 'assistant',
    layer: 1,
    coefficient: 1,
    floor: 'whole/vector.gguf=>=25p@3:cap/all',
    report: 'whole/axis.html',
  });
  expect(document.roles.length + document.left_out.length).toBe(6);
  expect(document.roles[0]).toMatchObject({ name: expect.any(String), kept: expect.any(Number), asked: 2 });
  expectClose((await readVector(path('whole/vector.gguf'))).directions, vector.directions, 1e-5);

  const page = readFileSync(path('whole/axis.html'), 'utf8');
  for (const { name } of document.roles) expect(page).toContain(`>${name}</text>`);
  expect(page).toContain('whole/vector.gguf=&gt;=25p@3:cap/all');
  expect(page).not.toMatch(/NaN|undefined|<script/);

  const shown = await persona(folder.path, 'vectors', 'show', 'named/assistant.gguf');
  expect(shown.stdout).toMatch(/\n {2}axis\.firstComponent +[▁-█]{4} /);
  expect(shown.stdout).toMatch(/\n {2}axis\.explained +[\d., e-]+ at layer 2\n/);
  expect(shown.stdout).toMatch(/\n {2}axis\.roles +\n {4}name \w+ · projection -/);
  expect(shown.stdout).toMatch(/\n {2}axis\.floors\.25 +[▁-█]{4} -/);
  expect(shown.stdout).toMatch(/\n {2}axis +\d of 6 roles counted, 2 neutral prompts, 2 questions\n/);

  const floor = vector.quality.axis!.floors['25']![3];
  const steered = await persona(
    folder.path,
    'generate',
    'what of the river.',
    ...PLANTED,
    '--max-tokens',
    '8',
    '--json',
    '--steer',
    'named/assistant.gguf=>=25p@3:cap/all',
  );
  expect(JSON.parse(steered.stdout).steering[0]).toMatchObject({ op: 'cap', layer: 3, below: floor });
  const missing = await persona(
    folder.path,
    'generate',
    'x',
    ...PLANTED,
    '--steer',
    'named/assistant.gguf=>=30p:cap',
  );
  expect(missing.code).toBe(2);
  expect(missing.stderr).toContain('does not hold the percentile 30');

  const line = 'vectors convert named/assistant.gguf axis.pt --to assistant-axis';
  const converted = await persona(folder.path, ...line.split(' '));
  expect(converted.code, converted.stderr).toBe(0);
  expect(existsSync(path('axis.pt'))).toBe(true);
});

/** Kills a run once its log has so many lines. On a busy machine it may be through by then: another try. */
async function killedInTheMidst(lines: number): Promise<string> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const run = `killed-${attempt}`;
    const running = start(run);
    await linesWritten(running, path(run, 'rollouts.jsonl'), lines);
    running.child.kill('SIGKILL');
    const { code } = await running.ended;
    if (code === null && lineCount(path(run, 'rollouts.jsonl')) < TOTAL) return run;
  }
  throw new Error('no run could be killed in the midst');
}

test('killed in the midst, the same command ends as if nothing had been', async () => {
  const run = await killedInTheMidst(8);
  const before = readFileSync(path(run, 'rollouts.jsonl'), 'utf8');
  expect(existsSync(path(run, 'vector.gguf'))).toBe(false);
  const again = await start(run).ended;
  expect(again.code, again.stderr).toBe(0);
  expect(again.stderr).toMatch(/^going on with \d+ rollouts of 27 /m);
  const log = readFileSync(path(run, 'rollouts.jsonl'), 'utf8');
  expect(log.startsWith(before.slice(0, before.lastIndexOf('\n') + 1))).toBe(true);
  const [own, whole] = await Promise.all([run, 'whole'].map((name) => readVector(path(name, 'vector.gguf'))));
  expectClose(own!.directions, whole!.directions, 1e-5, 'directions');
  expectClose(own!.quality.axis!.floors['25'], whole!.quality.axis!.floors['25'], 1e-5, 'floors');
});

test('a layer that is not there, and roles that are none, are refused before anything is asked', async () => {
  const beyond = await start('beyond', '--layer', '4').ended;
  expect(beyond.code).toBe(2);
  expect(beyond.stderr).toContain('there is no layer 4 in a model of 4');
  expect(existsSync(path('beyond'))).toBe(false);
  writeFileSync(path('bad.json'), '{"neutral":[],"questions":["a"],"roles":[]}');
  const bad = await start('bad', '--roles', 'bad.json').ended;
  expect(bad.code).toBe(1);
  expect(bad.stderr).toContain('bad.json: neutral');
});
