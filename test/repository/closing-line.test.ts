import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { folder } from '../support/folder.ts';

const VITEST = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const REPORTER = join(import.meta.dirname, '../../scripts/closing-line.ts');

/** The last line of a test run, and its exit code. */
async function closing(files: Record<string, string>): Promise<{ line: string | undefined; code: number }> {
  const root = folder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
  const args = [VITEST, 'run', '--root', root, '--globals', '--reporter=default', `--reporter=${REPORTER}`];
  return new Promise((resolve) => {
    execFile(process.execPath, args, (error, stdout) => {
      resolve({ line: stdout.trimEnd().split('\n').at(-1), code: error === null ? 0 : Number(error.code) });
    });
  });
}

test('a run ends with what passed and what failed', async () => {
  const fine = "test('a', () => {}); test('b', () => {}); test.skip('c', () => {});";
  expect(await closing({ 'fine.test.js': fine })).toEqual({ line: '2 passed, 0 failed', code: 0 });
});

test('failed tests, files that do not load and stray rejections all count', async () => {
  const files = {
    'bad.test.js':
      "test('a', () => {}); test('b', () => expect(1).toBe(2)); test('c', () => expect(1).toBe(3));",
    'broken.test.js': "import './missing.js';",
    'stray.test.js':
      "test('d', async () => { Promise.reject(new Error('stray')); await new Promise(setImmediate); });",
  };
  expect(await closing(files)).toEqual({ line: '2 passed, 4 failed', code: 1 });
});
