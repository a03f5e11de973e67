/** `persona diff` on the planted model and copies of it that write more, or less, of P. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import type { DiffResult } from '../../src/screen/diff/diff.ts';
import { temporaryFolder } from '../engine/tiny-engine.ts';
import { writePlantedVector } from '../support/planted-vector.ts';
import { lineCount, linesWritten, persona, preparePlanted, startPersona } from '../support/start-persona.ts';
import { tunedCopy } from '../support/tuned-copy.ts';
import { writePlantedModel } from '../tiny/planted-model.ts';
import { TINY } from '../tiny/tiny-model.ts';

vi.setConfig({ testTimeout: 60_000 }); // processes of their own, on a machine that may be busy

const folder = temporaryFolder();
const at = (name: string): string => join(folder.path, name);
const HOW = ['--vector', 'v.gguf', '--trait', './planted.json', '--threads', '1', '--parallel', '2', '--cache-type', 'f32']; // prettier-ignore
const run = (...args: string[]): ReturnType<typeof persona> => persona(folder.path, 'diff', ...args, ...HOW);

/** A share of every embedding, whatever the token: `push` along v. */
async function tuned(name: string, push: number): Promise<void> {
  const { direction } = await writePlantedModel({ path: at('planted.gguf') });
  await tunedCopy(at('planted.gguf'), at(name), {
    weights(tensor, data) {
      if (tensor === 'token_embd.weight')
        for (const i of data.keys()) data[i]! += push * direction[i % TINY.width]!;
    },
  });
}

beforeAll(async () => {
  await preparePlanted(folder.path);
  await writePlantedVector(folder.path);
  await tuned('step-5.gguf', 0.2);
  await tuned('step-10.gguf', 0.6);
}, 60_000);

test('a trajectory: a table, a page, a log, and one JSON document', async () => {
  const { code, stdout, stderr } = await run(
    'planted.gguf',
    'step-10.gguf',
    'step-5.gguf',
    '--vector',
    'v.gguf@0',
  );
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/^shift at the last prompt token, 20 prompts, against planted\.gguf\nvector +checkpoint +shift +95 % +in sd +95 % in sd +p +cosine +over the layers\n/); // prettier-ignore
  expect(stdout).toMatch(
    /^planted@2 at 2 +step-5 +\+\d\.\d\d +\[\+\d.*\] .*<0\.001 +\+(?:0\.9\d|1\.00) +[▁-█]{4}$/m,
  );
  expect(stdout).toMatch(/^planted@0 at 0 +step-10 /m);
  expect(stdout).toMatch(/^step-5: layer 0 moved by \d.* in all, \d+ % of the residual norm, \d+ % of its square in the span/m); // prettier-ignore

  const again = await run('planted.gguf', 'step-10.gguf', 'step-5.gguf', '--json');
  const document = JSON.parse(again.stdout) as { checkpoints: DiffResult[]; page: string; run: string };
  expect(document).toMatchObject({ base: 'planted.gguf', run: 'runs/planted-diff-planted' });
  expect(document.checkpoints.map(({ name, step }) => [name, step])).toEqual([['step-5', 5], ['step-10', 10]]); // prettier-ignore
  const [five, ten] = document.checkpoints.map(({ shifts }) => shifts.vectors[0]!.own);
  expect(ten!.shift.mean).toBeGreaterThan(1.5 * five!.shift.mean);
  expect(five!.shift.low).toBeGreaterThan(0.2);
  const log = readFileSync(join(folder.path, document.run, 'diff.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
  expect(log.map((line) => JSON.parse(line))).toEqual(document.checkpoints);
  const page = readFileSync(at(document.page), 'utf8');
  expect(page).toContain('Moved along planted by +');
  expect(page).toContain('The way of the training');
  expect(page).not.toMatch(/https?:|<script|\bNaN\b|undefined/);
});

test('a gate: 100 when a checkpoint is so, 0 when none is; a misspelt one is refused before work', async () => {
  const met = await run('planted.gguf', 'step-5.gguf', 'step-10.gguf', '--fail-on', 'planted: shift > 50');
  expect(met).toMatchObject({ code: 0 });
  expect(met.stdout).toMatch(/^passed {2}step-10: planted: shift is \d\.\d+; fails on > 50$/m);
  const gates = ['--fail-on', 'shift > 3', '--fail-on', 'relative > 500 %', '--junit', at('gates.xml'), '--markdown', at('diff.md')]; // prettier-ignore
  const failed = await run('planted.gguf', 'step-5.gguf', 'step-10.gguf', ...gates, '--json');
  expect(failed.code, failed.stderr).toBe(100);
  const { gates: told } = JSON.parse(failed.stdout) as { gates: object[] };
  expect(told).toMatchObject([
    { gate: 'shift > 3', checkpoint: 'step-5', passed: true },
    { gate: 'shift > 3', checkpoint: 'step-10', passed: false },
    { checkpoint: 'step-5', passed: true },
    { checkpoint: 'step-10', passed: true },
  ]);
  const xml = readFileSync(at('gates.xml'), 'utf8');
  expect(xml).toContain('<testsuites name="persona diff" tests="4" failures="1" errors="0">');
  expect(xml).toMatch(/classname="persona\.diff\.step-10" name="shift &gt; 3" time="0"><failure type="gate" message="planted: shift is 5\.\d+; fails on &gt; 3"/); // prettier-ignore
  const markdown = readFileSync(at('diff.md'), 'utf8');
  expect(markdown).toContain('- **failed**: step-10, `shift > 3`');
  expect(markdown).toMatch(/^\| planted \| 2 \| step-5 \| 1\.\d+ \| /m);
  for (const gate of ['evil: shift > 1', 'shove > 1', 'coherence < -5']) {
    const wrong = await run('planted.gguf', 'step-5.gguf', '--fail-on', gate, '--run', 'never');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/there is no (trait evil|figure shove|figure coherence)/);
  }
  expect(existsSync(at('never'))).toBe(false);
});

