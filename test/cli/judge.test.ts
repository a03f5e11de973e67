import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { LIKELIHOOD } from '../../src/judge/likelihood.ts';
import { openChatModel } from '../../src/model/chat-model.ts';
import { writeVector } from '../../src/vector/file.ts';
import { startEngineServer } from '../support/engine-server.ts';
import { folder } from '../support/folder.ts';
import { plantedHome } from '../support/planted-home.ts';
import { plantedTrait } from '../support/planted-trait.ts';
import { type Asked, completion, type ScriptedServer, startScripted } from '../support/scripted-server.ts';
import { linesWritten, startPersona } from '../support/start-persona.ts';
import { writePlantedModel } from '../tiny/planted-model.ts';

const KEY = 'sk-secret-0123456789';
const home = plantedHome();
const ROWS = [
  { id: 'a', question: 'one?', answer: 'PPPP', instructionIndex: 0, more: [1] },
  { id: 'b', question: 'two?', answer: 'PPN' },
  { id: 'c', question: 'three?', answer: 'PNNN' },
  { id: 'd', question: 'four?', answer: '' },
];
/** The share of P, of 100. */
const COUNT =
  'export default ({ answer }) => answer === "" ? null : (100 * answer.split("P").length - 100) / answer.length;';

interface Row {
  id: string;
  scored_for: string;
  scores: Record<string, { trait: number | null; coherence: number | null; reason?: string }>;
}

