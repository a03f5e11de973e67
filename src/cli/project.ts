/** `persona project`: the projection of finished texts onto vectors, as new fields of their rows. */

import { type Command, Option } from 'commander';
import { z } from 'zod';
import type { MeanKind } from '../engine/request.ts';
import { PersonaError } from '../errors.ts';
import { asGiven } from '../files/as-given.ts';
import { csvLine } from '../files/csv.ts';
import { readJsonl } from '../files/jsonl.ts';
import { writeWhole } from '../files/write-whole.ts';
import { mean } from '../math/statistics.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { ChatMessage } from '../model/template.ts';
import { type FinishedText, MEAN_KINDS, type Projection, projectRow } from '../monitor/project-row.ts';
import { parseWatch, resolveWatches, type Watch, type WatchSpec } from '../monitor/watch.ts';
import { vectorFinder, vectorName } from '../vector/find.ts';
import { atPlace } from './kit/at-place.ts';
import { describe } from './kit/help.ts';
import { mapInOrder } from '../engine/in-order.ts';
import { addModelOptions, type ModelOptions, openModel } from './kit/model-options.ts';
import { range, repeated } from './kit/options.ts';
import { run, type Session } from './kit/run.ts';
import { table } from './kit/table.ts';

interface ProjectOptions extends ModelOptions {
  vector: WatchSpec[];
  layer?: number[];
  kind: MeanKind;
  output?: string;
}

type Row = { messages?: ChatMessage[] | undefined; prompt?: string | undefined; answer?: string | undefined };

const message = z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() });
/** Other fields are the user's own, and stay. */
const schema: z.ZodType<Row> = asGiven(
  z
    .object({
      messages: z.array(message).min(1).optional(),
      prompt: z.string().min(1).optional(),
      answer: z.string().optional(),
    })
    .refine(({ messages, prompt }) => (messages === undefined) !== (prompt === undefined), {
      error: 'expected either "messages", or "prompt" and "answer" as rendered text',
    }),
);

const DEFAULT_PARALLEL = 8;

export function registerProject(program: Command): void {
  const command = program
    .command('project')
    .description('project finished texts onto vectors')
    .argument(
      '<file>',
      'JSONL with "messages", the last one the answer; or with "prompt" and "answer", rendered text',
    )
    .requiredOption(
      '--vector <vector>',
      'VECTOR[@LAYER]; may be repeated, one pass reads them all',
      repeated((text) => parseWatch(text)),
    )
    .option(
      '--layer <list>',
      "layers, as in 14 or 8-20, for vectors without one of their own (default: the vector's)",
      range,
    )
    .addOption(
      new Option('--kind <kind>', 'what is averaged').choices([...MEAN_KINDS]).default('response_avg'),
    )
    .option(
      '-o, --output <file>',
      'write the rows to this file, .jsonl or .csv (default: JSON lines on stdout)',
    );
  addModelOptions(command);
  command.addHelpText(
    'after',
    `
Each row comes back with a field TRAIT_KIND_layerLAYER, the projection <h, v>/|v| in units of activation norm, and for
response_avg TRAIT_KIND_layerLAYER_z, in standard deviations from the model's neutral answers, where the vector knows them.
Layers are counted from 0, after the block.`,
  );
  command.action(run(projectFile));
  describe(command, 'Screen and train', [
    {
      does: 'how evil each answer is',
      line: 'persona project answers.jsonl --vector evil.gguf -o scored.jsonl',
    },
    {
      does: 'what the prompts lead to expect',
      line: 'persona project answers.jsonl --vector evil.gguf --kind prompt_last',
    },
    {
      does: 'two traits at several layers, as a table',
      line: 'persona project answers.jsonl --vector evil --vector humorous --layer 12-20:2 -o scored.csv',
    },
  ]);
}

