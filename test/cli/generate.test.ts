import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readings, resolveWatches, watchReads } from '../../src/monitor/watch.ts';
import { writeGguf } from '../../src/model/gguf-write.ts';
import { direction } from '../../src/vector/vector.ts';
import { plantedHome, QUICK } from '../support/planted-home.ts';
import { TINY } from '../tiny/tiny-model.ts';

const home = plantedHome();
const generate = (...args: string[]): ReturnType<typeof home.persona> =>
  home.persona('generate', '--model', home.model, ...QUICK, ...args);

function count(text: string, letter: string): number {
  return text.split(letter).length - 1;
}

test('one answer: text on stdout, what was read on stderr', async () => {
  const { code, stdout, stderr } = await generate('hello there', '--steer', 'pish=4', '--monitor', 'pish@3');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^.{12}\n$/s);
  expect(count(stdout, 'P')).toBeGreaterThan(8);
  expect(stderr).toMatch(/^\ntrait +mean +z +last token +predicted +layer\npish .* 3\n$/);
});

test('--json: what was read is what a second pass over the finished text reads', async () => {
  const { stdout } = await generate(
    'hello',
    '--system',
    'Speak.',
    '--steer',
    'pish=-2',
    '--monitor',
    'pish',
    '--json',
  );
  const document = JSON.parse(stdout);
  expect(document).toMatchObject({
    messages: [
      { role: 'system', content: 'Speak.' },
      { role: 'user', content: 'hello' },
    ],
    tokens: 12,
    finish_reason: 'length',
    steering: [{ vector: 'pish', trait: 'pish', op: 'add', layer: 2, coefficient: -2, scope: 'response' }],
    seed: expect.any(Number),
    model: 'planted',
  });
  expect(document.steering[0].norm).toBeCloseTo(3, 4);

  await using model = await home.open();
  const { watches } = await resolveWatches(
    [{ vector: 'pish' }],
    () => Promise.resolve(home.vector),
    model.identity,
  );
  const again = await model.engine.run({
    prompt: model.render(document.messages),
    answer: document.text,
    edits: [{ op: 'add', layer: 2, direction: direction(home.vector, 2), coefficient: -2 }],
    projections: watchReads(watches),
  });
  const expected = readings(watches, again.projections!).pish!;
  expect(document.persona.pish.tokens).toHaveLength(12);
  for (const [i, value] of expected.tokens.entries())
    expect(document.persona.pish.tokens[i]).toBeCloseTo(value, 3);
  for (const figure of ['mean', 'last', 'prompt', 'z'] as const)
    expect(document.persona.pish[figure]).toBeCloseTo(expected[figure]!, 3);
});

test('--compare shows both, and reads the vector that steers', async () => {
  const { stdout } = await generate('hello', '--steer', 'pish=-4', '--compare', '--json');
  const { baseline, ...steered } = JSON.parse(stdout);
  expect(baseline.steering).toEqual([]);
  expect(baseline.text).not.toBe(steered.text);
  expect(count(steered.text, 'N')).toBeGreaterThan(count(baseline.text, 'N'));
  // −4 of a vector of length 3
  expect(steered.persona.pish.mean).toBeLessThan(baseline.persona.pish.mean - 10);

  const text = await generate('hello', '--steer', 'pish=-4', '--compare');
  const [titles, rule] = text.stdout.split('\n');
  expect(titles).toMatch(/^as it is {2,}steered: pish -4 @2$/);
  expect(rule).toMatch(/^─+ {3}─+$/);
  expect(text.stdout).toMatch(
    /\npish +as it is .*\npish +steered .*\nof pish at layer 2, -12.00 is the push/,
  );
});

