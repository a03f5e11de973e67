/** Writes the page whole: a reader, or a killed run, never sees half of one. */

import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ReportData } from './report-data.ts';
import { renderReport } from './render.ts';

export async function writeReport(path: string, data: ReportData): Promise<void> {
  const page = renderReport(data);
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  // in the same folder, since a rename is only atomic within one file system
  const temporary = join(folder, `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    {
      await using file = await open(temporary, 'wx');
      await file.writeFile(page);
      await file.sync();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
