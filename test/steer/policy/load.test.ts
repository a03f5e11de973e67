import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { configJsonSchema } from '../../../src/steer/policy/config.ts';
import { loadConfig, parseConfig } from '../../../src/steer/policy/load.ts';
import { reloadable } from '../../../src/steer/policy/reload.ts';
import { folder } from '../../support/folder.ts';

const WHOLE = `
model: tiny.gguf
vectors: { evil: vectors/evil.gguf, optimistic: optimistic }
server: { host: 0.0.0.0, port: 8080, cors: [https://a.example], keepText: false, record: kept }
defaults: { policy: guarded, steering: optimistic=0.5, monitor: [evil] }
policies:
  guarded:
    watch: [optimistic]
    steer: { optimistic: { min: -1, max: 2, layers: [1, 2], ops: [add, cap], scopes: [response] }, "*": false }
    always: ["evil=1sd:cap", "optimistic=>=-1sd:cap"]
    rules:
      - name: evil-high
        when: evil > 3sd over 8 tokens
        release: "evil < 1sd over 8 tokens"
        cooldown: 50 tokens
        do: [log, header, { webhook: "https://a.example/hook" }, cap, { cap: "evil=1sd:cap" }, { stop: content_filter }, regenerate, { regenerate: "evil:cap" }, { fallback: "No." }]
    drift: { traits: [evil], turns: 5, slope: 0.5sd, do: [log] }
keys: { sha256-of-something: { policy: guarded } }
`;

test('a whole file', async () => {
  const path = folder();
  writeFileSync(join(path, 'tiny.gguf'), '');
  writeFileSync(join(path, 'persona.yaml'), WHOLE);
  const { model, vectors, server, defaults, policies, keys } = await loadConfig(join(path, 'persona.yaml'));
  expect({ model, vectors }).toEqual({
    model: join(path, 'tiny.gguf'),
    vectors: { evil: join(path, 'vectors/evil.gguf'), optimistic: 'optimistic' },
  });
  expect(server).toEqual({
    host: '0.0.0.0',
    port: 8080,
    cors: ['https://a.example'],
    keepText: false,
    record: join(path, 'kept'),
  });
  expect(defaults).toEqual({
    policy: 'guarded',
    steering: [
      { vector: 'optimistic', op: 'add', scope: 'response', coefficient: { unit: 'raw', value: 0.5 } },
    ],
    monitor: ['evil'],
  });
  expect(keys).toEqual({ 'sha256-of-something': { policy: 'guarded' } });
  const cap = { vector: 'evil', op: 'cap', scope: 'response' };
  expect(policies.guarded!.rules[0]).toMatchObject({
    name: 'evil-high',
    when: { trait: 'evil', over: 8 },
    release: { side: 'below' },
    cooldown: { unit: 'tokens', value: 50 },
    do: [
      { do: 'log' },
      { do: 'header', name: 'x-persona-rule' },
      { do: 'webhook', url: 'https://a.example/hook' },
      { do: 'cap' },
      { do: 'cap', specs: [{ ...cap, bound: { value: 1, unit: 'sd' } }] },
      { do: 'stop', finishReason: 'content_filter' },
      { do: 'regenerate' },
      { do: 'regenerate', specs: [cap] },
      { do: 'fallback', text: 'No.' },
    ],
  });
  expect(policies.guarded!.drift).toMatchObject({ turns: 5, slope: { value: 0.5, unit: 'sd' } });
});

test('an empty file is a configuration without anything', () => {
  expect(parseConfig('# nothing yet\n', 'a.yaml')).toEqual({
    vectors: {},
    server: {},
    defaults: { steering: [], monitor: [] },
    policies: {},
    keys: {},
  });
});

const rule = (fields: string): string => `policies:\n  p:\n    rules:\n      - { name: a, ${fields} }\n`;

