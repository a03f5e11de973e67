/** `persona vectors`: the vectors there are, and what is known of one. */

import type { Command } from 'commander';
import { stat } from 'node:fs/promises';
import { isPersonaError } from '../errors.ts';
import { norm } from '../math/vector.ts';
import { vectorsFolder } from '../model/home.ts';
import { type ControlVector, readControlVector } from '../steer/control-vector.ts';
import type { Trait } from '../trait/trait.ts';
import type { AxisRecipe } from '../vector/axis-figures.ts';
import { readVector } from '../vector/file.ts';
import { vectorName, vectorPath } from '../vector/find.ts';
import { listVectorFiles } from '../vector/list.ts';
import { direction, type PersonaVector } from '../vector/vector.ts';
import { sparkline } from './kit/chart.ts';
import { doseTable } from './kit/dose-table.ts';
import { evidenceText } from './kit/evidence-text.ts';
import { describe } from './kit/help.ts';
import { run, type Session } from './kit/run.ts';
import { table } from './kit/table.ts';
import { harmless } from './kit/text.ts';
import { registerCombine } from './vectors/combine.ts';
import { registerCompare } from './vectors/compare.ts';
import { registerConvert } from './vectors/convert.ts';
import { registerDecompose } from './vectors/decompose.ts';

export function registerVectors(program: Command): void {
  const vectors = program.command('vectors').description('list, show, convert, combine and compare vectors');
  describe(vectors, 'Find', [
    { does: 'those that can be named without a path', line: 'persona vectors ls' },
    { does: 'all that is known of one', line: 'persona vectors show evil.gguf' },
  ]);

  const list = vectors
    .command('ls')
    .description('list the vectors of the vectors folder, and of folders and files that are given')
    .argument('[paths...]', 'more folders and files')
    .action(run(listed));
  describe(list, 'Find', [
    { does: 'those that can be named without a path', line: 'persona vectors ls' },
    { does: 'those of runs too', line: 'persona vectors ls runs/*/vector.gguf' },
  ]);

  const show = vectors
    .command('show')
    .description('show trait, model, layer, norms, quality, baseline and recipe of a vector')
    .argument('<vector>', 'path or name')
    .action(run(shown));
  describe(show, 'Find', [
    { does: 'all that is known of it', line: 'persona vectors show evil.gguf' },
    { does: 'for programs', line: 'persona vectors show evil.gguf --json' },
  ]);
  registerConvert(vectors);
  registerCombine(vectors);
  registerCompare(vectors);
  registerDecompose(vectors);
}

/** What can be told of a file; `problem` where it cannot be used. */
interface Listed {
  name: string;
  path: string;
  trait?: string;
  model?: string;
  layer?: number | null;
  coefficient?: number | null;
  problem?: string;
}

async function listed(session: Session, paths: readonly string[]): Promise<void> {
  const files = await listVectorFiles(vectorsFolder());
  for (const path of paths) {
    const folder = (await stat(path).catch(() => undefined))?.isDirectory();
    files.push(...(folder ? await listVectorFiles(path) : [path]));
  }
  const vectors = await Promise.all(files.map(describeFile));
  const usable = vectors.filter(({ problem }) => problem === undefined);
  const rows = usable.map(({ name, trait, model, layer, coefficient }) => [
    name,
    trait,
    model,
    layer ?? '–',
    coefficient == null ? '–' : plain(coefficient),
  ]);
  const parts = usable.length > 0 ? [table(['vector', 'trait', 'model', 'layer', 'coefficient'], rows)] : [];
  for (const { path, problem } of vectors) if (problem !== undefined) parts.push(`${path}: ${problem}`);
  const text =
    parts.length > 0 ? parts.join('\n') : `No vectors yet in ${vectorsFolder()}: persona extract TRAIT`;
  session.result({ vectors }, text);
}

async function describeFile(path: string): Promise<Listed> {
  const name = path.startsWith(vectorsFolder()) ? vectorName(path) : path;
  try {
    const { trait, model, layer = null, coefficient = null } = await readVector(path);
    return { name, path, trait, model: model.name, layer, coefficient };
  } catch (error) {
    if (!isPersonaError(error)) throw error;
    return { name, path, problem: error.message.replace(`${path}: `, '') };
  }
}

