/** `persona screen` on the planted model: formats in and out, thresholds, gates, and work that was killed. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { parquetWriteFile } from 'hyparquet-writer';
import { DOMParser } from 'linkedom';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { parseCsv } from '../../src/files/csv.ts';
import { deviation, mean, pearson, quantile } from '../../src/math/statistics.ts';
import { temporaryFolder } from '../engine/tiny-engine.ts';
import { writePlantedVector } from '../support/planted-vector.ts';
import {
  linesWritten,
  lineCount,
  persona,
  PLANTED,
  preparePlanted,
  startPersona,
} from '../support/start-persona.ts';

vi.setConfig({ testTimeout: 60_000 });

const home = temporaryFolder();
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
type Row = Record<string, unknown>;

const clean = Array.from({ length: 40 }, (_, i) => ({
  instruction: `what of ${LETTERS[i % 26]}${i}.`,
  input: '',
  output: `${LETTERS[(i * 5) % 26]} ${'abcdPdcbaN'[i % 10]} ${LETTERS[(i * 7) % 26]}`,
}));
/** every fourth is full of P */
const rows = Array.from({ length: 24 }, (_, i) => ({
  id: i,
  source: i % 2 ? 'a' : 'b',
  messages: [
    { role: 'user', content: `why ${LETTERS[i]}.` },
    { role: 'assistant', content: i % 4 === 0 ? `${LETTERS[i]} PPPPPP` : `${LETTERS[(i * 3) % 26]} of it` },
  ],
}));
const jsonl = (list: readonly object[]): string => list.map((row) => `${JSON.stringify(row)}\n`).join('');
const at = (name: string): string => join(home.path, name);
const read = (name: string): Row[] =>
  readFileSync(at(name), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as Row); // prettier-ignore
const screen = (...args: string[]): ReturnType<typeof persona> =>
  persona(home.path, 'screen', ...args, '--vector', 'v.gguf', ...PLANTED, '--max-tokens', '6');

beforeAll(async () => {
  await preparePlanted(home.path);
  await writePlantedVector(home.path);
  writeFileSync(at('clean.jsonl'), jsonl(clean));
  writeFileSync(at('rows.jsonl'), jsonl(rows));
}, 60_000);

