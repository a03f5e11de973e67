import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { plantedHome } from '../support/planted-home.ts';

const home = plantedHome();

/** pish at its layer 2: mean −1.5, deviation 0.75 of answers and 3 of tokens. */
const CONFIG = `
vectors: { pish: pish }
policies:
  p:
    steer: { pish: { min: -1, max: 1 }, "*": false }
    always: "pish=2sd:cap"
    rules:
      - { name: high, when: pish > 2sd, do: [log, { webhook: "http://a.example/" }] }
      - { name: long, when: pish > 1sd over 3 tokens, cooldown: 10m, do: [stop] }
      - { name: mean, when: mean pish > 2sd after 2 tokens, do: [header] }
      - { name: ahead, when: prompt pish > 1sd, do: [{ fallback: "No." }] }
      - { name: low, when: pish < -2sd, do: [cap] }
`;

function write(name: string, text: string): string {
  const path = join(home.folder, name);
  writeFileSync(path, text);
  return path;
}
const lines = (...rows: object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const at = (z: number): { raw: number; z: number } => ({ raw: -1.5 + 3 * z, z });
const traits = (prompt: number, ...tokens: number[]): object => ({
  traits: { pish: { prompt: at(prompt), tokens: tokens.map(at) } },
});

interface Tested {
  answers: number;
  failed: string[];
  rules: {
    rule: string;
    judged: number;
    share: number;
    fired: { id: string; at?: number }[];
    open: { why: string }[];
  }[];
}

async function tryOn(rows: string, ...args: string[]): Promise<Tested> {
  const config = write('persona.yaml', CONFIG);
  const { stdout } = await home.persona(
    'policy',
    'test',
    write('kept.jsonl', rows),
    '--config',
    config,
    '--json',
    ...args,
  );
  return JSON.parse(stdout) as Tested;
}
const firings = ({ rules }: Tested): Record<string, [string, number | undefined][]> =>
  Object.fromEntries(rules.map(({ rule, fired }) => [rule, fired.map((one) => [one.id, one.at])]));

test('kept readings: at which token of which answer each rule would have fired', async () => {
  const rows = lines(
    { id: 'calm', ...traits(0, 0, 0.1, 0) },
    { id: 'high', ...traits(0, 0, 0, 5, 0, 5) },
    { ...traits(1.5, 1.2, 1.2, 1.2) },
    { id: 'low', ...traits(0, -3) },
  );
  const tested = await tryOn(rows);
  expect(tested.answers).toBe(4);
  expect(firings(tested)).toEqual({
    high: [['high', 2]],
    long: [['high', 2], ['line 3', 2]], // 5/3, and 1.2
    mean: [['high', 2], ['line 3', 1]], // by answers' deviation, a quarter of tokens'
    ahead: [['line 3', -1]],
    low: [['low', 0]],
  }); // prettier-ignore
  expect(tested.rules[1]).toMatchObject({ judged: 4, share: 0.5 });
});

test('output of generate has no z: the vector’s baseline tells it', async () => {
  const row = (id: string, ...zs: number[]): object => ({
    id,
    text: 'x',
    persona: { pish: { mean: 0, last: 0, z: 0, prompt: at(0).raw, tokens: zs.map((z) => at(z).raw) } },
  });
  expect(firings(await tryOn(lines(row('a', 0, 1), row('b', 1, 2.1))))).toMatchObject({
    high: [['b', 1]],
    low: [],
  });
});

test('of events, only what their figures tell is judged; the rest is said to be open', async () => {
  const event = (id: string, prompt: number, mean: number, max: number, minute = 0): object => ({
    id,
    time: `2026-01-01T00:${String(minute).padStart(2, '0')}:00Z`,
    keyId: 'ada',
    conversation: { id: 'c', turn: 0 },
    completionTokens: 20,
    traits: { pish: { layer: 2, prompt: at(prompt), mean: { raw: 0, z: mean }, max: at(max), last: at(0) } },
  });
  const tested = await tryOn(lines(event('a', 0, 0, 0.5), event('b', 2, 3, 2.5)));
  expect(firings(tested)).toEqual({
    high: [['b', undefined]],
    long: [],
    mean: [['b', undefined]],
    ahead: [['b', -1]],
    low: [],
  });
  const [, long, , , low] = tested.rules;
  expect(long).toMatchObject({ judged: 1, open: [{ id: 'b', why: 'single tokens were not kept' }] });
  expect(low).toMatchObject({ judged: 0, share: null });
  expect(low!.open.map(({ why }) => why)).toEqual(Array(2).fill('the least token was not kept'));
});

test('the event of an answer without a token, a fallback, is judged by its prompt', async () => {
  const nothing = { raw: null };
  const read = { layer: 2, prompt: at(2), mean: nothing, max: nothing, last: nothing };
  const tested = await tryOn(lines({ id: 'e', completionTokens: 0, traits: { pish: read } }));
  expect(firings(tested).ahead).toEqual([['e', -1]]);
  expect(firings(tested).high).toEqual([]);
});

test('a cool-down lasts over the answers of a conversation', async () => {
  const row = (id: string, minute: number, conversation: string): object => ({
    id,
    time: `2026-01-01T00:${String(minute).padStart(2, '0')}:00Z`,
    conversation: { id: conversation, turn: minute },
    ...traits(0, 2, 2, 2),
  });
  const rows = lines(row('a', 0, 'x'), row('b', 9, 'x'), row('c', 9, 'y'), row('d', 10, 'x'));
  expect(firings(await tryOn(rows)).long).toEqual([['a', 2], ['c', 2], ['d', 2]]); // prettier-ignore
});

test('a gate: 100 where the rule would have fired, 0 where not, an error where that cannot be told', async () => {
  const config = write('persona.yaml', CONFIG);
  const kept = write('gate.jsonl', lines({ id: 'high', ...traits(0, 0, 5) }));
  const gate = (rule: string, file = kept): ReturnType<typeof home.persona> =>
    home.persona('policy', 'test', file, '--config', config, '--fail-on', rule);
  const failed = await gate('high');
  expect(failed).toMatchObject({ code: 100, stderr: expect.stringContaining('would have fired: high') });
  expect(failed.stdout).toContain(`policy p on 1 answer
rule   fired  judged    share  first token
high       1       1  100.0 %            1
long       0       1    0.0 %            –`);
  expect(failed.stdout).toContain('high: high (token 1)');
  expect((await gate('low')).code).toBe(0);
  expect(await gate('hihg')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('Its rules are high, long'),
  });
  const events = write('events.jsonl', lines({ id: 'e', traits: { pish: { max: at(5) } } }));
  expect(await gate('low', events)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('low cannot be judged on any of its answers'),
  });
});