async function shown(session: Session, nameOrPath: string): Promise<void> {
  const path = await vectorPath(nameOrPath);
  const control = await readControlVector(path);
  if (control.own) session.result(documentOf(path, control.own), textOf(path, control.own));
  else session.result(foreignDocument(control), foreignText(control));
}

function documentOf(path: string, vector: PersonaVector): object {
  const { trait, kind, model, layer = null, coefficient = null, residualNorms, baseline, ...rest } = vector;
  return {
    path,
    trait,
    kind,
    model,
    layer,
    coefficient,
    norms: normsOf(vector),
    residualNorms: residualNorms ?? null,
    baseline: baseline ?? null,
    recipe: rest.recipe,
    quality: rest.quality,
    version: rest.version,
  };
}

function textOf(path: string, vector: PersonaVector): string {
  const { trait, kind, model, layer, coefficient, residualNorms, baseline, recipe, quality, version } =
    vector;
  const norms = normsOf(vector);
  const facts: [string, string][] = [
    ['file', path],
    ['trait', `${trait} (${kind})`],
    [
      'model',
      `${model.name} · ${model.architecture} · ${model.layers} layers of width ${model.width} · ${model.quantization}`,
    ],
    ['model hash', model.sha256],
    ['layer', layer === undefined ? 'none chosen yet: persona sweep' : String(layer)],
    ['coefficient', coefficient === undefined ? 'none chosen yet: persona sweep' : plain(coefficient)],
    ['norms', perLayer(norms, layer)],
  ];
  if (residualNorms)
    facts.push([
      'as share',
      perLayer(
        norms.map((length, b) => (100 * length) / residualNorms[b]!),
        layer,
        '%',
      ),
    ]);
  if (baseline && layer !== undefined)
    facts.push([
      'baseline',
      `${plain(baseline.mean[layer]!)} ± ${plain(baseline.deviation[layer]!)} over ${baseline.answers} answers, at layer ${layer}`,
    ]);
  else
    facts.push([
      'baseline',
      baseline ? `${baseline.answers} answers` : 'none: no z values, and caps need a plain bound',
    ]);
  facts.push(['written by', `persona ${version}`]);
  const sections = [aligned(facts)];
  if (layer !== undefined) {
    const evidence = evidenceText(quality, layer);
    if (evidence !== '') sections.push(`Evidence, at layer ${layer}\n${evidence}`);
  }
  if (quality.doses && quality.doses.length > 0)
    sections.push(
      `Steering at layer ${quality.doses[0]!.layer}, judged by ${judgeOf(vector)}\n${indented(doseTable(quality.doses, coefficient))}`,
    );
  for (const [title, values] of [
    ['Quality', quality],
    ['Recipe', recipe],
  ] as const) {
    const entries = Object.entries({ ...values } as Record<string, unknown>)
      .filter(([key]) => !TOLD_ABOVE.has(key))
      .map(([key, value]): [string, unknown] => [key, key === 'trait' ? traitLine(value as Trait) : value])
      .flatMap(([key, value]) => (key === 'axis' ? axisEntries(key, value) : [[key, value] as const]));
    if (entries.length > 0)
      sections.push(
        `${title}\n${aligned(entries.map(([key, value]) => [`  ${key}`, valueText(value, model.layers, layer)]))}`,
      );
  }
  return sections.join('\n\n');
}

/** Figures that have a line of their own, or none for people. */
const TOLD_ABOVE: ReadonlySet<string> = new Set(
  'norms doses splitHalf permutation heldOut length floor similar refusals capability otherLayers verdict'.split(
    ' ',
  ),
);

function judgeOf({ recipe: { judge, otherJudges = [] } }: PersonaVector): string {
  return [judge?.name ?? 'a judge that is not named', ...otherJudges].join(', then ');
}

function indented(text: string): string {
  return text.replace(/^/gm, '  ');
}