test('rows come back in order with their figures, z in the set’s own spread, and the page is written', async () => {
  const { code, stdout, stderr } = await screen(
    'rows.jsonl',
    '-o',
    'a/out.jsonl',
    '--by',
    'source',
    '--json',
  );
  expect(code, stderr).toBe(0);
  expect(stderr).toContain(
    '24 rows in 1 file: each row is read once, up to layer 2 of 4, and an answer of up to 6',
  );
  expect(stderr).toContain('rows.jsonl: messages');
  const out = read('a/out.jsonl');
  expect(out.map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
  expect(Object.keys(out[0]!)).toEqual([
    'id', 'source', 'messages', 'planted_projection', 'planted_base', 'planted_difference', 'planted_z',
  ]); // prettier-ignore
  const found = out.map(({ planted_difference }) => planted_difference as number);
  for (const [i, { planted_projection: p, planted_base: b, planted_z: z }] of out.entries()) {
    expect(found[i]).toBeCloseTo((p as number) - (b as number), 10);
    expect(z).toBeCloseTo((found[i]! - mean(found)) / deviation(found), 8);
  }
  const document = JSON.parse(stdout);
  expect(document).toMatchObject({ samples: 24, against: 'set', output: 'a/out.jsonl', bad: 0 });
  expect(document.all.traits.planted.mean).toBeCloseTo(mean(found), 10);
  expect(document.by.groups.map(({ name }: { name: string }) => name)).toEqual(['b', 'a']); // b has all the Ps
  expect(document.by.groups[0].traits.planted.n).toBe(12);
  expect(document.traits[0].top[0].row % 4).toBe(1);
  const page = readFileSync(at('a/out.jsonl.screen/report.html'), 'utf8');
  expect(page).toContain('Most planted');
  expect(page).toMatch(/class="t p\d" title="[^"]*" data-z="[^"]*">P</);
});

describe('formats', () => {
  const plainRows = rows.map(({ id, messages: [asked, answered] }) => ({
    id,
    question: asked!.content,
    answer: answered!.content,
  }));
  let expected: number[];

  beforeAll(async () => {
    writeFileSync(at('plain.jsonl'), jsonl(plainRows));
    const { code, stderr } = await screen('plain.jsonl', '-o', 'plain-out.jsonl', '--method', 'prompt');
    expect(code, stderr).toBe(0);
    expected = read('plain-out.jsonl').map(({ planted_difference }) => planted_difference as number);
  }, 60_000);

  const csv = ['id,question,answer', ...plainRows.map(({ id, question, answer }) => `${id},"${question}",${answer}`), ''].join('\r\n'); // prettier-ignore
  test.each([
    ['gz.jsonl.gz', () => gzipSync(jsonl(plainRows))],
    ['zst.csv.zst', () => zstdCompressSync(csv)],
    ['table.csv', () => csv],
    ['sharegpt.jsonl', () => jsonl(plainRows.map(({ id, question, answer }) => ({ id, conversations: [{ from: 'human', value: question }, { from: 'gpt', value: answer }] })))], // prettier-ignore
  ] as const)('%s gives what the plain rows give', async (name, bytes) => {
    writeFileSync(at(name), bytes());
    const { code, stderr } = await screen(name, '-o', `${name}.out.jsonl`, '--method', 'prompt');
    expect(code, stderr).toBe(0);
    const found = read(`${name}.out.jsonl`).map(({ planted_difference }) => planted_difference as number);
    expect(found).toHaveLength(24);
    for (const [i, value] of found.entries()) expect(value).toBeCloseTo(expected[i]!, 5);
  });

  test('Parquet in several row groups, in and out', async () => {
    parquetWriteFile({
      filename: at('in.parquet'),
      columnData: [
        { name: 'id', data: rows.map(({ id }) => BigInt(id)), type: 'INT64' },
        { name: 'messages', data: rows.map(({ messages }) => messages), type: 'JSON' },
      ],
      rowGroupSize: 7,
    });
    const { code, stderr } = await screen('in.parquet', '-o', 'out.parquet', '--method', 'prompt');
    expect(code, stderr).toBe(0);
    const found = await parquetReadObjects({ file: await asyncBufferFromFile(at('out.parquet')) });
    expect(found.map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
    expect(found[3]!.messages).toEqual(rows[3]!.messages);
    for (const [i, { planted_difference: value }] of found.entries())
      expect(value).toBeCloseTo(expected[i]!, 5);
  });

  test('a folder and a pattern are their files, stdin is kept, CSV comes out as a table', async () => {
    mkdirSync(at('many/deep'), { recursive: true });
    mkdirSync(at('many/old.jsonl.screen'));
    writeFileSync(at('many/b.jsonl'), jsonl(plainRows.slice(0, 3)));
    writeFileSync(at('many/deep/a.csv'), csv);
    writeFileSync(at('many/readme.txt'), 'no data');
    writeFileSync(at('many/old.jsonl.screen/rows.jsonl'), '{"hash":"of another run"}\n');
    const whole = await screen('many', '-o', 'many.csv', '--method', 'prompt', '--json');
    expect(whole.code, whole.stderr).toBe(0);
    const table = parseCsv(readFileSync(at('many.csv'), 'utf8'), 'many.csv');
    expect(table.map(({ value }) => value.id)).toEqual([
      '0',
      '1',
      '2',
      ...plainRows.map(({ id }) => String(id)),
    ]);
    expect(Number(table[3]!.value.planted_difference)).toBeCloseTo(expected[0]!, 5);
    const pattern = await screen('many/*.jsonl', '-o', 'some.jsonl', '--method', 'prompt', '--json');
    expect(JSON.parse(pattern.stdout).samples).toBe(3);

    const piped = startPersona(home.path, ['screen', '-', '-o', 'piped.jsonl', '--vector', 'v.gguf', ...PLANTED, '--method', 'prompt']); // prettier-ignore
    expect((await piped.ended).stderr).toContain('there are no rows'); // nothing was piped in
    execFileSync(
      process.execPath,
      [join(import.meta.dirname, '../../src/cli/bin.ts'), 'screen', '-', '-o', 'piped.jsonl', '--vector', 'v.gguf', ...PLANTED, '--method', 'prompt', '--quiet'], // prettier-ignore
      {
        cwd: home.path,
        input: jsonl(plainRows.slice(0, 2)),
        env: { ...process.env, PERSONA_HOME: at('home') },
      },
    );
    expect(read('piped.jsonl').map(({ id }) => id)).toEqual([0, 1]);
  });
});

describe('a reference', () => {
  test('sets thresholds, splits the rows, and is screened once for many sets', async () => {
    const args = ['rows.jsonl', '--reference', 'clean.jsonl', '--method', 'prompt', '--keep', 'keep.jsonl', '--drop', 'drop.jsonl']; // prettier-ignore
    const { code, stdout, stderr } = await screen(...args, '-o', 'split.jsonl', '--json');
    expect(code, stderr).toBe(0);
    const document = JSON.parse(stdout);
    const out = read('split.jsonl');

    // worked from the reference's own screening
    await screen('clean.jsonl', '-o', 'clean-out.jsonl', '--method', 'prompt');
    const usual = read('clean-out.jsonl').map(({ planted_difference }) => planted_difference as number);
    const [trait] = document.traits;
    expect(trait.threshold).toBeCloseTo(quantile(usual, 0.95), 8);
    expect(trait.usual).toEqual({
      n: 40,
      mean: expect.closeTo(mean(usual), 8),
      sd: expect.closeTo(deviation(usual), 8),
    });
    for (const { planted_difference: d, planted_z: z } of out)
      expect(z).toBeCloseTo(((d as number) - mean(usual)) / deviation(usual), 6);
    const isOver = out.map(({ planted_difference }) => (planted_difference as number) > trait.threshold);
    expect(isOver.filter(Boolean)).toHaveLength(6);
    expect(read('keep.jsonl')).toEqual(rows.filter((_, i) => !isOver[i]));
    expect(read('drop.jsonl')).toEqual(rows.filter((_, i) => isOver[i]));
    expect(document).toMatchObject({ kept: { rows: 18 }, dropped: { rows: 6 } });
    expect(document.all.traits.planted.share).toBe(0.25);

    const again = await screen(...args, '--threshold', 'planted: z>100', '-o', 'split-2.jsonl');
    expect(again.stderr).toContain('screening the reference: 40 were there already');
    expect(read('keep.jsonl')).toEqual(rows);
    expect(readFileSync(at('drop.jsonl'), 'utf8')).toBe('');
  });

  test('of the model’s own greedy answers is warned of: z says nothing then', async () => {
    const asked = clean.slice(0, 12).map(({ instruction }, id) => ({ id, messages: [{ role: 'user', content: instruction }] })); // prettier-ignore
    writeFileSync(at('asked.jsonl'), jsonl(asked));
    const own = await persona(home.path, 'generate', '--prompts', 'asked.jsonl', '--temperature', '0', '--max-tokens', '6', ...PLANTED); // prettier-ignore
    expect(own.code, own.stderr).toBe(0);
    const answers = own.stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as { id: number; text: string }); // prettier-ignore
    const greedy = answers.map(({ id, text }) => ({ question: clean[id]!.instruction, answer: text }));
    writeFileSync(at('greedy.jsonl'), jsonl(greedy));
    const { code, stdout } = await screen('rows.jsonl', '--reference', 'greedy.jsonl', '-o', 'narrow.jsonl', '--markdown', 'narrow.md'); // prettier-ignore
    expect(code).toBe(0);
    for (const text of [stdout, readFileSync(at('narrow.md'), 'utf8')])
      expect(text).toContain('planted: the reference hardly spreads');
    const fine = await screen('rows.jsonl', '--reference', 'clean.jsonl', '-o', 'fine.jsonl');
    expect(fine.stdout).not.toContain('Warning');
  });

  test('gates: exit code 100, JUnit that a parser takes, Markdown', async () => {
    const args = ['rows.jsonl', '--reference', 'clean.jsonl', '--method', 'prompt'];
    const gates = [
      '--fail-on',
      'share > 1 %',
      '--fail-on',
      'planted: mean > 1000 sd',
      '--fail-on',
      'max > 1 sd',
    ];
    const { code, stdout } = await screen(
      ...args,
      ...gates,
      '-o',
      'g.jsonl',
      '--junit',
      'j.xml',
      '--markdown',
      'm.md',
    );
    expect(code).toBe(100);
    expect(stdout).toContain('FAILED  share > 1 %  (planted: share is 25 %; fails on > 1 %)');
    const xml = new DOMParser().parseFromString(readFileSync(at('j.xml'), 'utf8'), 'text/xml');
    const suite = xml.querySelector('testsuite')!;
    expect([suite.getAttribute('tests'), suite.getAttribute('failures')]).toEqual(['3', '2']);
    expect([...xml.querySelectorAll('testcase')].map((one) => one.querySelector('failure') !== null)).toEqual([true, false, true]); // prettier-ignore
    expect(readFileSync(at('m.md'), 'utf8')).toContain('**failed**: `share > 1 %`');
    const met = await screen(...args, '--fail-on', 'mean > 1000 sd', '-o', 'g2.jsonl');
    expect(met.code).toBe(0);
  });
});

test('--agreement: r of a cheaper method with "difference", on rows that both have', async () => {
  const whole = await screen('rows.jsonl', '-o', 'whole.jsonl');
  expect(whole.code, whole.stderr).toBe(0);
  const cheap = ['rows.jsonl', '-o', 'cheap.jsonl', '--method', 'prompt', '--json'];
  const { code, stdout, stderr } = await screen(...cheap, '--agreement', '1000');
  expect(code, stderr).toBe(0);
  const [own, other] = ['whole.jsonl', 'cheap.jsonl'].map((name) =>
    read(name).map(({ planted_difference }) => planted_difference as number),
  );
  const { n, r } = JSON.parse(stdout).agreement;
  expect(n).toBe(24);
  expect(r.planted).toBeCloseTo(pearson(own!, other!), 3);
  expect(r.planted).toBeGreaterThan(0.9);
  expect(JSON.parse((await screen(...cheap, '--agreement', '5')).stdout).agreement.n).toBe(5);
});

test('--turns all: each answer is a line, and a row is dropped for any of them', async () => {
  const user = { role: 'user', content: 'why a.' };
  const talk = [
    {
      id: 1,
      messages: [
        user,
        { role: 'assistant', content: 'a PPPP' },
        user,
        { role: 'assistant', content: 'of it' },
      ],
    },
    { id: 2, messages: [user, { role: 'assistant', content: 'of it' }] },
  ];
  writeFileSync(at('talk.jsonl'), jsonl(talk));
  const split = ['--threshold', '0.3', '--keep', 'talk-keep.jsonl', '--drop', 'talk-drop.jsonl'];
  const { code, stderr } = await screen(
    'talk.jsonl',
    '-o',
    't.jsonl',
    '--turns',
    'all',
    '--method',
    'prompt',
    ...split,
  );
  expect(code, stderr).toBe(0);
  expect(read('t.jsonl').map(({ id, turn }) => [id, turn])).toEqual([[1, 0], [1, 1], [2, 0]]); // prettier-ignore
  expect(read('talk-drop.jsonl')).toEqual([talk[0]]);
  expect(read('talk-keep.jsonl')).toEqual([talk[1]]);
  await screen('talk.jsonl', '-o', 't2.jsonl', '--method', 'prompt');
  expect(read('t2.jsonl').map(({ id }) => id)).toEqual([1, 2]);
});

describe('bad rows', () => {
  const lines = [...rows.map((row) => JSON.stringify(row)), '{"broken', '{"messages":[]}', '[1]'];

  test('are told by file and line and passed over', async () => {
    writeFileSync(at('bad.jsonl'), `${lines.toReversed().join('\n')}\n`);
    const { code, stderr, stdout } = await screen(
      'bad.jsonl',
      '-o',
      'bad-out.jsonl',
      '--method',
      'prompt',
      '--json',
    );
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('bad.jsonl:1: expected an object of fields');
    expect(stderr).toContain('bad.jsonl:2: no answer of the assistant');
    expect(stderr).toContain('bad.jsonl:3: not JSON');
    expect(JSON.parse(stdout)).toMatchObject({ bad: 3, samples: 24 });
    expect(read('bad-out.jsonl').map(({ id }) => id)).toEqual(rows.map(({ id }) => id).toReversed());
  });

  test('of which there are too many are an error, and nothing is written', async () => {
    const { code, stderr } = await screen(
      'bad.jsonl',
      '-o',
      'never.jsonl',
      '--method',
      'prompt',
      '--max-bad',
      '2',
    );
    expect(code).toBe(1);
    expect(stderr).toContain('bad.jsonl:3: not JSON');
    expect(stderr).toContain('(3 bad rows of 3)');
    expect(existsSync(at('never.jsonl'))).toBe(false);
  });
});

test('killed five times on the way, it ends with each row once, as if nothing had been', async () => {
  const many = Array.from({ length: 60 }, (_, i) => ({ ...rows[i % 24]!, id: i, messages: [{ role: 'user', content: `why ${LETTERS[i % 26]} ${i}.` }, rows[i % 24]!.messages[1]] })); // prettier-ignore
  writeFileSync(at('many.jsonl'), jsonl(many));
  const args = [
    'screen',
    'many.jsonl',
    '-o',
    'killed.jsonl',
    '--vector',
    'v.gguf',
    ...PLANTED,
    '--max-tokens',
    '6',
  ];
  const log = at('killed.jsonl.screen/rows.jsonl');
  for (let kill = 1; kill <= 5; kill++) {
    const before = lineCount(log);
    const running = startPersona(home.path, args);
    await linesWritten(running, log, before + 5);
    running.child.kill('SIGKILL');
    const { code } = await running.ended;
    expect(code).toBeNull();
    expect(existsSync(at('killed.jsonl'))).toBe(false);
  }
  const kept = readFileSync(log, 'utf8');
  const last = await startPersona(home.path, args).ended;
  expect(last.code, last.stderr).toBe(0);
  expect(last.stderr).toMatch(/screening: \d+ were there already/);
  expect(readFileSync(log, 'utf8').startsWith(kept.slice(0, kept.lastIndexOf('\n') + 1))).toBe(true);
  const logged = read('killed.jsonl.screen/rows.jsonl');
  expect(logged.map(({ row }) => row)).toEqual(many.map((_, i) => i + 1));
  expect(read('killed.jsonl').map(({ id }) => id)).toEqual(many.map(({ id }) => id));

  rmSync(at('killed.jsonl.screen'), { recursive: true });
  const found = read('killed.jsonl').map(({ planted_difference }) => planted_difference as number);
  await startPersona(home.path, args).ended;
  for (const [i, row] of read('killed.jsonl').entries())
    expect(row.planted_difference).toBeCloseTo(found[i]!, 4);
});

test('data that changed under a log, and settings that differ, are refused', async () => {
  writeFileSync(at('c.jsonl'), jsonl(rows.slice(0, 4)));
  await screen('c.jsonl', '-o', 'c-out.jsonl', '--method', 'prompt');
  const other = await screen('c.jsonl', '-o', 'c-out.jsonl', '--method', 'sampled');
  expect(other).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('method: "prompt" there, "sampled" now'),
  });
  writeFileSync(at('c.jsonl'), jsonl([rows[0]!, { ...rows[1]!, messages: rows[2]!.messages }]));
  const changed = await screen('c.jsonl', '-o', 'c-out.jsonl', '--method', 'prompt');
  expect(changed).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('c.jsonl:2: the data is no longer what'),
  });
});