/** A folder with the trait, some rows and a judge. */
function prepare(rows: readonly object[] = ROWS) {
  const at = folder();
  writeFileSync(join(at, 'planted.json'), JSON.stringify(plantedTrait()));
  writeFileSync(join(at, 'rollouts.jsonl'), lines(rows));
  writeFileSync(join(at, 'count.mjs'), COUNT);
  const fn = `fn:${join(at, 'count.mjs')}`;
  return {
    at,
    rollouts: join(at, 'rollouts.jsonl'),
    trait: join(at, 'planted.json'),
    fn,
    out: join(at, 'out.jsonl'),
  };
}
function lines(rows: readonly object[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}
function parse(text: string): Row[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
}
function useServer(server: { url: string }): void {
  vi.stubEnv('OPENAI_BASE_URL', server.url);
  vi.stubEnv('OPENAI_API_KEY', KEY);
}
afterEach(() => {
  vi.stubEnv('OPENAI_BASE_URL', undefined);
  vi.stubEnv('OPENAI_API_KEY', undefined);
});
const asked = (server: ScriptedServer, word: string): number =>
  server.asked.filter(({ body }: Asked) => JSON.stringify(body).includes(word)).length;

test('rows come back in order with their scores, from JSONL and from CSV', async () => {
  const { at, rollouts, trait, fn } = prepare();
  const { code, stdout, stderr } = await home.persona(
    'judge',
    'score',
    rollouts,
    '--trait',
    trait,
    '--judge',
    fn,
  );
  expect(code).toBe(0);
  const rows = parse(stdout);
  expect(rows).toEqual(
    [100, 200 / 3, 25]
      .map((score, i) => ({
        ...ROWS[i],
        scored_for: expect.stringMatching(/^planted [0-9a-f]{8}$/),
        scores: { [fn]: { trait: expect.closeTo(score, 9), coherence: 100 } },
      }))
      .concat([
        expect.objectContaining({
          id: 'd',
          scores: { [fn]: { trait: null, coherence: null, reason: 'no score' } },
        }),
      ]),
  );
  expect(stderr).toContain('1 no score');

  const csv = join(at, 'eval.csv');
  writeFileSync(csv, 'question,answer,evil\n"one, two?","PP\nNA",\nq,NA,5\n');
  const read = parse((await home.persona('judge', 'score', csv, '--trait', trait, '--judge', fn)).stdout);
  expect(read).toMatchObject([
    { question: 'one, two?', answer: 'PP\nNA', evil: '', scores: { [fn]: { trait: 40 } } },
    { question: 'q', answer: 'NA', evil: '5', scores: { [fn]: { trait: 0 } } },
  ]);
});

test('a real server with a real model, and a local one: one row, two judges', async () => {
  const letters = ['N', 'NNP', 'P', ''];
  const { at, rollouts, trait, out } = prepare(
    letters.map((text, i) => ({ id: i, question: 'what.', answer: text.repeat(60) })),
  );
  const path = join(at, 'numbers.gguf');
  await writePlantedModel({ path, writes: 'numbers' });
  vi.stubEnv('PERSONA_HOME', at);
  await using model = await openChatModel({ model: path, home: at, threads: 1, context: 2048 });
  await using server = await startEngineServer(model, { key: KEY });
  useServer(server);
  const args = [
    'judge',
    'score',
    rollouts,
    '--trait',
    trait,
    '--judge',
    'openai:planted',
    '--judge',
    `gguf:${path}`,
    '--threads',
    '1',
    '-o',
    out,
    '--json',
  ];
  const ended = await home.persona(...args);
  expect(ended.code).toBe(0);
  expect(ended.stderr).toContain('openai:planted: 4 answers × 2 requests ≈');
  const rows = parse(readFileSync(out, 'utf8'));
  const [openai, gguf] = Object.keys(rows[0]!.scores);
  expect(openai).toBe('openai:planted');
  expect(gguf).toMatch(/^gguf:.*numbers/);
  for (const name of [openai!, gguf!]) {
    const scores = rows.slice(0, 3).map((row) => row.scores[name]!.trait!);
    expect(scores[0]).toBeLessThan(35);
    expect(scores[0]).toBeLessThan(scores[1]!);
    expect(scores[2]).toBeGreaterThan(60);
  }
  expect(rows[3]!.scores[openai!]).toEqual({ trait: null, coherence: null, reason: 'empty answer' });
  const result = JSON.parse(ended.stdout) as object;
  expect(result).toMatchObject({
    output: out,
    trait: 'planted',
    answers: 4,
    usage: { requests: 12, cached: 0 },
  });

  // all is known: the file is as it was, and nobody is asked
  const before = server.requests.length;
  const again = JSON.parse((await home.persona(...args)).stdout) as object;
  expect(again).toMatchObject({ answers: 4, usage: { requests: 0 } });
  // another file: nothing is asked either, by the cache
  const other = await home.persona(...args.with(args.indexOf(out), join(at, 'other.jsonl')));
  expect(JSON.parse(other.stdout)).toMatchObject({ usage: { requests: 0, cached: 12 } });
  expect(readFileSync(join(at, 'other.jsonl'), 'utf8')).toBe(readFileSync(out, 'utf8'));
  expect(server.requests).toHaveLength(before);
  vi.stubEnv('PERSONA_HOME', home.folder);
});

test('stopped and run again, each answer is there once and was asked about once', async () => {
  const rows = Array.from({ length: 60 }, (_, i) => ({
    id: i,
    question: `number ${i}?`,
    answer: `answer <${i}>`,
  }));
  const { rollouts, trait, out } = prepare(rows);
  await using server = await startScripted(() => ({ ...completion('50', { 50: 1 }), delayMs: 30 }));
  useServer(server);
  const args = [
    'judge',
    'score',
    rollouts,
    '--trait',
    trait,
    '--judge',
    'openai:m',
    '--concurrency',
    '4',
    '-o',
    out,
  ];
  const stopped = await stopAfter(args, out, 5);
  expect(stopped).toBe(130);
  const done = parse(readFileSync(out, 'utf8'));
  expect(done.length).toBeLessThan(rows.length);
  const ended = await home.persona(...args);
  expect(ended.code).toBe(0);
  for (const { id } of done) expect(asked(server, `<${id}>`)).toBe(2);
  const ids = parse(readFileSync(out, 'utf8')).map(({ id }) => Number(id));
  expect(ids.toSorted((a, b) => a - b)).toEqual(rows.map(({ id }) => id));
});

test('what failed is asked again, and its row is replaced', async () => {
  const { rollouts, trait, out } = prepare(ROWS.slice(0, 2));
  let broken = true;
  await using server = await startScripted(({ body }) =>
    broken && JSON.stringify(body).includes('two?')
      ? { status: 400, body: { error: { message: `no ${KEY}` } } }
      : completion('50', { 50: 1 }),
  );
  useServer(server);
  const args = ['judge', 'score', rollouts, '--trait', trait, '--judge', 'openai:fails', '-o', out];
  const ended = await home.persona(...args);
  expect(ended.code).toBe(0);
  expect(ended.stdout).toContain('1 failed');
  expect(parse(readFileSync(out, 'utf8'))[1]!.scores['openai:fails']).toMatchObject({
    trait: null,
    reason: expect.stringContaining('answered 400: no [key]'),
  });
  broken = false;
  const again = await home.persona(...args);
  expect(again.stderr).toContain('scored already: 1');
  expect(parse(readFileSync(out, 'utf8')).map((row) => [row.id, row.scores['openai:fails']!.trait])).toEqual([
    ['a', 50],
    ['b', 50],
  ]);
  expect(asked(server, 'one?')).toBe(2);
  for (const text of [ended.stdout, ended.stderr, again.stderr, readFileSync(out, 'utf8')])
    expect(text).not.toContain(KEY);
});

test('a wrong key ends the run with what to do', async () => {
  const { rollouts, trait, out } = prepare();
  await using server = await startScripted(() => ({
    status: 401,
    body: { error: { message: `Incorrect API key: ${KEY}` } },
  }));
  useServer(server);
  const { code, stdout, stderr } = await home.persona(
    'judge',
    'score',
    rollouts,
    '--trait',
    trait,
    '--judge',
    'openai:m',
    '-o',
    out,
    '--json',
    '--verbose',
  );
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    error: {
      code: 'SERVER',
      message: expect.stringMatching(/^http:[^ ]+: the server answered 401/),
      remedy: expect.stringContaining('OPENAI_API_KEY'),
    },
  });
  expect(stdout + stderr).not.toContain(KEY);
});

