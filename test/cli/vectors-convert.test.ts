import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readVector } from '../../src/vector/file.ts';
import { torchTensor, type TorchValue } from '../../src/vector/torch/value.ts';
import { writeTorch } from '../../src/vector/torch/write.ts';
import { direction } from '../../src/vector/vector.ts';
import { plantedHome, QUICK } from '../support/planted-home.ts';

const home = plantedHome();
const at = (name: string): string => join(home.folder, name);

test('to the reference and back: it steers as the vector that it came from', async () => {
  const pish = at('vectors/pish.gguf');
  const there = await home.persona('vectors', 'convert', pish, at('pish.pt'));
  expect(there).toMatchObject({ code: 0, stderr: '' });
  expect(there.stdout).toBe(
    `pish (response_avg) of planted: 4 layers of width 64, layer 2
read     ${pish} (gguf)
  row b is block b
written  ${at('pish.pt')} (pt)
  row L is block L − 1; row 0 (embeddings) is zero; only the directions are kept
  row 4 lies before the final norm; in the reference's own files it lies after it
`,
  );
  const options = ['--model', home.model, '--trait', 'pish', '--layer', '2', '--coefficient', '1.5'];
  const back = await home.persona('vectors', 'convert', at('pish.pt'), at('back.gguf'), ...options);
  expect(back.code).toBe(0);
  expect(back.stdout).toContain('\n  row L is block L − 1: row 0 (embeddings) left out\n');
  expect(back.stdout).toContain(
    '\n  row 4 lies after the final norm: block 3 is marked, do not steer there\n',
  );
  const vector = await readVector(at('back.gguf'));
  expect(vector.model).toEqual(home.vector.model); // as an opened model has it, though no engine ran
  expect(vector.directions).toEqual(home.vector.directions);

  const steered = (name: string): ReturnType<typeof home.persona> =>
    home.persona('generate', 'hello', '--model', home.model, ...QUICK, '--seed', '1', '--steer', name);
  const [own, converted] = [await steered('pish=4'), await steered(`${at('back.gguf')}=4`)];
  expect(converted.stdout).toBe(own.stdout);
  expect(converted.stdout.split('P').length).toBeGreaterThan(8);
});

test('--json says how layers map; a foreign file needs its model', async () => {
  const foreign = new URL('../vector/fixtures/float32.pt', import.meta.url).pathname;
  const { stdout } = await home.persona('vectors', 'convert', at('vectors/pish.gguf'), at('p.safetensors'), '--json', '--trait', 'other', '--layer', '1'); // prettier-ignore
  expect(JSON.parse(stdout)).toMatchObject({
    path: at('p.safetensors'),
    from: 'gguf',
    to: 'safetensors',
    trait: 'other',
    layer: 1,
    coefficient: 1.5,
    missing: [],
    after_final_norm: null,
    notes: { written: ['row b of directions is block b'] },
  });
  expect(await home.persona('vectors', 'convert', foreign, at('x.gguf'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('does not say which model it was made on\n  Give it with --model'),
  });
  const wrong = await home.persona('vectors', 'convert', foreign, at('x.gguf'), '--model', home.model, '--trait', 'a'); // prettier-ignore
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('width 8; the model has 64') });
});

test('caps of assistant-axis: the lines that are printed do cap', async () => {
  const vector = (b: number): TorchValue =>
    new Map<string, TorchValue>([
      ['layer', b],
      ['vector', torchTensor([64], direction(home.vector, b))],
    ]);
  const cap = (name: string, value: number): TorchValue => new Map<string, TorchValue>([['vector', name], ['cap', value]]); // prettier-ignore
  const experiment = new Map<string, TorchValue>([
    ['id', 'layers_1:3-p0.25'],
    ['interventions', [cap('a', 0.5), cap('b', -0.25)]],
  ]);
  await writeTorch(
    at('capping.pt'),
    new Map<string, TorchValue>([
      ['vectors', new Map([['a', vector(1)], ['b', vector(2)]])],
      ['experiments', [experiment]],
    ]),
  ); // prettier-ignore
  const { stdout } = await home.persona('vectors', 'convert', at('capping.pt'), at('axis.gguf'), '--model', home.model); // prettier-ignore
  const specs = [...stdout.matchAll(/--steer '(.*)'/g)].map(([, spec]) => ['--steer', spec!]).flat();
  const answer = await home.persona('generate', 'hello', '--model', home.model, ...QUICK, ...specs, '--json');
  expect(JSON.parse(answer.stdout).steering).toMatchObject([
    { trait: 'assistant axis', op: 'cap', layer: 1, above: 0.5, scope: 'all' },
    { trait: 'assistant axis', op: 'cap', layer: 2, above: -0.25, scope: 'all' },
  ]);
});

test('steering behind the final norm is warned of', async () => {
  const [pt, marked] = [at('marked.pt'), at('marked.gguf')];
  await home.persona('vectors', 'convert', at('vectors/pish.gguf'), pt);
  await home.persona('vectors', 'convert', pt, marked, '--model', home.model, '--trait', 'pish');
  const answer = await home.persona('generate', 'hello', '--model', home.model, ...QUICK, '--steer', `${marked}=1@3`); // prettier-ignore
  expect(answer.stderr).toContain('the direction of layer 3 was taken after the final norm');
});
