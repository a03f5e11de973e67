/**
 * The folder of a run: what was asked for (config.json) and what came of it, written as it comes. A killed run goes on
 * where it was; a run that was configured otherwise is never gone on with.
 */

import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { PersonaError } from '../errors.ts';
import { openJsonl, readJsonl, type JsonlLog } from '../files/jsonl.ts';
import { readJson } from '../files/read-json.ts';
import { writeWhole } from '../files/write-whole.ts';

export type RunConfig = Record<string, unknown>;

/**
 * Opens the folder, or makes it.
 * @throws PersonaError USAGE when it holds a run with another configuration, naming what differs
 */
export async function openRunFolder(folder: string, config: RunConfig): Promise<void> {
  const path = join(folder, 'config.json');
  if (existsSync(path)) {
    const stored = await readJson(path, z.record(z.string(), z.unknown()));
    const differing = differences(stored, JSON.parse(JSON.stringify(config)) as RunConfig);
    if (differing.length > 0) {
      throw new PersonaError(
        'USAGE',
        `${folder} holds a run that was configured otherwise: ${differing.join('; ')}`,
        {
          remedy: 'give another folder (--run), or remove this one to begin anew',
        },
      );
    }
    return;
  }
  await mkdir(folder, { recursive: true });
  await writeWhole(path, `${JSON.stringify(config, null, 2)}\n`);
}

/** "questions: 20 there, 8 now" for every field that differs, nested ones by their path. */
function differences(there: unknown, now: unknown, path = ''): string[] {
  if (isRecord(there) && isRecord(now)) {
    const keys = [...new Set([...Object.keys(there), ...Object.keys(now)])];
    return keys.flatMap((key) => differences(there[key], now[key], path === '' ? key : `${path}.${key}`));
  }
  if (JSON.stringify(there) === JSON.stringify(now)) return [];
  return [`${path}: ${brief(there)} there, ${brief(now)} now`];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** A log of a run with what it already holds, each row once. */
export interface RunLog<T> {
  rows: T[];
  log: JsonlLog;
}

/**
 * @param keyOf rows with the same key are one; the first stands
 * @param counts rows that do not are passed over, as if they had not been written
 */
export async function openRunLog<T extends object>(
  path: string,
  schema: z.ZodType<T>,
  keyOf: (row: T) => string,
  counts: (row: T) => boolean = () => true,
): Promise<RunLog<T>> {
  const log = await openJsonl(path); // cuts a torn last line off
  const rows = new Map<string, T>();
  try {
    for await (const { value } of readJsonl(path, schema))
      if (counts(value) && !rows.has(keyOf(value))) rows.set(keyOf(value), value);
  } catch (error) {
    await log.close();
    throw error;
  }
  return { rows: [...rows.values()], log };
}
