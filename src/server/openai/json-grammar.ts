/**
 * From a JSON Schema to the grammar of its values. Whatever follows the grammar is valid; not everything valid follows
 * it: properties come in the schema's order, and others only where `additionalProperties` says so. `oneOf` is read as
 * `anyOf`. What cannot be expressed is an error that names its place.
 */

import { refuse } from '../errors.ts';
import { grammar, type Grammar, literal, otherString, times } from './gbnf.ts';

type Schema = Readonly<Record<string, unknown>>;

const TYPES = ['object', 'array', 'string', 'integer', 'number', 'boolean', 'null'] as const;
type Type = (typeof TYPES)[number];

/** Say something about a value without constraining it. */
const ANNOTATIONS: ReadonlySet<string> = new Set([
  '$schema', '$id', '$comment', '$defs', 'definitions', '$anchor',
  'title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly',
]); // prettier-ignore
/** of each type; those of another type say nothing of a value (JSON Schema §7.6.1) */
const CONSTRAINTS: Readonly<Record<Type, readonly string[]>> = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength'],
  integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  boolean: [],
  null: [],
};
const ALL_CONSTRAINTS = new Set(Object.values(CONSTRAINTS).flat());
const FORMS = ['$ref', 'anyOf', 'oneOf', 'allOf', 'enum', 'const'] as const;

/** A schema deeper than this is a mistake, and the stack has an end. */
const MAX_DEPTH = 64;
/** llama.cpp unrolls repetitions, and refuses many. */
const MAX_REPEATS = 2000;
/** A range of whole numbers is written out up to so many. */
const MAX_LISTED = 1000;
/** `integer` has at most 15 digits: wider bounds hold of themselves. */
const WIDEST = 999_999_999_999_999;

export function anyJsonGrammar(): string {
  return grammar('response_format').text('object');
}

/**
 * @param path of the schema in the request, for errors
 * @throws ApiError
 */