test.each([
  ['vektors: {}', '1:1: vektors: there is no field "vektors"; did you mean vectors?'],
  ['server:\n  prot: 1', '2:3: server.prot: there is no field "prot"; did you mean port?'],
  ['server: { port: 70000 }', '1:17: server.port: Too big'],
  ['vectors: { 9: a }', '1:12: vectors.9: expected a name'],
  ['defaults: { policy: x }', '1:21: defaults.policy: there is no policy x'],
  [
    'policies: { p: { steer: { evil: { mni: 1 } } } }',
    '1:35: policies.p.steer.evil.mni: there is no field "mni"; did you mean min?',
  ],
  [
    'policies: { p: { steer: { evil: { min: 2, max: 1 } } } }',
    '1:40: policies.p.steer.evil.min: expected min to be at most max',
  ],
  [
    'policies: { p: { steer: { evil: { layers: [3, 1] } } } }',
    '1:43: policies.p.steer.evil.layers: expected the lower',
  ],
  [
    'policies: { p: { always: [evil:cap, "evil=x:cap"] } }',
    '1:37: policies.p.always[1]: steering "evil=x:cap": the bound',
  ],
  [rule('do: [log]'), '4:9: policies.p.rules[0].when: expected string'],
  [
    rule('when: evil >> 3, do: [log]'),
    '4:26: policies.p.rules[0].when: "evil >> 3": column 7: expected a number',
  ],
  [
    rule('when: evil > 3, do: [lgo]'),
    '4:41: policies.p.rules[0].do[0]: expected log, header, {webhook: URL}',
  ],
  [rule('when: evil > 3, do: []'), '4:40: policies.p.rules[0].do: expected at least one action'],
  [
    rule('when: evil > 3, do: [{ webhook: ftp://x }]'),
    '4:52: policies.p.rules[0].do[0].webhook: expected an address',
  ],
  [
    rule('when: evil > 3, do: [{ header: { name: x, value: "a\\nb" } }]'),
    '.do[0].header.value: expected plain ASCII',
  ],
  [rule('when: evil > 3, do: [{ cap: evil=2 }, { cap: evil=much }]'), '.do[1].cap: steering "evil=much"'],
  [rule('when: evil > 3, do: [log], release: evil > 1'), '.release: expected "<"'],
  [
    rule('when: evil > 3, do: [log], release: kind < 1'),
    '.release: expected a condition on evil, got one on kind',
  ],
  [rule('when: evil > 3, do: [log], release: evil < 4'), '.release: it holds while the condition'],
  [rule('when: prompt evil > 3, do: [log], release: evil < 1'), '.release: a rule on the prompt fires once'],
  [
    rule('when: evil > 3, do: [log], cooldown: 5 minutes'),
    '.cooldown: expected a number of tokens or a time',
  ],
  [
    'policies:\n  p:\n    rules:\n      - { name: a, when: x > 1, do: [log] }\n      - { name: a, when: x > 2, do: [log] }',
    '5:17: policies.p.rules[1].name: another rule is called a',
  ],
  [
    'policies: { p: { rules: [{ name: drift, when: x > 1, do: [log] }] } }',
    '.name: a rule cannot be called "drift"',
  ],
  ['policies: { p: { drift: { traits: [x], turns: 1, slope: 1, do: [log] } } }', '.drift.turns: Too small'],
  [
    'policies: { p: { drift: { traits: [x], turns: 3, slope: 0, do: [log] } } }',
    '.drift.slope: expected a slope that is not 0',
  ],
  [
    'policies: { p: { drift: { traits: [x], turns: 3, slope: 1, do: [stop] } } }',
    '.drift.do[0]: a drift is no matter of one answer',
  ],
  ['a: [1,', '1:7: not plain YAML: '],
  ['model: a\nmodel: b', '2:1: not plain YAML: Map keys must be unique'],
  ['model: !!js/function x', '1:8: not plain YAML: Unresolved tag'],
  ['model: !!binary aGk=', '1:8: not plain YAML: Unresolved tag'],
  ['- a', '1:1: expected object'],
])('%j is refused with its place', (text, message) => {
  expect(() => parseConfig(text, 'a.yaml')).toThrow(
    expect.objectContaining({ code: 'BAD_FILE', message: expect.stringContaining(message) }),
  );
  expect(() => parseConfig(text, 'a.yaml')).toThrow(/^a\.yaml:\d+:\d+: /);
});

test('aliases within aliases, brackets without end and files without end are refused, soon', async () => {
  const bomb = ['a0: &a0 [x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 12; i++)
    bomb.push(
      `a${i}: &a${i} [${Array(8)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    );
  for (const text of [`keys:\n  ${bomb.join('\n  ')}`, '['.repeat(200_000)])
    expect(() => parseConfig(text, 'a.yaml')).toThrow(expect.objectContaining({ code: 'BAD_FILE' }));
  const path = join(folder(), 'large.yaml');
  writeFileSync(path, `# ${'x'.repeat(2 ** 20)}`);
  await expect(loadConfig(path)).rejects.toMatchObject({
    message: expect.stringContaining('too large for a configuration'),
  });
});

test('a bad file keeps the old configuration and says why; a good one takes its place', async () => {
  const path = join(folder(), 'persona.yaml');
  const write = (port: string): void => writeFileSync(path, `server: { port: ${port} }`);
  write('1');
  const config = await reloadable(path, ({ server }) => {
    if (server.port === 3) throw new Error('no vector');
    return { port: server.port };
  });
  const first = config.current;
  write('many');
  expect(await config.reload()).toMatchObject({
    changed: false,
    why: { code: 'BAD_FILE', message: expect.stringContaining(`${path}:1:17: server.port: expected number`) },
  });
  expect(config.current).toBe(first);
  write('3');
  expect(await config.reload()).toMatchObject({ changed: false, why: { message: 'no vector' } });
  expect(config.current).toBe(first);
  write('4');
  await Promise.all([config.reload(), config.reload()]);
  expect(config.current).toEqual({ port: 4 });
  expect(first).toEqual({ port: 1 });
  write('many');
  await expect(reloadable(path, () => 0)).rejects.toMatchObject({ code: 'BAD_FILE' });
});

test('the JSON Schema knows the fields, and refuses others', () => {
  const schema = configJsonSchema() as { properties: Record<string, object>; additionalProperties: boolean };
  expect(Object.keys(schema.properties)).toEqual([
    'model',
    'vectors',
    'server',
    'defaults',
    'policies',
    'keys',
  ]);
  expect(schema.additionalProperties).toBe(false);
  const text = JSON.stringify(schema);
  for (const field of ['webhook', 'fallback', 'cooldown', 'slope', 'scopes'])
    expect(text).toContain(`"${field}"`);
  expect(text).not.toContain('"required":["model"');
});