test('with answers and a judge of the user’s own; a vector pushed into the tuned side', async () => {
  const judge =
    "export default ({ answer }) => ({ trait: answer.includes('N') ? 0 : 100, coherence: 90 });\n";
  writeFileSync(at('judge.mjs'), judge);
  writeFileSync(at('ask.jsonl'), ['who', 'where', 'what of it'].map((content) => `${JSON.stringify({ messages: [{ role: 'user', content }] })}\n`).join('')); // prettier-ignore
  const args = ['planted.gguf', 'planted.gguf', '--steer', 'v.gguf=-3@2', '--prompts', 'ask.jsonl', '--judge', 'fn:judge.mjs']; // prettier-ignore
  const { code, stdout, stderr } = await run(...args, '--max-tokens', '8');
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('shift of the mean over each model’s own greedy answer');
  expect(stdout).toMatch(/^planted +planted +100\.0 +0\.0 +-100 +\[-100, -100\] +0\.250 +3$/m);
  expect(stdout).toMatch(/^coherence \(planted\) +planted +90\.0 +90\.0 +0\.00 /m);
});

test('killed in the midst of reading, then the same command: it ends as if nothing had been', async () => {
  const prompts = Array.from({ length: 300 }, (_, i) => `${JSON.stringify({ prompt: `${'abcP '.repeat(8)}${i}` })}\n`); // prettier-ignore
  writeFileSync(at('many.jsonl'), prompts.join(''));
  const args = (folderName: string): string[] => [
    'diff', 'planted.gguf', 'step-5.gguf', ...HOW.slice(0, 2), ...HOW.slice(4), '--prompts', 'many.jsonl', '--run', folderName, '--json',
  ]; // prettier-ignore
  const whole = await persona(folder.path, ...args('whole'));
  expect(whole.code, whole.stderr).toBe(0);
  const logs = readdirSync(at('whole')).filter((name) => name.startsWith('reads-'));
  expect(logs.map((name) => lineCount(join(at('whole'), name)))).toEqual([300, 300]);

  let midst = false;
  for (let attempt = 0; attempt < 6 && !midst; attempt++) {
    const folderName = `killed-${attempt}`;
    const running = startPersona(folder.path, args(folderName));
    const log = join(at(folderName), logs[attempt % 2]!); // of the base, or of the tuned model
    await linesWritten(running, log, 20);
    running.child.kill('SIGKILL');
    await running.ended;
    if (lineCount(log) >= 300) continue;
    midst = true;
    const kept = readFileSync(log, 'utf8');
    const again = await persona(folder.path, ...args(folderName));
    expect(again.code, again.stderr).toBe(0);
    expect(readFileSync(log, 'utf8').startsWith(kept.slice(0, kept.lastIndexOf('\n') + 1))).toBe(true);
    for (const name of logs) expect(lineCount(join(at(folderName), name))).toBe(300);
    const own = (stdout: string) => JSON.parse(stdout).checkpoints[0] as DiffResult;
    const [a, b] = [own(again.stdout), own(whole.stdout)].map(({ shifts }) => shifts.vectors[0]!.own);
    expect(a!.shift.mean).toBeCloseTo(b!.shift.mean, 4);
    expect(a!.p).toBe(b!.p);
  }
  expect(midst, 'a run was killed in the midst').toBe(true);
});

test('what cannot be compared is refused, with the reason', async () => {
  const none = await persona(folder.path, 'diff', 'planted.gguf', 'step-5.gguf', '--threads', '1');
  expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('no vector was given') });
  await tunedCopy(at('planted.gguf'), at('deep.gguf'), {
    metadata: (header) => header.set('llama.block_count', { type: 'u32', value: 5 }),
  });
  const deep = await run('planted.gguf', 'deep.gguf');
  expect(deep).toMatchObject({ code: 1, stderr: expect.stringContaining('deep.gguf was not tuned from planted.gguf: layers 4 there, 5 here') }); // prettier-ignore
  const traitless = await persona(folder.path, 'diff', 'planted.gguf', 'step-5.gguf', '--vector', 'v.gguf', '--threads', '1'); // prettier-ignore
  expect(traitless.stderr).toContain(
    'v.gguf does not hold the texts of its trait planted, and none is shipped',
  );
  const both = await run('planted.gguf', 'step-5.gguf', '--prompts', 'many.jsonl', '--questions', '3');
  expect(both).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--prompts is given together with'),
  });
  const lora = await run('planted.gguf', 'step-5.gguf', '--lora', 'a.gguf');
  expect(lora).toMatchObject({ code: 2, stderr: expect.stringContaining('Give the adapter as TUNED') });
});
