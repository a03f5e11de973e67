import { expect, test } from 'vitest';
import type { PersonaVector } from '../../../src/vector/vector.ts';
import { openMemory } from '../../../src/steer/policy/memory.ts';
import type { PolicyRun } from '../../../src/steer/policy/policy.ts';
import { direction } from '../../../src/vector/vector.ts';
import { A_MODEL, aVector } from '../../support/a-vector.ts';
import { ADA, at, EVIL, policies } from './a-policy.ts';

const FIRST = { id: 'a', turn: 0 };
const begin = (yaml: string): PolicyRun => policies(yaml).begin(ADA, FIRST);
const dos = (run: PolicyRun, index: number, z: number): string[] =>
  run.onToken(index, at(z)).map(({ do: action }) => action);

test('decisions come in the order of the file, and are told of', () => {
  const run = begin(`
rules:
  - { name: high, when: evil > 3sd, do: [log, { header: x-evil }, { webhook: "http://a.example/" }, cap, stop] }
  - { name: odd, when: evil > 2sd, do: [{ header: { name: x-odd, value: much } }, { stop: length }, log] }
`);
  expect(run.watch).toEqual(['evil']);
  expect(run.onPrompt(at(9))).toEqual([]);
  expect(run.onToken(0, at(1))).toEqual([]);
  const cap = { op: 'cap', layer: 2, direction: direction(EVIL, 2), scope: 'response', above: -1.5 + 3 * 3 };
  const applied = expect.objectContaining({ vector: 'evil', op: 'cap', above: 7.5, rule: 'high' });
  expect(run.onToken(1, at(4))).toEqual([
    { rule: 'high', do: 'log' },
    { rule: 'high', do: 'header', name: 'x-evil', value: 'high' },
    { rule: 'high', do: 'webhook', url: 'http://a.example/' },
    { rule: 'high', do: 'cap', edits: [cap], applied: [applied] },
    { rule: 'high', do: 'stop', finishReason: 'content_filter' },
    { rule: 'odd', do: 'header', name: 'x-odd', value: 'much' },
    { rule: 'odd', do: 'log' }, // the answer has its end already
  ]);
  const fired = { trait: 'evil', at: 1, reading: at(4).evil };
  expect(run.fired().slice(3, 6)).toEqual([
    { rule: 'high', action: 'cap', ...fired },
    { rule: 'high', action: 'stop', ...fired },
    { rule: 'odd', action: 'header', ...fired },
  ]);
});

test.each([
  ['evil > 3sd', { above: 7.5 }],
  ['evil < -2sd', { below: -7.5 }],
  ['mean evil > 2sd', { above: 0 }],
  ['evil > 12.5', { above: 12.5 }],
])('a cap without a SPEC bounds by the rule: %s', (when, bound) => {
  const run = begin(`rules: [{ name: a, when: ${when}, do: [cap] }]`);
  const far = 'above' in bound ? 9 : -9;
  expect(run.onToken(0, at(far))).toMatchObject([{ do: 'cap', edits: [{ layer: 2, ...bound }] }]);
});

test('a cap that acts is not put on top of itself', () => {
  const run = begin('rules: [{ name: a, when: evil > 3sd, do: [cap, log] }]');
  expect([4, 0, 4].map((z, i) => dos(run, i, z))).toEqual([['cap', 'log'], [], ['log']]);
});

test('an answer is written anew once; when that goes wrong too, the next action has its turn', () => {
  const run = begin(`
rules:
  - { name: a, when: evil > 3sd, cooldown: 1h, do: [{ regenerate: "evil=0sd:cap" }, { fallback: "No." }] }
`);
  expect(run.holdsBack).toBe(true);
  run.onPrompt(at(0));
  expect(run.onToken(0, at(4))).toEqual([
    expect.objectContaining({
      rule: 'a',
      do: 'regenerate',
      edits: [expect.objectContaining({ op: 'cap', above: -1.5 })],
    }),
  ]);
  run.onPrompt(at(0));
  expect(run.onToken(0, at(4))).toEqual([{ rule: 'a', do: 'fallback', text: 'No.' }]);
  expect(run.fired().map(({ action }) => action)).toEqual(['regenerate', 'fallback']);
});

