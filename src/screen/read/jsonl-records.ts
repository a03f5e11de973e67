/** JSONL line by line: a broken line is told, and the next one read. */

import { isPersonaError } from '../../errors.ts';
import { checkJson } from '../../files/check-json.ts';
import { decodeText } from '../../files/decode-text.ts';
import { isBlank, readLines } from '../../files/jsonl.ts';
import { z } from 'zod';
import { bytesOf } from './bytes.ts';
import type { DataFile } from './files.ts';
import type { ReadRecord } from './record.ts';

const anyObject = z.record(z.string(), z.unknown());

export async function* jsonlRecords(file: DataFile): AsyncGenerator<ReadRecord> {
  for await (const { line, bytes } of readLines({ name: file.path, bytes: bytesOf(file) })) {
    if (isBlank(bytes)) continue;
    const at = { file: file.path, row: line, place: `${file.path}:${line}` };
    try {
      yield { ...at, fields: checkJson(decodeText(bytes, at.place), at.place, anyObject) };
    } catch (error) {
      if (!isPersonaError(error)) throw error;
      yield { ...at, problem: error.message.slice(at.place.length + 2) };
    }
  }
}