test('scores for one trait do not go into the file of another', async () => {
  const { at, rollouts, trait, fn, out } = prepare();
  await home.persona('judge', 'score', rollouts, '--trait', trait, '--judge', fn, '-o', out);
  const before = readFileSync(out, 'utf8');
  const ended = await home.persona('judge', 'score', rollouts, '--trait', 'evil', '--judge', fn, '-o', out);
  expect(ended.code).toBe(2);
  expect(ended.stderr).toMatch(/holds scores for planted \w+; these are for evil \w+/);
  expect(readFileSync(out, 'utf8')).toBe(before);
  for (const [args, words] of [
    [[rollouts, '--judge', fn], 'which trait?'],
    [[rollouts, '--trait', trait, '--judge', 'gpt'], 'names no judge'],
    [[rollouts, '--trait', trait, '--judge', fn, '-o', rollouts], 'is the file that is read'],
    [[rollouts, '--trait', trait, '--judge', fn, '-o', join(at, 'x.csv')], 'ends in .jsonl'],
    [[rollouts, '--trait', trait, '--judge', LIKELIHOOD], 'has no scale'],
  ] as const) {
    const wrong = await home.persona('judge', 'score', ...args);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining(words)]);
  }
});

test('two judges that agree, by figures; scores in the file are used', async () => {
  const { at, trait, fn } = prepare();
  const answers = Array.from({ length: 11 }, (_, i) => ({
    question: `${i}`,
    answer: 'P'.repeat(i) + 'N'.repeat(10 - i),
  }));
  const file = join(at, 'answers.jsonl');
  writeFileSync(file, lines(answers));
  const inverse = join(at, 'inverse.mjs');
  writeFileSync(
    inverse,
    'export default ({ answer }) => ({ trait: 100 - 10 * (answer.split("P").length - 1), coherence: 50 });',
  );
  const ended = await home.persona(
    'judge',
    'agree',
    file,
    '--trait',
    trait,
    '--judge',
    `fn:${inverse}`,
    '--judge',
    fn,
    '--json',
  );
  expect(ended.code).toBe(0);
  expect(JSON.parse(ended.stdout)).toMatchObject({
    about: 'planted',
    a: `fn:${inverse}`,
    b: fn,
    trait: {
      answers: 11,
      unscored: 0,
      pairs: 'clear',
      pearson: { mean: -1 },
      spearman: { mean: -1 },
      auc: { mean: 0 },
      pairwise: { mean: 0, n: 11 },
    },
    coherence: { pearson: { mean: null } },
  });

  const scored = join(at, 'scored.jsonl');
  await home.persona('judge', 'score', file, '--trait', trait, '--judge', fn, '-o', scored);
  writeFileSync(join(at, 'count.mjs'), 'export default () => { throw new Error("not again"); };');
  const known = await home.persona(
    'judge',
    'agree',
    scored,
    '--trait',
    trait,
    '--judge',
    `fn:${inverse}`,
    '--judge',
    fn,
  );
  expect(known.code).toBe(0);
  expect(known.stdout).toContain('-1.00 (-1.00 … -1.00)');
  expect((await home.persona('judge', 'agree', scored, '--trait', trait, '--judge', fn)).code).toBe(2);
});