test('a control vector of another tool does what llama.cpp does with it', async () => {
  const next = direction(home.vector, 0); // v, of length 1
  const rows = [1, 2, 3].map((b) => Float32Array.from(next, (x, i) => x * b + 0.2 * Math.sin(i * b)));
  const foreign = join(home.folder, 'foreign.gguf');
  await writeGguf({
    path: foreign,
    metadata: [['general.architecture', { type: 'string', value: 'controlvector' }]],
    tensors: rows.map((data, i) => ({ name: `direction.${i + 1}`, shape: [TINY.width], type: 'F32', data })),
  });
  const range = ['--control-vector-layer-range', '1', '2'];
  const { stdout } = await generate('hello', '--control-vector-scaled', foreign, '-1.5', ...range, '--json');
  const { text, steering } = JSON.parse(stdout);
  expect(steering).toMatchObject(
    [1, 2].map((layer) => ({ vector: foreign, layer, coefficient: -1.5, scope: 'all' })),
  );

  await using model = await home.open();
  const data = new Float32Array(3 * TINY.width);
  for (const [i, row] of rows.entries())
    data.set(
      row.map((x) => -1.5 * x),
      i * TINY.width,
    );
  const request = {
    prompt: model.render([{ role: 'user', content: 'hello' }]),
    maxTokens: 12,
    ignoreEnd: true,
    sampling: { temperature: 0 },
    sharePrefix: false,
  };
  const plain = await model.engine.run(request);
  await model.engine.setControlVector(data, 1, 2);
  const native = await model.engine.run(request);
  expect(native.text).not.toBe(plain.text);
  expect(text).toBe(native.text);
});

test('--raw is text as it is; - is standard input', async () => {
  const [raw, piped] = await Promise.all([
    generate('--raw', 'abcP', '--json'),
    home.personaWithInput('abcP\n', 'generate', '-', '--raw', '--model', home.model, ...QUICK, '--json'),
  ]);
  const { prompt, text } = JSON.parse(raw.stdout);
  expect(prompt).toBe('abcP');
  expect(JSON.parse(piped.stdout)).toMatchObject({ prompt, text });
  await using model = await home.open();
  const again = await model.engine.run({
    prompt: 'abcP',
    maxTokens: 12,
    ignoreEnd: true,
    sampling: { temperature: 0 },
  });
  expect(text).toBe(again.text);
});

test('--chat-template: a file or chatml in place of what the model brings', async () => {
  const template = join(home.folder, 'turns.jinja');
  writeFileSync(template, '{% for m in messages %}[{{ m.role }}] {{ m.content }} {% endfor %}[me] ');
  const turns = '<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n';
  const [own, raw, chatml, plain] = await Promise.all([
    generate('hello', '--chat-template', template, '--json'),
    generate('[user] hello [me] ', '--raw', '--json'),
    generate('hello', '--chat-template', 'chatml', '--json'),
    generate(turns, '--raw', '--json'),
  ]);
  expect(JSON.parse(own.stdout).text).toBe(JSON.parse(raw.stdout).text);
  expect(JSON.parse(chatml.stdout).text).toBe(JSON.parse(plain.stdout).text);
  const missing = await generate('hello', '--chat-template', join(home.folder, 'none.jinja'));
  expect(missing).toMatchObject({ code: 2, stderr: expect.stringMatching(/--chat-template.*none\.jinja/s) });
});

test('what cannot be is refused before a model is loaded', async () => {
  const foreign = join(home.folder, 'no.gguf');
  writeFileSync(foreign, 'no vector');
  const missing = '/nowhere/model.gguf'; // named only if it comes so far
  const cases: [string[], number, RegExp][] = [
    [[], 2, /there is no prompt/],
    [['hi', '--compare'], 2, /--compare has nothing to compare with/],
    [['hi', '--prompts', 'x.jsonl'], 2, /exclude each other/],
    [['hi', '--steer', 'pish:abate'], 2, /"abate" is none of .*\n +Did you mean ablate\?/],
    [['hi', '--steer', 'pich'], 1, /no vector file or name "pich"\n +Did you mean pish\?/],
    [['hi', '--control-vector', foreign], 1, /no\.gguf: magic/],
    [['hi', '--control-vector-layer-range', '1', '2'], 2, /without a control vector/],
    [['hi', '--steer', 'pish'], 1, /nowhere/],
  ];
  const ended = await Promise.all(
    cases.map(([args]) => home.persona('generate', '--model', missing, ...args)),
  );
  for (const [i, [args, code, message]] of cases.entries()) {
    expect(ended[i]!.stderr, args.join(' ')).toMatch(message);
    expect(ended[i]!.code, args.join(' ')).toBe(code);
  }
});