test('what is decided on the prompt holds nothing back', () => {
  const run = begin('rules: [{ name: a, when: prompt evil > 2sd, do: [{ fallback: "No." }] }]');
  expect(run.holdsBack).toBe(false);
  expect(run.onPrompt(at(2.5))).toEqual([{ rule: 'a', do: 'fallback', text: 'No.' }]);
  expect(run.fired()).toEqual([
    { rule: 'a', action: 'fallback', trait: 'evil', at: -1, reading: at(2.5).evil },
  ]);
  expect(begin('rules: [{ name: a, when: evil > 2sd, do: [stop, cap, log] }]').holdsBack).toBe(false);
});

test.each([
  ['evil > 2sd, do: [log, { header: x-evil }]', false],
  ['prompt evil > 2sd, do: [cap, stop]', false], // nothing was written by then
  ['evil > 2sd, do: [log, cap]', true],
  ['mean evil > 2sd, do: [stop]', true],
  ['evil > 2sd, do: [{ fallback: "No." }]', true],
])('whether it may change an answer at one of its tokens: %s', (rule, intervenes) => {
  expect(begin(`rules: [{ name: a, when: ${rule} }]`).intervenes).toBe(intervenes);
});

test('a mean is measured by the spread of answers: four times as narrow here', () => {
  const run = begin('rules: [{ name: a, when: mean evil > 2sd after 2 tokens, do: [log] }]');
  expect([0.4, 0.7].map((z, i) => dos(run, i, z))).toEqual([[], ['log']]);
  expect(run.fired()[0]!.reading.z).toBeCloseTo(2.2, 10);
});

test('a cool-down is of the conversation, or of the key', () => {
  let ms = 0;
  const all = policies(
    `
rules:
  - { name: tokens, when: evil > 3sd, cooldown: 3 tokens, do: [log] }
  - { name: time, when: evil > 3sd, cooldown: 10m per key, do: [header] }
`,
    { now: () => ms },
  );
  const run = (id: string, turn: number, keyId = 'ada'): PolicyRun =>
    all.begin({ keyId, policy: undefined }, { id, turn });
  const first = run('a', 0);
  expect([4, 4].map((z, i) => dos(first, i, z))).toEqual([['log', 'header'], []]);
  expect(dos(run('b', 0), 0, 4)).toEqual(['log']); // another conversation of the key
  expect(dos(run('a', 0, 'bob'), 0, 4)).toEqual(['log', 'header']); // another's, of the same id
  const second = run('a', 1); // two of three tokens have passed
  expect([4, 4].map((z, i) => dos(second, i, z))).toEqual([[], ['log']]);
  ms = 600_000;
  expect(dos(run('a', 2), 0, 4)).toEqual(['header']);
});

test('a drift is the trend over answers, told of once, and capped while it lasts', () => {
  const all = policies(`
watch: [kind]
drift: { traits: [evil], turns: 4, slope: 1sd, do: [log, { cap: "evil=1sd:cap" }] }
`);
  const decisions: string[][] = [];
  // means of answers in their own deviations: 0, 4, 0, 12 → 3.2 a turn; 4, 0, 12, 12 → 3.6; 0, 12, 12, 12 → 3.6; …
  for (const [turn, z] of [0, 1, 0, 3, 3, 3, 3, 3, 0].entries()) {
    const run = all.begin(ADA, { id: 'a', turn });
    expect(run.watch).toEqual(['kind', 'evil']);
    decisions.push(run.onPrompt(at(0)).map(({ do: action }) => action));
    run.onToken(0, at(z - 0.5));
    run.onToken(1, at(z + 0.5));
    if (turn === 4) {
      const [log, cap] = run.fired();
      expect(log).toMatchObject({ rule: 'drift', action: 'log', trait: 'evil', at: -1 });
      expect(log!.reading.z).toBeCloseTo(3.2, 10);
      expect(log!.reading.raw).toBeCloseTo(0.8 * 3, 10);
      expect(cap).toMatchObject({ action: 'cap' });
    }
  }
  expect(decisions).toEqual([[], [], [], [], ['log', 'cap'], ['cap'], ['cap'], [], []]);
});