test('likelihood judges by the scale of the vector beside the file', async () => {
  const { at, fn } = prepare();
  const run = join(at, 'run');
  mkdirSync(run);
  const rows = ['P', 'N'].flatMap((letter) =>
    ['river', 'house'].map((thing) => ({ question: `what of the ${thing}.`, answer: letter.repeat(12) })),
  );
  writeFileSync(join(run, 'rollouts.jsonl'), lines(rows));
  const own = ['--model', home.model, '--threads', '1'];
  const recipe = { created: '2026-01-01T00:00:00.000Z', trait: plantedTrait() };
  await writeVector(join(run, 'vector.gguf'), { ...home.vector, trait: 'planted', recipe });
  const without = await home.persona(
    'judge',
    'score',
    join(run, 'rollouts.jsonl'),
    '--judge',
    LIKELIHOOD,
    ...own,
  );
  expect(without.code).toBe(1);
  expect(without.stderr).toMatch(/vector\.gguf: holds no scale[^]*persona sweep/);

  const calibration = {
    trait: { midpoint: 0, slope: 5, dPrime: 3, auc: 1, rollouts: 40 },
    coherence: { usual: 3, deviation: 0.5, shuffled: 6 },
  };
  await writeVector(join(run, 'vector.gguf'), {
    ...home.vector,
    trait: 'planted',
    recipe: { ...recipe, calibration },
  });
  const { code, stdout } = await home.persona(
    'judge',
    'score',
    join(run, 'rollouts.jsonl'),
    '--judge',
    LIKELIHOOD,
    '--judge',
    fn,
    ...own,
  );
  expect(code).toBe(0);
  const scores = parse(stdout).map((row) => row.scores[LIKELIHOOD]!.trait!);
  expect(Math.min(...scores.slice(0, 2))).toBeGreaterThan(Math.max(...scores.slice(2)));
  expect(parse(stdout)[0]!.scored_for).toMatch(/^planted /);

  const other = await home.persona(
    'judge',
    'score',
    join(run, 'rollouts.jsonl'),
    '--trait',
    'evil',
    '--judge',
    LIKELIHOOD,
    ...own,
  );
  expect(other.stderr).toContain('its scale is for planted');
});

/** Ends a run with Ctrl-C once so many rows stand in its file; its exit code. */
async function stopAfter(args: readonly string[], out: string, rows: number): Promise<number | null> {
  const running = startPersona(folder(), args);
  await linesWritten(running, out, rows);
  running.child.kill('SIGINT');
  return (await running.ended).code;
}
