import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { readVector } from '../../src/vector/file.ts';
import { folder } from '../support/folder.ts';
import { persona, PLANTED, preparePlanted } from '../support/start-persona.ts';

vi.setConfig({ testTimeout: 60_000 }); // processes of their own, on a machine that may be busy

test('the demo runs to its end, also on a model with fewer layers than the demo’s', async () => {
  const cwd = folder();
  await preparePlanted(cwd);
  const { code, stdout, stderr } = await persona(cwd, 'demo', 'planted.json', ...PLANTED, '--parallel', '8');
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  expect(stderr).toMatch(/^1 {2}The model\n {3}planted: 4 layers of width 64, F32; .*CPU/m);
  expect(stderr).toMatch(
    /edits reach it: a test push at layer \d moved its stream as it should \(off by 0\.0\d %\)/,
  );
  expect(stderr).toMatch(/^2 {2}The vector of "planted"\n {3}80 answers /m);
  expect(stdout).toMatch(/^3 {2}What it does\n {3}kept 40 \+ 40 of 80 answers\. Layer [123]: /m);
  expect(stdout).toMatch(/ -2 {2}N+ {2}\[-\d/); // less of it
  expect(stdout).toMatch(/ \+2 {2}P+ {2}\[\+\d/); // more of it
  expect(stdout).toMatch(/page +file:\/\/.*\/demo-run\/report\.html$/m);
  const { layer, coefficient } = await readVector(join(cwd, 'demo-run', 'vector.gguf'));
  expect(stdout).toContain(`--steer demo-run/vector.gguf=${coefficient}`);
  expect(layer).toBeLessThan(4);
  expect(existsSync(join(cwd, 'demo-run', 'report.html'))).toBe(true);
  expect(readFileSync(join(cwd, 'demo-run', 'report.html'), 'utf8')).toContain('planted');
});
