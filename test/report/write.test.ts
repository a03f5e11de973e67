import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { renderReport } from '../../src/report/render.ts';
import { writeReport } from '../../src/report/write.ts';
import { sampleReport } from './fixture.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'persona-report-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('the file holds the page, in a folder made for it, and nothing else is left', async () => {
  const path = join(folder, 'run', 'report.html');
  await writeReport(path, sampleReport());
  expect(await readFile(path, 'utf8')).toBe(renderReport(sampleReport()));
  expect(await readdir(join(folder, 'run'))).toEqual(['report.html']);
});

test('an older page is replaced', async () => {
  const path = join(folder, 'report.html');
  await writeFile(path, 'old');
  await writeReport(path, sampleReport());
  expect(await readFile(path, 'utf8')).toMatch(/^<!doctype html>/i);
});

test('a write that fails says so and leaves no half page behind', async () => {
  const path = join(folder, 'report.html');
  await mkdir(join(path, 'in the way'), { recursive: true });
  await expect(writeReport(path, sampleReport())).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST|EPERM/);
  expect(await readdir(folder)).toEqual(['report.html']);
});
