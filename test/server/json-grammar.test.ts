import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyJsonGrammar, schemaGrammar } from '../../src/server/openai/json-grammar.ts';
import { follows, parseGbnf } from '../support/gbnf.ts';
import { usePlantedServer } from '../support/planted-server.ts';

const server = usePlantedServer();

function accepts(schema: unknown, text: string): boolean {
  return follows(text, parseGbnf(schemaGrammar(schema, 'schema')));
}

const person = {
  type: 'object',
  properties: { name: { type: 'string', minLength: 1, maxLength: 3 }, age: { type: 'integer' } },
  required: ['name'],
  additionalProperties: false,
};
const tree = {
  $ref: '#/$defs/node',
  $defs: {
    node: {
      type: 'object',
      properties: { v: { type: 'boolean' }, next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
      required: ['v', 'next'],
      additionalProperties: false,
    },
  },
};
const open = { type: 'object', properties: { ab: { const: 1 } }, additionalProperties: { type: 'null' } };

test.each<[schema: unknown, yes: string[], no: string[]]>([
  [
    person,
    ['{"name":"a"}', '{"name": "a", "age": -12}', '{\n  "name": "\\u00e9é\\n"}'],
    [
      '{}',
      '{"age":1}',
      '{"name":""}',
      '{"name":"abcd"}',
      '{"age":1,"name":"a"}',
      '{"name":"a","x":1}',
      '{"name":"a",}',
      '{"name":"a","age":1.5}',
      '{"name":"a","age":01}',
    ],
  ],
  [
    tree,
    ['{"v":true,"next":null}', '{"v":true,"next":{"v":false,"next":null}}'],
    ['null', '{"v":true,"next":{}}'],
  ],
  [
    open,
    ['{}', '{"ab":1}', '{"a":null}', '{"ab":1,"abc":null,"b":null}', '{"":null}'],
    ['{"ab":null}', '{"a":1}', '{"a":null,"ab":1}', '{"ab":1,"ab":null}'],
  ],
  [
    { type: 'array', items: { type: 'boolean' }, minItems: 1, maxItems: 2 },
    ['[true]', '[ true, false ]'],
    ['[]', '[true,true,true]', '[1]', '[true,]'],
  ],
  [{ type: 'array', maxItems: 0 }, ['[]'], ['[1]']],
  [{ type: 'array', items: { const: 1 }, maxItems: 1 }, ['[]', '[1]'], ['[1,1]']],
  [
    { enum: ['a"b', 'ü', 3, null, { x: [1] }] },
    ['"a\\"b"', '"ü"', '3', 'null', '{"x":[1]}'],
    ['"a', '"a"b"', '4'],
  ],
  [{ type: 'string', enum: ['a', 3] }, ['"a"'], ['3']],
  [{ type: 'integer', minimum: 0, maximum: 100 }, ['0', '7', '100'], ['-1', '101', '1.5', '007']],
  [{ type: 'integer', exclusiveMinimum: 0 }, ['1', '20'], ['0', '-1', '01']],
  [{ type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }, ['-5'], ['5.5']],
  [{ type: 'number', minimum: 0 }, ['0.5', '1e3'], ['-1', '.5', '1.']],
  [{ type: ['string', 'null'], maxLength: 1 }, ['null', '"a"', '""'], ['"ab"', '1']],
  [{ oneOf: [{ type: 'null' }, { const: 'x' }] }, ['null', '"x"'], ['"y"']],
  [{ minItems: 1 }, ['[{"a":[1,"x",false]}]'], ['[]']],
  [true, ['{"a":[{}]}', '"x"', '-1.5e-7'], ['{', "'x'"]],
  [{ type: 'object' }, ['{}', '{"a":{"b":[1]}}'], ['[]']],
  [{ required: ['a'], type: 'object' }, ['{"a":1}', '{"a":1,"b":2}'], ['{}', '{"b":1}']],
])('%j', (schema, yes, no) => {
  for (const text of yes) expect(accepts(schema, text), text).toBe(true);
  for (const text of no) expect(accepts(schema, text), text).toBe(false);
});

describe('what it cannot hold to is named by its place', () => {
  const deep = Array.from({ length: 80 }).reduce<object>((items) => ({ type: 'array', items }), {});
  test.each<[place: string, schema: unknown]>([
    ['schema.pattern', { type: 'string', pattern: '^a' }],
    ['schema.format', { type: 'string', format: 'date' }],
    ['schema.properties.a.multipleOf', { properties: { a: { multipleOf: 2 } } }],
    ['schema.items.not', { type: 'array', items: { not: {} } }],
    ['schema.anyOf[1].if', { anyOf: [true, { if: {} }] }],
    ['schema.$defs.x.contains', { $ref: '#/$defs/x', $defs: { x: { contains: {} } } }],
    ['schema.$ref', { $ref: 'https://example.org/a.json' }],
    ['schema.$ref', { $ref: '#/$defs/none' }],
    ['schema.$ref', { $ref: '#' }],
    [
      'schema.$defs.b.$ref',
      { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } },
    ],
    [
      'schema.$defs.a.anyOf[0].$ref',
      { $ref: '#/$defs/a', $defs: { a: { anyOf: [{ $ref: '#/$defs/a' }, true] } } },
    ],
    ['schema.properties', { anyOf: [true], properties: {} }],
    ['schema.allOf', { allOf: [true, true] }],
    ['schema.type', { type: 'text' }],
    ['schema.required[0]', { type: 'object', required: ['a'], additionalProperties: false }],
    ['schema.maxItems', { type: 'array', maxItems: 1e9 }],
    ['schema.maxItems', { type: 'array', minItems: 2, maxItems: 1 }],
    ['schema.minLength', { type: 'string', minLength: -1 }],
    ['schema.enum', { enum: [] }],
    ['schema.enum', { type: 'null', enum: ['a'] }],
    ['schema', { type: 'integer', minimum: 5, maximum: 4 }],
    ['schema', { type: 'integer', minimum: 0, maximum: 100_000 }],
    ['schema', { type: 'number', maximum: 1 }],
    ['schema', 5],
    ['schema.items', { type: 'array', items: false }],
    ['schema', { enum: ['x'.repeat(200_000)] }],
  ])('%s', (place, schema) => {
    expect(() => schemaGrammar(schema, 'schema')).toThrow(
      expect.objectContaining({ status: 400, param: place }),
    );
  });
  test('depth', () => {
    expect(() => schemaGrammar(deep, 'schema')).toThrow(/deeper than 64/);
  });
});

