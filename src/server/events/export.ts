/** Events as a file for other tools: JSONL, the events as they are; Parquet, one flat row each. */

import { fileWriter, parquetWriteRows, type ColumnSource } from 'hyparquet-writer';
import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PersonaError } from '../../errors.ts';
import { fileProblem } from '../../files/file-problem.ts';
import { partialPath, seal, writeVerified } from '../../model/write-verified.ts';
import type { Reading } from '../../steer/policy/policy.ts';
import type { AnswerEvent } from '../contracts.ts';
import { type EventQuery, eventsOverview, queryEvents } from './query.ts';

type Column = Omit<ColumnSource, 'data'>;
type Row = Record<string, unknown>;

/** Rows of a Parquet group: what is held in memory at a time. */
const GROUP_ROWS = 5000;

/** Writes what the query finds, by the name's ending. Returns how many events. */
export async function exportEvents(path: string, database: string, query: EventQuery = {}): Promise<number> {
  const write = /\.parquet$/i.test(path) ? writeParquet : /\.jsonl$/i.test(path) ? writeJsonl : undefined;
  if (write === undefined)
    throw new PersonaError('USAGE', `${path}: events are written as .jsonl or .parquet`);
  try {
    await mkdir(dirname(path), { recursive: true });
    return await write(path, database, query);
  } catch (error) {
    throw fileProblem('write', path, error);
  }
}

async function writeJsonl(path: string, database: string, query: EventQuery): Promise<number> {
  let events = 0;
  async function* lines(): AsyncGenerator<Uint8Array> {
    for await (const event of queryEvents(database, query)) {
      events++;
      yield Buffer.from(`${JSON.stringify(event)}\n`);
    }
  }
  await writeVerified(path, lines());
  return events;
}

async function writeParquet(path: string, database: string, query: EventQuery): Promise<number> {
  // the columns are fixed before the first row; what a server writes meanwhile is left out
  const { traits, upTo } = eventsOverview(database, query);
  let events = 0;
  async function* rows(): AsyncGenerator<Row> {
    for await (const event of queryEvents(database, { ...query, upTo })) {
      events++;
      yield flatRow(event, traits);
    }
  }
  const temporary = partialPath(path);
  try {
    const writer = fileWriter(temporary);
    await parquetWriteRows({ writer, rows: rows(), columns: columnsOf(traits), rowGroupSize: GROUP_ROWS });
    await seal(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return events;
}

const PLAIN: readonly [name: string, type: NonNullable<Column['type']>][] = [
  ['id', 'STRING'],
  ['time', 'TIMESTAMP'],
  ['key_id', 'STRING'],
  ['policy', 'STRING'],
  ['model', 'STRING'],
  ['endpoint', 'STRING'],
  ['stream', 'BOOLEAN'],
  ['conversation', 'STRING'],
  ['turn', 'INT32'],
  ['prompt_tokens', 'INT32'],
  ['cached_tokens', 'INT32'],
  ['completion_tokens', 'INT32'],
  ['first_token_ms', 'DOUBLE'],
  ['total_ms', 'DOUBLE'],
  ['finish_reason', 'STRING'],
  ['error', 'STRING'],
  ['steering', 'STRING'],
  ['fired', 'STRING'],
  ['prompt', 'STRING'],
  ['answer', 'STRING'],
];

const READINGS = ['mean', 'max', 'last', 'prompt'] as const;

function columnsOf(traits: readonly string[]): Column[] {
  const plain = PLAIN.map(([name, type]): Column => ({ name, type, nullable: true }));
  const figures = traits.flatMap((trait): Column[] => [
    { name: `${trait}_layer`, type: 'INT32', nullable: true },
    ...READINGS.flatMap((figure): Column[] => [
      { name: `${trait}_${figure}`, type: 'DOUBLE', nullable: true },
      { name: `${trait}_${figure}_z`, type: 'DOUBLE', nullable: true },
    ]),
  ]);
  return [...plain, ...figures];
}

/** flatRow(event, ['evil']).evil_mean_z = event.traits.evil.mean.z; steering and fired rules are JSON */
function flatRow(event: AnswerEvent, traits: readonly string[]): Row {
  const row: Row = {
    id: event.id,
    time: new Date(event.time),
    key_id: event.keyId,
    policy: event.policy,
    model: event.model,
    endpoint: event.endpoint,
    stream: event.stream,
    conversation: event.conversation.id,
    turn: event.conversation.turn,
    prompt_tokens: event.promptTokens,
    cached_tokens: event.cachedTokens,
    completion_tokens: event.completionTokens,
    first_token_ms: event.firstTokenMs,
    total_ms: event.totalMs,
    finish_reason: event.finishReason,
    error: event.error,
    steering: JSON.stringify(event.steering),
    fired: JSON.stringify(event.fired),
    prompt: event.text?.prompt,
    answer: event.text?.answer,
  };
  for (const trait of traits) {
    const summary = event.traits[trait];
    row[`${trait}_layer`] = summary?.layer;
    for (const figure of READINGS) {
      const reading: Reading | undefined = summary?.[figure];
      row[`${trait}_${figure}`] = reading?.raw;
      row[`${trait}_${figure}_z`] = reading?.z;
    }
  }
  return row;
}
