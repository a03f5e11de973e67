/** Values for a JSON schema, as fast-check makes them: such as fit it, and such with one place broken. */

import fc from 'fast-check';

export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
}

/** Longer lists and texts are no other kind of value. */
const MOST = 4;
/** Where a schema holds itself. */
const DEEPEST = 5;

/** @param named the schemas that `$ref` may name */
export function valuesOf(
  schema: Schema,
  named: Readonly<Record<string, Schema>>,
  depth = 0,
): fc.Arbitrary<unknown> {
  const of = (inner: Schema): fc.Arbitrary<unknown> => valuesOf(inner, named, depth + 1);
  if (depth > DEEPEST) return fc.constant(null);
  if (schema.$ref !== undefined) return of(named[schema.$ref.split('/').at(-1)!]!);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if ('const' in schema) return fc.constant(schema.const);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return fc.oneof(...choices.map(of));
  if (schema.allOf) return of(Object.assign({}, ...schema.allOf) as Schema);
  if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type) => of({ ...schema, type })));
  switch (schema.type) {
    case 'object':
      return fc.record(
        Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, inner]) => [name, of(inner)])),
        { requiredKeys: schema.required ?? [] },
      );
    case 'array':
      return fc.array(of(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.max(schema.minItems ?? 0, Math.min(schema.maxItems ?? MOST, MOST)),
      });
    case 'string':
      if (schema.pattern !== undefined) return fc.stringMatching(new RegExp(schema.pattern));
      return fc.string({ unit: 'grapheme', minLength: schema.minLength ?? 0, maxLength: 4 * MOST });
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -100, max: Math.min(schema.maximum ?? 100, 2 ** 31 - 1) });
    case 'number':
      return fc.double({ min: schema.minimum ?? -1e6, max: schema.maximum ?? 1e6, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.jsonValue({ maxDepth: 1 });
  }
}

/** The same with anything at all in one place of it, or one place left out. */
export function brokenOf(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const anything = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom<unknown>('', -1, 1e308, 2 ** 53, '\u0000', [], {}, [[]], 'x'.repeat(10_000), '__proto__'),
  );
  return fc
    .tuple(values, fc.nat(), fc.option(anything, { nil: undefined }))
    .map(([value, place, put]) => replaced(value, place, put));
}

/** @param put undefined: nothing is there */
function replaced(value: unknown, place: number, put: unknown): unknown {
  const copy = structuredClone({ value });
  const places: [holder: Record<string, unknown>, key: string][] = [];
  const collect = (holder: object): void => {
    for (const [key, inner] of Object.entries(holder)) {
      places.push([holder as Record<string, unknown>, key]);
      if (typeof inner === 'object' && inner !== null) collect(inner);
    }
  };
  collect(copy);
  const [holder, key] = places[place % places.length]!;
  if (put !== undefined) holder[key] = put;
  else if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else delete holder[key];
  return copy.value;
}
