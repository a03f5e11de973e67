/** JSONL line by line: a broken line is told, and the next one read. */

import { isPersonaError } from '../../errors.ts';
import { decodeText } from '../../files/decode-text.ts';
import { isBlank, readLines } from '../../files/jsonl.ts';
import { bytesOf } from './bytes.ts';
import type { DataFile } from './files.ts';
import type { ReadRecord } from './record.ts';

export async function* jsonlRecords(file: DataFile): AsyncGenerator<ReadRecord> {
  for await (const { line, bytes } of readLines({ name: file.path, bytes: bytesOf(file) })) {
    if (isBlank(bytes)) continue;
    const at = { file: file.path, row: line, place: `${file.path}:${line}` };
    const value = parsed(bytes, at.place);
    if (value instanceof Error) yield { ...at, problem: value.message };
    else if (typeof value !== 'object' || value === null || Array.isArray(value))
      yield { ...at, problem: 'expected an object of fields' };
    else yield { ...at, fields: value as Record<string, unknown> };
  }
}

function parsed(bytes: Uint8Array, place: string): unknown {
  try {
    const text = decodeText(bytes, place);
    return LONG_NUMBER.test(text) ? JSON.parse(text, keepLong) : JSON.parse(text);
  } catch (error) {
    return new Error(isPersonaError(error) ? 'not UTF-8 text' : `not JSON: ${(error as Error).message}`);
  }
}

/** An identifier of more digits than a double holds: it has to come out again as it went in. */
const LONG_NUMBER = /\d{16}/;

/** Node's JSON knows the text of a number, and can write it as it is; the types do not know of that yet. */
type RawJson = typeof JSON & { rawJSON(text: string): unknown };

function keepLong(_key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  const isLong = typeof value === 'number' && source !== undefined && /^-?\d+$/.test(source);
  return isLong && !Number.isSafeInteger(value) ? (JSON as RawJson).rawJSON(source) : value;
}
