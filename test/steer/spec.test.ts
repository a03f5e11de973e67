import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatSpec, OPS, parseSpec, SCOPES, type SteerSpec } from '../../src/steer/spec.ts';

const none = (): boolean => false;
const parse = (text: string, files: readonly string[] = []): SteerSpec =>
  parseSpec(text, (path) => files.includes(path));

test.each<[string, SteerSpec]>([
  ['evil', { vector: 'evil', op: 'add', scope: 'response' }],
  [
    'evil=-1.5@14',
    {
      vector: 'evil',
      op: 'add',
      coefficient: { unit: 'raw', value: -1.5 },
      layers: { from: 14, to: 14 },
      scope: 'response',
    },
  ],
  [
    'evil=20%@8-12/all',
    {
      vector: 'evil',
      op: 'add',
      coefficient: { unit: 'percent', value: 20 },
      layers: { from: 8, to: 12 },
      scope: 'all',
    },
  ],
  ['evil:ablate/prompt', { vector: 'evil', op: 'ablate', scope: 'prompt' }],
  ['evil/generated', { vector: 'evil', op: 'add', scope: 'generated' }],
  ['evil:cap', { vector: 'evil', op: 'cap', scope: 'response' }],
  ['evil=30u', { vector: 'evil', op: 'add', coefficient: { unit: 'length', value: 30 }, scope: 'response' }],
  ['evil=-1:inc', { vector: 'evil', op: 'inc', coefficient: { unit: 'raw', value: -1 }, scope: 'response' }],
  [
    'evil=2.5:cap',
    { vector: 'evil', op: 'cap', bound: { side: 'above', unit: 'raw', value: 2.5 }, scope: 'response' },
  ],
  [
    'evil=<=-1sd@3:cap',
    {
      vector: 'evil',
      op: 'cap',
      bound: { side: 'above', unit: 'sd', value: -1 },
      layers: { from: 3, to: 3 },
      scope: 'response',
    },
  ],
  [
    'evil=>=2:cap/last_prompt',
    { vector: 'evil', op: 'cap', bound: { side: 'below', unit: 'raw', value: 2 }, scope: 'last_prompt' },
  ],
  [
    'assistant=>=25p@8-12:cap/all',
    {
      vector: 'assistant',
      op: 'cap',
      bound: { side: 'below', unit: 'percentile', value: 25 },
      layers: { from: 8, to: 12 },
      scope: 'all',
    },
  ],
  [
    'assistant=<=75P:cap',
    {
      vector: 'assistant',
      op: 'cap',
      bound: { side: 'above', unit: 'percentile', value: 75 },
      scope: 'response',
    },
  ],
])('%s', (text, spec) => {
  expect(parse(text)).toEqual(spec);
});

test.each([
  ['dir/evil.gguf=2@14', 'dir/evil.gguf'],
  ['runs/a=1@b:c/evil.gguf=2@14:add/all', 'runs/a=1@b:c/evil.gguf'],
  ['C:\\vectors\\evil.gguf=2', 'C:\\vectors\\evil.gguf'],
  ['EVIL.GGUF/all', 'EVIL.GGUF'],
  ['dir/evil=2', 'dir/evil'],
  ['x.gguf@2/evil.gguf@14', 'x.gguf@2/evil.gguf'],
])('%s is about the vector %s', (text, vector) => {
  expect(parse(text).vector).toBe(vector);
});

test('a beginning that is a file is the vector, the longest one first', () => {
  expect(parse('evil=2', ['evil=2'])).toEqual({ vector: 'evil=2', op: 'add', scope: 'response' });
  expect(parse('evil=2=3', ['evil=2', 'evil'])).toMatchObject({
    vector: 'evil=2',
    coefficient: { value: 3 },
  });
  expect(parse('dir/all', ['dir/all'])).toMatchObject({ vector: 'dir/all', scope: 'response' });
  expect(parse('dir/all')).toMatchObject({ vector: 'dir', scope: 'all' });
  expect(parse('a.gguf/b:cap', ['a.gguf/b']).vector).toBe('a.gguf/b');
});