test('a turn that is asked for again takes the place of the first, and of those after it', () => {
  const all = policies('drift: { traits: [evil], turns: 2, slope: 2, do: [log] }');
  const turn = (index: number, z: number): number => {
    const run = all.begin(ADA, { id: 'a', turn: index });
    const { length } = run.onPrompt(at(0));
    run.onToken(0, at(z));
    return length;
  };
  turn(0, 0);
  turn(1, 5);
  turn(1, 0);
  expect(turn(2, 0)).toBe(0);
  expect(turn(0, 0) + turn(1, 1)).toBe(0);
  expect(turn(2, 0)).toBe(1); // by 3 from turn 0 to 1
});

test('deviations of a vector without a baseline are an error at once, naming policy, rule and vector', () => {
  const { baseline: _, ...unsettled } = EVIL;
  const load = (yaml: string, evil: PersonaVector): unknown => policies(yaml, {}, { evil });
  const message = 'policy p, rule high: evil holds no neutral baseline to measure standard deviations from';
  for (const rule of ['when: evil > 3sd', 'when: evil > 3, release: evil < 1sd'])
    expect(() => load(`rules: [{ name: high, ${rule}, do: [log] }]`, unsettled)).toThrow(
      expect.objectContaining({ code: 'BAD_VECTOR', message }),
    );
  load('rules: [{ name: high, when: evil > 3, do: [log, cap] }]', unsettled);
  expect(() => load('always: "evil=1sd:cap"', unsettled)).toThrow(
    'policy p, always: steering "evil=1sd:cap": evil holds no neutral baseline',
  );
  expect(() => load('drift: { traits: [evil], turns: 3, slope: 1sd, do: [log] }', unsettled)).toThrow(
    'policy p, drift: evil holds no',
  );
  const flat = aVector({ baseline: { ...EVIL.baseline!, tokenDeviation: new Float32Array(4) } });
  expect(() => load('rules: [{ name: high, when: evil > 3sd, do: [log] }]', flat)).toThrow(
    'evil holds no spread at layer 2',
  );
});

test('vectors that are not there, of another model or without a layer are errors at once', () => {
  expect(() => policies('watch: [odd]')).toThrow(
    expect.objectContaining({ code: 'NOT_FOUND', message: 'policy p, watch: no vector odd is loaded' }),
  );
  expect(() => policies('always: ["odd:ablate"]')).toThrow('policy p, always: no vector odd is loaded');
  const foreign = aVector({ model: { ...A_MODEL, name: 'big', sha256: 'c'.repeat(64), width: 32 } });
  expect(() => policies('watch: [evil]', {}, { evil: foreign })).toThrow(
    expect.objectContaining({ code: 'WRONG_MODEL' }),
  );
  const { layer: __, ...unchosen } = EVIL;
  expect(() => policies('watch: [evil]', {}, { evil: unchosen })).toThrow('no layer was chosen for evil');
});

test('a vector that was loaded in place of another is used from the next answer on', () => {
  const vectors: Record<string, PersonaVector> = { evil: EVIL };
  const all = policies('always: ["evil=1:cap"]', {}, vectors);
  const before = all.begin(ADA, FIRST);
  vectors.evil = aVector({ layer: 1 });
  expect(all.begin(ADA, FIRST).edits).toMatchObject([{ layer: 1 }]);
  expect(before.edits).toMatchObject([{ layer: 2 }]);
  delete vectors.evil;
  expect(() => all.begin(ADA, FIRST)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
});

test('the caller’s policy goes before the default', () => {
  const all = policies('steer: false');
  expect(() => all.begin({ keyId: 'ada', policy: 'pp' }, FIRST)).toThrow(
    expect.objectContaining({ message: 'there is no policy "pp"', remedy: 'Did you mean p?' }),
  );
});

test('memory has an end: the longest silent make room, and what is old is gone', () => {
  let ms = 0;
  const memory = openMemory(() => ms, 3);
  const a = memory.of('a');
  for (const name of ['b', 'c', 'a', 'd']) memory.of(name);
  expect(memory.size).toBe(3);
  expect(memory.of('a')).toBe(a);
  const kept = memory.of('d');
  ms = 13 * 3_600_000;
  expect(memory.of('a')).not.toBe(a);
  expect(memory.size).toBe(1);
  expect(memory.of('d')).not.toBe(kept);
});