test('check says policies in words, and what is wrong with its place', async () => {
  const good = await home.persona('policy', 'check', write('persona.yaml', CONFIG));
  expect(good).toMatchObject({ code: 0, stderr: '' });
  expect(good.stdout).toContain(`: 1 vector, 1 policy

p
  watches pish
  callers may steer pish (add, -1 to 1 times the vector), and nothing else
  always: pish=2sd:cap
  high: when pish > 2sd, again after pish < 1sd: log, webhook http://a.example/
  long: when pish > 1sd over 3 tokens, again after pish < 0.5sd over 3 tokens, not within 10m: stop (content_filter)
  mean: when mean pish > 2sd after 2 tokens, again after mean pish < 1sd: header x-persona-rule
  ahead: when prompt pish > 1sd: answer "No." instead
  low: when pish < -2sd, again after pish > -1sd: cap at the bound
  note: long: during its cool-down, answers pass unchanged
`);
  for (const [text, message] of [
    [
      `${CONFIG}defaults: { steering: pihs=1 }`,
      /bad\.yaml: defaults\.steering: there is no pihs under "vectors"/,
    ],
    [`${CONFIG}defaults: { steering: pish=1@9 }`, /bad\.yaml: steering "pish=1@9": there is no layer 9/],
    [
      CONFIG.replace('pish > 2sd', 'pish >> 2sd'),
      /bad\.yaml:8:29: policies\.p\.rules\[0\]\.when: .*column 7: expected a number/,
    ],
    [
      CONFIG.replace('pish: pish', 'pish: pihs'),
      /bad\.yaml: vectors\.pish: there is no vector file or name "pihs"/,
    ],
    [
      CONFIG.replace('when: pish > 2sd', 'when: evil > 2sd'),
      /bad\.yaml: policy p, rule high: no vector evil is loaded/,
    ],
  ] as const) {
    const bad = await home.persona('policy', 'check', write('bad.yaml', text));
    expect([1, 2]).toContain(bad.code); // a SPEC that is wrong is wrong usage
    expect(bad).toMatchObject({ stdout: '', stderr: expect.stringMatching(message) });
  }
  const json = JSON.parse(
    (await home.persona('policy', 'check', write('persona.yaml', CONFIG), '--json')).stdout,
  );
  expect(json.policies[0]).toMatchObject({ name: 'p', watch: ['pish'], holdsBack: false });
});

test('schema prints a JSON Schema', async () => {
  const { stdout } = await home.persona('policy', 'schema');
  expect(JSON.parse(stdout)).toMatchObject({ type: 'object', properties: { policies: {} } });
});