test.each([
  ['', 'it names no vector'],
  ['=2', 'it names no vector'],
  ['evil=', 'nothing stands after "="'],
  ['evil@', 'nothing stands after "@"'],
  ['evil=much', 'the coefficient "much" is not a number'],
  ['evil=1e999', 'the coefficient "1e999" is not a number'],
  ['evil=1sd', 'the coefficient "1sd" is not a number'],
  ['evil=20%:cap', 'the bound "20%" is not one'],
  ['evil=>=:cap', 'the bound ">=" is not one'],
  ['evil=>=25p', 'the coefficient ">=25p" is not a number'],
  ['evil=101p:cap', 'the percentile 101 is not one'],
  ['evil=-1p:cap', 'the percentile -1 is not one'],
  ['evil@x', 'the layer "x" is not one'],
  ['evil@1.5', 'the layer "1.5" is not one'],
  ['evil@9-8', 'the layers "9-8" run backwards'],
  ['evil@8=2', '"=2" does not belong where it stands'],
  ['evil:add@8', '"@8" does not belong where it stands'],
  ['evil=2=3', '"=3" does not belong where it stands'],
  ['evil:abate', 'the operation "abate" is none of add, inc, ablate, cap'],
  ['evil=1/respons', 'the scope "respons" is none of response, prompt, all, last_prompt, generated'],
  ['evil=2:ablate', 'takes no amount, got "2"'],
])('%s is refused: %s', (text, message) => {
  expect(() => parse(text)).toThrow(
    expect.objectContaining({
      code: 'USAGE',
      message: expect.stringContaining(message),
      remedy: expect.any(String),
    }),
  );
});

test('a slip is answered with what may have been meant', () => {
  const remedy = (text: string): string | undefined => {
    try {
      parse(text);
    } catch (error) {
      return (error as { remedy?: string }).remedy;
    }
    return undefined;
  };
  expect(remedy('evil:abate')).toBe('Did you mean ablate?');
  expect(remedy('evil=1/respons')).toBe('Did you mean response?');
  expect(remedy('evil=2sd')).toBe('A bound belongs to a cap: evil=2sd:cap.');
});

const finite = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0); // no −0, which has no text
const layers = fc.tuple(fc.nat(200), fc.nat(40)).map(([from, more]) => ({ from, to: from + more }));
const base = {
  vector: fc.constantFrom('evil', 'runs/a=1/evil.gguf', 'C:\\v\\evil.gguf', 'x@2:add/y.gguf', 'a-b_c.d'),
  scope: fc.constantFrom(...SCOPES),
};
const optional = { requiredKeys: ['vector', 'op', 'scope'] as ('vector' | 'op' | 'scope')[] };
const specs = fc.oneof(
  fc.record(
    {
      ...base,
      op: fc.constant('add' as const),
      layers,
      coefficient: fc.record({
        unit: fc.constantFrom('raw' as const, 'percent' as const, 'length' as const),
        value: finite,
      }),
    },
    optional,
  ),
  fc.record(
    {
      ...base,
      op: fc.constant('inc' as const),
      layers,
      coefficient: fc.record({ unit: fc.constant('raw' as const), value: finite }),
    },
    optional,
  ),
  fc.record({ ...base, op: fc.constant('ablate' as const), layers }, optional),
  fc.record(
    {
      ...base,
      op: fc.constant('cap' as const),
      layers,
      bound: fc.oneof(
        fc.record({
          side: fc.constantFrom('above' as const, 'below' as const),
          unit: fc.constantFrom('raw' as const, 'sd' as const),
          value: finite,
        }),
        fc.record({
          side: fc.constantFrom('above' as const, 'below' as const),
          unit: fc.constant('percentile' as const),
          value: fc.double({ min: 0, max: 100, noNaN: true }).map((value) => value + 0),
        }),
      ),
    },
    optional,
  ),
);

test('what is formatted parses to the same', () => {
  fc.assert(
    fc.property(specs, (spec) => {
      expect(parseSpec(formatSpec(spec as SteerSpec), none)).toEqual(spec);
    }),
  );
});

test('any text is either understood, and then again from its shortest form, or refused as wrong usage', () => {
  const pieces = fc.array(
    fc.constantFrom(
      'evil',
      '.gguf',
      '=',
      '@',
      ':',
      '/',
      '>=',
      '-1',
      '2',
      '%',
      'sd',
      'p',
      '-',
      ...OPS,
      ...SCOPES,
    ),
    { maxLength: 10 },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        pieces.map((parts) => parts.join('')),
        fc.string(),
      ),
      (text) => {
        let spec: SteerSpec;
        try {
          spec = parseSpec(text, none);
        } catch (error) {
          expect(error).toMatchObject({ code: 'USAGE' });
          return;
        }
        expect(parseSpec(formatSpec(spec), none)).toEqual(spec);
      },
    ),
    { numRuns: 500 },
  );
});