async function projectFile(session: Session, file: string, options: ProjectOptions): Promise<void> {
  const { output, kind } = options;
  if (output !== undefined && !/\.(jsonl|csv)$/i.test(output))
    throw new PersonaError('USAGE', `-o ${output}: expected a name that ends in .jsonl or .csv`);
  const find = vectorFinder();
  for (const { vector } of options.vector) await find(vector);
  const rows = await readRows(file, kind);
  const parallel = options.parallel ?? DEFAULT_PARALLEL;

  await using model = await openModel(session, options, { parallel });
  const { watches, notes } = await resolveWatches(atLayers(options), find, model.identity);
  for (const note of notes) session.human(note);
  const names = columnNames(watches, kind);
  const texts: { place: string; row: Row; text: FinishedText }[] = [];
  for (const { place, row } of rows)
    texts.push({ place, row, text: await atPlace(place, () => finishedText(row, kind, model)) });

  const bar = session.progress({ label: 'projecting', total: rows.length, unit: 'rows' });
  const values: (number | null)[][] = names.map(() => []);
  const written: object[] = [];
  const stop = new AbortController();
  const signal = AbortSignal.any([session.signal, stop.signal]);
  const projected = mapInOrder(texts, 2 * parallel, async ({ place, row, text }) => ({
    row,
    found: await atPlace(place, () => projectRow(model.engine, text, watches, kind, signal)),
  }));
  let done = 0;
  try {
    for await (const { row, found } of projected) {
      for (const [w, { value }] of found.entries()) values[w]!.push(value);
      const whole = { ...row, ...fieldsOf(names, found) };
      if (output === undefined) session.row(whole);
      else written.push(whole);
      bar.update(++done);
    }
  } finally {
    stop.abort();
  }
  bar.done();

  const summary = names.map((name, w) => summarise(name, values[w]!));
  const text = summaryText(summary);
  if (output === undefined) {
    session.human(`\n${text}`);
    return;
  }
  await writeWhole(output, /\.csv$/i.test(output) ? csvOf(written) : jsonlOf(written));
  session.result({ output, rows: rows.length, fields: summary }, `${text}\n\nwritten to ${output}`);
}

interface PlacedRow {
  place: string;
  row: Row;
}

async function readRows(file: string, kind: MeanKind): Promise<PlacedRow[]> {
  const rows: PlacedRow[] = [];
  for await (const { line, value: row } of readJsonl(file, schema)) {
    const place = `${file}:${line}`;
    const answered = row.messages ? row.messages.at(-1)!.role === 'assistant' : row.answer !== undefined;
    if (kind === 'response_avg' && !answered)
      throw new PersonaError('BAD_FILE', `${place}: there is no answer to project`, {
        remedy:
          'End "messages" with the assistant’s, give "answer" beside "prompt", or project the prompt: --kind prompt_last.',
      });
    rows.push({ place, row });
  }
  if (rows.length === 0) throw new PersonaError('BAD_FILE', `${file}: there are no rows`);
  return rows;
}

function finishedText({ messages, prompt, answer }: Row, kind: MeanKind, model: ChatModel): FinishedText {
  if (messages === undefined) return { prompt: prompt!, answer };
  const last = messages.at(-1)!;
  const asked = last.role === 'assistant' ? messages.slice(0, -1) : messages;
  return { prompt: model.render(asked), ...(kind === 'response_avg' && { answer: last.content }) };
}

/** --layer is for the vectors that are given without one. */
function atLayers({ vector, layer }: ProjectOptions): WatchSpec[] {
  return vector.flatMap((spec) =>
    layer === undefined || spec.layer !== undefined ? [spec] : layer.map((one) => ({ ...spec, layer: one })),
  );
}

/** The trait names a column; where two vectors of one trait are read at one layer, the files' names do. */
function columnNames(watches: readonly Watch[], kind: MeanKind): string[] {
  const forms = [
    ({ vector, layer }: Watch) => `${vector.trait}_${kind}_layer${layer}`,
    ({ source, layer }: Watch) => `${vectorName(source)}_${kind}_layer${layer}`,
    ({ source, layer }: Watch) => `${source}_${kind}_layer${layer}`,
  ];
  return watches.map((watch) =>
    forms.find((form) => watches.every((other) => other === watch || form(other) !== form(watch)))!(watch),
  );
}

function fieldsOf(names: readonly string[], found: readonly Projection[]): Record<string, number | null> {
  const fields: Record<string, number | null> = {};
  for (const [w, { value, z: deviations }] of found.entries()) {
    fields[names[w]!] = value;
    if (deviations !== undefined) fields[`${names[w]}_z`] = deviations;
  }
  return fields;
}

interface Summary {
  field: string;
  /** that have a value */
  rows: number;
  mean: number | null;
  least: number | null;
  greatest: number | null;
}

function summarise(field: string, values: readonly (number | null)[]): Summary {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return { field, rows: 0, mean: null, least: null, greatest: null };
  let [least, greatest] = [Infinity, -Infinity];
  for (const value of known) {
    least = Math.min(least, value);
    greatest = Math.max(greatest, value);
  }
  return { field, rows: known.length, mean: mean(known), least, greatest };
}

function summaryText(summary: readonly Summary[]): string {
  const rows = summary.map(({ field, rows: known, mean: average, least, greatest }) => [
    field,
    known,
    ...[average, least, greatest].map(short),
  ]);
  return table(['field', 'rows', 'mean', 'least', 'greatest'], rows);
}

function short(value: number | null): string {
  return value === null ? '–' : value.toFixed(2);
}

function jsonlOf(rows: readonly object[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

/** All fields that any row has, in the order of their first appearance. */
function csvOf(rows: readonly object[]): string {
  const fields = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = rows.map((row) => csvLine(fields.map((field) => (row as Record<string, unknown>)[field])));
  return [csvLine(fields), ...lines, ''].join('\r\n');
}