/** A schema, and a value that fits it. */
const fitting: fc.Arbitrary<[schema: object, value: unknown]> = fc.letrec<{
  any: [object, unknown];
}>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<[object, unknown]>([{ type: 'null' }, null], [{ type: 'boolean' }, true]),
    fc.integer().map((n): [object, unknown] => [{ type: 'integer' }, n]),
    fc.string({ unit: 'grapheme' }).map((text): [object, unknown] => [{ type: 'string' }, text]),
    fc
      .string({ unit: 'binary', maxLength: 5 })
      .map((text): [object, unknown] => [
        { type: 'string', minLength: Array.from(text).length, maxLength: Array.from(text).length },
        text,
      ]),
    fc.jsonValue({ maxDepth: 1 }).map((value): [object, unknown] => [{ enum: ['other', value] }, value]),
    fc
      .array(tie('any'), { minLength: 1, maxLength: 3 })
      .map((all): [object, unknown] => [
        { type: 'array', items: { anyOf: all.map(([schema]) => schema) }, minItems: all.length, maxItems: 3 },
        all.map(([, value]) => value),
      ]),
    fc
      .uniqueArray(
        fc.tuple(fc.string({ unit: 'grapheme', maxLength: 4 }), tie('any'), fc.boolean(), fc.boolean()),
        {
          selector: ([name]) => name,
          maxLength: 4,
        },
      )
      .filter((all) => all.every(([name]) => name !== '__proto__' && !/^\d+$/.test(name))) // their order is not kept
      .map((all): [object, unknown] => [
        {
          type: 'object',
          properties: Object.fromEntries(all.map(([name, [schema]]) => [name, schema])),
          required: all.filter(([, , required]) => required).map(([name]) => name),
          additionalProperties: false,
        },
        Object.fromEntries(
          all.filter(([, , required, there]) => required || there).map(([name, [, value]]) => [name, value]),
        ),
      ]),
  ),
})).any;

test('whatever fits a schema follows its grammar', () => {
  fc.assert(
    fc.property(fitting, ([schema, value]) => {
      const text = JSON.stringify(value);
      fc.pre(!/e[+-]?\d{3}|\d{16}/.test(text) && !/\\ud[89a-f]/.test(text)); // longer numbers, half characters
      expect(accepts(schema, text)).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test('what the engine writes by it is JSON that fits', async () => {
  const { engine } = server.model;
  for (const [schema, holds] of [
    [person, (value: { name: string }) => Array.from(value.name).length <= 3 && value.name !== ''],
    [{ type: 'array', items: { type: 'integer', minimum: 0, maximum: 3 }, maxItems: 3 }, Array.isArray],
    [{ enum: ['a"b', 'ü\n', null] }, (value: unknown) => ['a"b', 'ü\n', null].includes(value as string)],
    [{ ...open, required: ['ab'] }, (value: { ab: number }) => value.ab === 1],
    [{ type: 'string', minLength: 2000, maxLength: 2000 }, () => true],
    [tree, (value: { v: boolean }) => typeof value.v === 'boolean'],
  ] as [unknown, (value: unknown) => boolean][]) {
    const grammar = schemaGrammar(schema, 'schema');
    for (let seed = 0; seed < 5; seed++) {
      const sampling = { temperature: 2, seed };
      const result = await engine.run({ prompt: 'aP', maxTokens: 100, sampling, grammar });
      if (result.finishReason !== 'stop') continue;
      const value: unknown = JSON.parse(result.text);
      expect(holds(value), result.text).toBe(true);
    }
  }
  const { text } = await engine.run({ prompt: 'aP', maxTokens: 20, grammar: anyJsonGrammar() });
  expect(text).toMatch(/^\{/);
});