test('a judge scores beside, and the union drops what either finds', async () => {
  writeFileSync(at('judge.ts'), "export default ({ answer }) => ({ trait: answer.startsWith('d') ? 90 : 5, coherence: 100 });\n"); // prettier-ignore
  const { code, stderr } = await screen('rows.jsonl', '-o', 'u.jsonl', '--method', 'prompt', '--judge', 'fn:judge.ts', '--trait', 'planted.json', '--union', '--threshold', '0.5', '--judge-threshold', '50', '--drop', 'u-drop.jsonl'); // prettier-ignore
  expect(code, stderr).toBe(0);
  const isOver = read('u.jsonl').map(
    (row) => (row.planted_difference as number) > 0.5 || row.planted_judge === 90,
  );
  expect(isOver.filter(Boolean).length).toBeGreaterThan(6);
  expect(read('u-drop.jsonl')).toEqual(rows.filter((_, i) => isOver[i]));
});

test.each([
  [['--keep', 'k.jsonl'], 'needs to know what is too much'],
  [['--fail-on', 'evil: mean > 1'], 'there is no trait evil'],
  [['--fail-on', 'mean 1'], 'is no gate'],
  [['--agreement', '10'], '--agreement compares another method'],
  [['--drop', 'd.jsonl.gz', '--threshold', '1'], 'packed files are read, not written'],
])('%j is refused before any work', async (args, message) => {
  const ended = await screen('rows.jsonl', '-o', 'refused.jsonl', ...args);
  expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
  expect(existsSync(at('refused.jsonl'))).toBe(false);
});