export function schemaGrammar(root: unknown, path: string): string {
  const out = grammar(path);
  const refs = new Map<string, string>(); // $ref → rule
  const rule = convert(root, path, { depth: 0, through: new Set() });
  return out.text(rule);

  /** `through`: the references that led here with no character between; one of them again would never end. */
  function convert(
    given: unknown,
    at: string,
    from: { depth: number; through: ReadonlySet<string> },
  ): string {
    if (from.depth > MAX_DEPTH) throw refuse(at, `the schema is deeper than ${MAX_DEPTH}`, 'invalid_schema');
    if (given === true) return 'value';
    if (given === false) throw cannot(at, 'no value fits it');
    if (typeof given !== 'object' || given === null || Array.isArray(given))
      throw refuse(at, 'expected a schema: an object or true', 'invalid_schema');
    const schema = given as Schema;
    checkKeywords(schema, at);
    const form = FORMS.find((each) => schema[each] !== undefined);
    const same = { depth: from.depth + 1, through: from.through };
    switch (form) {
      case '$ref':
        return reference(schema, at, same);
      case 'anyOf':
      case 'oneOf':
        return out.rule(
          list(schema[form], `${at}.${form}`)
            .map((each, i) => convert(each, `${at}.${form}[${i}]`, same))
            .join(' | '),
        );
      case 'allOf': {
        const parts = list(schema.allOf, `${at}.allOf`);
        if (parts.length > 1) throw cannot(`${at}.allOf`, 'only one schema can hold at a time');
        return convert(parts[0], `${at}.allOf[0]`, same);
      }
      case 'enum':
      case 'const': {
        const values = form === 'enum' ? list(schema.enum, `${at}.enum`) : [schema.const];
        const types = typesOf(schema, at);
        const fitting = types ? values.filter((value) => types.some((type) => isOf(type, value))) : values;
        if (fitting.length === 0) throw cannot(`${at}.${form}`, 'no value is of the type');
        return out.rule(fitting.map((value) => literal(JSON.stringify(value))).join(' | '));
      }
    }
    const types = typesOf(schema, at) ?? impliedTypes(schema);
    if (types === undefined) return 'value';
    return out.rule(types.map((type) => ofType(type, schema, at, from.depth + 1)).join(' | '));
  }

  function reference(
    schema: Schema,
    at: string,
    from: { depth: number; through: ReadonlySet<string> },
  ): string {
    const ref = schema.$ref;
    if (typeof ref !== 'string' || !/^#(?:$|\/)/.test(ref))
      throw cannot(`${at}.$ref`, 'only references within the schema are followed, as #/$defs/name');
    if (from.through.has(ref)) throw cannot(`${at}.$ref`, 'it refers to itself with nothing between');
    const known = refs.get(ref);
    if (known !== undefined) return known;
    let target: unknown = root;
    for (const part of ref.split('/').slice(1)) {
      const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
      const holder = target as Schema | undefined;
      target =
        typeof holder === 'object' && holder !== null && Object.hasOwn(holder, key) ? holder[key] : undefined;
    }
    if (target === undefined) throw refuse(`${at}.$ref`, `there is no ${ref}`, 'invalid_schema');
    const name = out.reserve();
    refs.set(ref, name);
    const body = convert(target, `${path}${ref.slice(1).replaceAll('/', '.')}`, {
      depth: from.depth,
      through: new Set([...from.through, ref]),
    });
    out.define(name, body);
    return name;
  }

  function ofType(type: Type, schema: Schema, at: string, depth: number): string {
    const inner = { depth, through: new Set<string>() };
    switch (type) {
      case 'null':
        return '"null"';
      case 'boolean':
        return '"true" | "false"';
      case 'string':
        return stringRule(schema, at);
      case 'integer':
        return integerRule(schema, at);
      case 'number':
        return numberRule(schema, at);
      case 'array': {
        const [least, most] = bounds(schema, at, 'minItems', 'maxItems');
        if (most === 0) return '"[" gap "]"';
        const item = convert(schema.items ?? true, `${at}.items`, inner);
        const others = times(`("," gap ${item})`, Math.max(0, least - 1), most && most - 1);
        const all = most === 1 ? `${item} gap` : `${item} ${others} gap`;
        return `"[" gap ${least === 0 ? `(${all})?` : all} "]"`;
      }
      case 'object':
        return objectRule(schema, at, (each, place) => convert(each, place, inner), out);
    }
  }
}

function objectRule(
  schema: Schema,
  at: string,
  convert: (schema: unknown, at: string) => string,
  out: Grammar,
): string {
  const properties = record(schema.properties, `${at}.properties`);
  const required = list(schema.required ?? [], `${at}.required`, 0);
  const extra = schema.additionalProperties ?? Object.keys(properties).length === 0;
  const names = [...new Set([...Object.keys(properties), ...(required as string[])])];
  for (const [i, name] of required.entries()) {
    if (typeof name !== 'string') throw refuse(`${at}.required[${i}]`, 'expected a name', 'invalid_schema');
    if (!Object.hasOwn(properties, name) && extra === false)
      throw cannot(`${at}.required[${i}]`, `${name} is required, and no property`);
  }
  const members = names.map((name) => {
    const of = Object.hasOwn(properties, name) ? properties[name] : extra === false ? true : extra;
    return {
      pair: out.rule(`${literal(JSON.stringify(name))} ":" gap ${convert(of, `${at}.properties.${name}`)}`),
      needed: required.includes(name),
    };
  });
  const more =
    extra === false
      ? undefined
      : out.rule(`${otherString(names, out)} ":" gap ${convert(extra, `${at}.additionalProperties`)}`);

  // What may follow, from the last member to the first; with and without members before it.
  let first = more ? out.rule(`(${more} ("," gap ${more})* gap)?`) : '""';
  let next = more ? out.rule(`("," gap ${more})* gap`) : 'gap';
  for (const { pair, needed } of members.toReversed()) {
    const start = `${pair} ${next}`;
    const follow = `"," gap ${pair} ${next}`;
    first = out.rule(needed ? start : `${start} | ${first}`);
    next = out.rule(needed ? follow : `${follow} | ${next}`);
  }
  return `"{" gap ${first} "}"`;
}

function stringRule(schema: Schema, at: string): string {
  const [least, most] = bounds(schema, at, 'minLength', 'maxLength');
  return least === 0 && most === undefined ? 'string' : `"\\"" ${times('char', least, most)} "\\""`;
}

function integerRule(schema: Schema, at: string): string {
  const { least, most } = range(schema, at, 1);
  if (least > most) throw cannot(at, `no whole number is at least ${least} and at most ${most}`);
  if (least <= -WIDEST && most >= WIDEST) return 'integer';
  if (most - least < MAX_LISTED)
    return Array.from({ length: most - least + 1 }, (_, i) => `"${least + i}"`).join(' | ');
  if (most >= WIDEST && least === 0) return 'natural';
  if (most >= WIDEST && least === 1) return '[1-9] [0-9]{0,14}';
  if (least <= -WIDEST && most === 0) return '"0" | "-" natural';
  throw cannot(at, `a range of ${most - least + 1} whole numbers is too wide to be written out`);
}

function numberRule(schema: Schema, at: string): string {
  const { least, most } = range(schema, at, 0);
  if (most === Infinity && least === -Infinity) return 'number';
  if (most === Infinity && least === 0 && schema.exclusiveMinimum === undefined) return 'natural fraction';
  throw cannot(at, 'bounds of a number can only be minimum: 0');
}

/** @param step added to an exclusive bound: the next whole number */
function range(schema: Schema, at: string, step: number): { least: number; most: number } {
  const bound = (keyword: string): number | undefined => {
    const value = schema[keyword];
    if (value !== undefined && (typeof value !== 'number' || !Number.isFinite(value)))
      throw refuse(`${at}.${keyword}`, 'expected a number', 'invalid_schema');
    return value;
  };
  const [above, below] = [bound('exclusiveMinimum'), bound('exclusiveMaximum')];
  const least = Math.max(bound('minimum') ?? -Infinity, above === undefined ? -Infinity : nextUp(above));
  const most = Math.min(bound('maximum') ?? Infinity, below === undefined ? Infinity : nextDown(below));
  if (step === 0) return { least, most };
  return { least: Math.ceil(least) + 0, most: Math.floor(most) + 0 }; // + 0: no −0

  function nextUp(value: number): number {
    return step === 0 ? value : Math.floor(value) + step;
  }
  function nextDown(value: number): number {
    return step === 0 ? value : Math.ceil(value) - step;
  }
}

function bounds(
  schema: Schema,
  at: string,
  min: string,
  max: string,
): [least: number, most: number | undefined] {
  for (const keyword of [min, max]) {
    const value = schema[keyword];
    if (value === undefined) continue;
    if (!Number.isInteger(value) || (value as number) < 0)
      throw refuse(`${at}.${keyword}`, 'expected a whole number from 0 on', 'invalid_schema');
    if ((value as number) > MAX_REPEATS) throw cannot(`${at}.${keyword}`, `at most ${MAX_REPEATS}`);
  }
  const least = (schema[min] as number | undefined) ?? 0;
  const most = schema[max] as number | undefined;
  if (most !== undefined && most < least) throw cannot(`${at}.${max}`, `less than ${min}`);
  return [least, most];
}

function checkKeywords(schema: Schema, at: string): void {
  const forms = FORMS.filter((form) => schema[form] !== undefined);
  for (const keyword of Object.keys(schema)) {
    if (schema[keyword] === undefined || ANNOTATIONS.has(keyword) || keyword.startsWith('x-')) continue;
    if (keyword === 'type' || (FORMS as readonly string[]).includes(keyword)) continue;
    if (!ALL_CONSTRAINTS.has(keyword)) throw cannot(`${at}.${keyword}`, 'this keyword cannot be held to');
    if (forms.length > 0) throw cannot(`${at}.${keyword}`, `cannot be held to beside ${forms[0]}`);
  }
  if (forms.length > 1) throw cannot(`${at}.${forms[1]}`, `cannot be held to beside ${forms[0]}`);
  const [form] = forms;
  if (schema.type !== undefined && form !== undefined && form !== 'enum' && form !== 'const')
    throw cannot(`${at}.type`, `cannot be held to beside ${form}`);
}

function typesOf({ type }: Schema, at: string): Type[] | undefined {
  if (type === undefined) return undefined;
  const types = [type].flat();
  const unknown = types.find((each) => !(TYPES as readonly unknown[]).includes(each));
  if (types.length === 0 || unknown !== undefined)
    throw refuse(`${at}.type`, `${JSON.stringify(unknown)} is none of ${TYPES.join(', ')}`, 'invalid_schema');
  return types as Type[];
}

/** A constraint without a type leaves all other types free; the one that it is about is meant. */
function impliedTypes(schema: Schema): Type[] | undefined {
  const implied = TYPES.filter((type) => type !== 'integer').filter((type) =>
    CONSTRAINTS[type].some((keyword) => schema[keyword] !== undefined),
  );
  return implied.length > 0 ? implied : undefined;
}

function isOf(type: Type, value: unknown): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return type === 'integer' ? Number.isInteger(value) : typeof value === type;
}

function list(value: unknown, at: string, least = 1): readonly unknown[] {
  if (Array.isArray(value) && value.length >= least) return value;
  throw refuse(at, 'expected a list', 'invalid_schema');
}

function record(value: unknown, at: string): Schema {
  if (value === undefined) return {};
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Schema;
  throw refuse(at, 'expected an object', 'invalid_schema');
}

function cannot(at: string, why: string): Error {
  return refuse(at, why, 'unsupported_schema');
}
