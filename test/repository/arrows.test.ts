import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { folder } from '../support/folder.ts';

const ROOT = join(import.meta.dirname, '../..');
const OXLINT = join(dirname(createRequire(import.meta.url).resolve('oxlint/package.json')), 'bin/oxlint');

const ORDER =
  'math files engine model trait rollout judge vector monitor steer screen train fleet server report cli'.split(
    ' ',
  );

/** Lints sources under this repository's rules; returns `file rule` for each complaint. */
async function lint(sources: Record<string, string>): Promise<string[]> {
  const root = folder();
  copyFileSync(join(ROOT, '.oxlintrc.json'), join(root, '.oxlintrc.json'));
  for (const [path, text] of Object.entries(sources)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const run = promisify(execFile)(process.execPath, [OXLINT, '--format', 'json'], { cwd: root });
  const { stdout } = await run.catch((error: { stdout: string }) => error); // it exits 1 when it complains
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { filename: string; code: string }[] };
  return diagnostics.map(({ filename, code }) => `${filename} ${code}`).sort();
}

test('an import may only point to a folder that stands before', async () => {
  const sources: Record<string, string> = {};
  const forbidden: string[] = [];
  for (const [i, from] of ORDER.entries()) {
    for (const [j, to] of ORDER.entries()) {
      const [flat, deep] = [`src/${from}/to-${to}.ts`, `src/${from}/deep/to-${to}.ts`];
      sources[flat] = `import { x } from '../${to}/x.ts';\nx();\n`;
      sources[deep] = `import type { X } from '../../${to}/x.ts';\nexport type Y = X[];\n`;
      if (j > i || (from === 'math' && to !== 'math')) forbidden.push(flat, deep);
    }
  }
  delete sources['src/math/to-math.ts']; // '../math/x.ts' from within math is './x.ts'
  delete sources['src/math/deep/to-math.ts'];
  expect(await lint(sources)).toEqual(
    forbidden.map((file) => `${file} eslint(no-restricted-imports)`).sort(),
  );
});

test('maths imports no package, errors.ts nothing, and nobody index.ts', async () => {
  const complaint = 'eslint(no-restricted-imports)';
  expect(
    await lint({
      'src/math/a.ts': "import { z } from 'zod';\nimport { b } from './b.ts';\nb(z);\n",
      'src/math/b.ts': "import { readFileSync } from 'node:fs';\nexport const b = readFileSync;\n",
      'src/errors.ts': "import { b } from './math/b.ts';\nb('');\n",
      'src/cli/verb.ts': "import { x } from '../index.ts';\nimport { z } from 'zod';\nx(z);\n",
      'src/engine/request.ts':
        "import { PersonaError } from '../errors.ts';\nexport type E = PersonaError[];\n",
    }),
  ).toEqual([
    `src/cli/verb.ts ${complaint}`,
    'src/engine/request.ts typescript(consistent-type-imports)',
    `src/errors.ts ${complaint}`,
    `src/math/a.ts ${complaint}`,
    `src/math/b.ts ${complaint}`,
  ]);
});

test('promises left alone, any, and printing are refused', async () => {
  expect(
    await lint({
      'tsconfig.json': '{ "compilerOptions": { "strict": true, "module": "nodenext", "types": [] } }',
      'src/engine/a.ts':
        'async function f(): Promise<void> {}\nf();\nexport const x: any = 1;\nconsole.log(x);\n',
    }),
  ).toEqual([
    'src/engine/a.ts eslint(no-console)',
    'src/engine/a.ts typescript(no-explicit-any)',
    'src/engine/a.ts typescript(no-floating-promises)',
  ]);
});

test('every folder of src has its place in the order', () => {
  const folders = readdirSync(join(ROOT, 'src'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  expect(ORDER).toEqual(expect.arrayContaining(folders.map(({ name }) => name)));
});