/** The recipe keeps the trait whole; to read, its name and size are enough. */
function traitLine({ name, instruction, questions, evaluation }: Trait): string {
  return `${name}, ${instruction.length} instruction pairs, ${questions.length} + ${evaluation.length} questions`;
}

/** Of an assistant axis: its recipe in a line; of its figures each in lines of its own. */
function axisEntries(key: string, value: unknown): (readonly [string, unknown])[] {
  if (!isObject(value)) return [[key, value]];
  if ('neutral' in value) return [[key, axisLine(value as unknown as AxisRecipe)]];
  return Object.entries(value).flatMap(([inner, item]) => axisEntries(`${key}.${inner}`, item));
}

function axisLine({ roles, neutral, questions, filter }: AxisRecipe): string {
  const kept = roles.filter((role) => role.kept >= filter.least).length;
  return `${kept} of ${roles.length} roles counted, ${neutral.length} neutral prompts, ${questions.length} questions`;
}

function foreignDocument({ path, hint, directions }: ControlVector): object {
  const layers = [...directions.keys()].toSorted((a, b) => a - b);
  return {
    path,
    trait: null,
    hint: hint ?? null,
    layers,
    norms: layers.map((b) => norm(directions.get(b)!)),
  };
}

function foreignText({ path, hint, directions }: ControlVector): string {
  const layers = [...directions.keys()].toSorted((a, b) => a - b);
  const width = directions.get(layers[0]!)!.length;
  return aligned([
    ['file', path],
    ['kind', "another tool's control vector: --control-vector uses it"],
    ['model', `${hint ?? 'not said'} · width ${width}`],
    ['layers', `${layers[0]} to ${layers.at(-1)}`],
    [
      'norms',
      perLayer(
        layers.map((b) => norm(directions.get(b)!)),
        undefined,
      ),
    ],
  ]);
}

function normsOf(vector: PersonaVector): number[] {
  return Array.from({ length: vector.model.layers }, (_, b) => norm(direction(vector, b)));
}

/** ▁▂▄▇█ 2.6 to 72, 18.8 at layer 18 */
function perLayer(values: readonly number[], layer: number | undefined, unit = ''): string {
  const known = values.filter(Number.isFinite);
  const span = `${plain(Math.min(...known))}${unit} to ${plain(Math.max(...known))}${unit}`;
  const chosen = layer === undefined ? '' : `, ${plain(values[layer]!)}${unit} at layer ${layer}`;
  return `${sparkline(values)} ${span}${chosen}`;
}

/** A plain JSON value for people: numbers per layer become a curve, a list of objects one line each. */
function valueText(value: unknown, layers: number, layer: number | undefined): string {
  if (Array.isArray(value) && value.length === layers && layers > 1) {
    const numbers = value.map((item: unknown) => (typeof item === 'number' ? item : NaN));
    if (numbers.some(Number.isFinite)) return perLayer(numbers, layer);
  }
  const own: unknown = Array.isArray(value) && layer !== undefined ? value[layer] : undefined;
  if (Array.isArray(value) && value.length === layers && Array.isArray(own))
    return `${inline(own)} at layer ${layer}`;
  if (Array.isArray(value) && value.length > 0 && value.every((item) => isObject(item)))
    return value.map((item) => `\n    ${inline(item)}`).join('');
  return inline(value);
}

/** inline({ layer: 18, trait: { mean: 51.23456, low: 40, high: 60, n: 8 } }) = 'layer 18 · trait 51.23' */
function inline(value: unknown): string {
  if (typeof value === 'number') return plain(value);
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(inline).join(', ');
  if (!isObject(value)) return String(value);
  if (typeof value['mean'] === 'number') return plain(value['mean']);
  const entries = Object.entries(value).map(([key, item]) => `${key} ${inline(item)}`);
  return entries.join(' · ');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Four digits are enough to read. plain(1.2999999523) = '1.3' */
function plain(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function aligned(facts: readonly (readonly [string, string])[]): string {
  const width = Math.max(...facts.map(([label]) => label.length));
  return facts.map(([label, value]) => `${label.padEnd(width)}  ${harmless(value)}`).join('\n');
}
