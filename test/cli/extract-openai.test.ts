/**
 * `persona extract` with a judge at an OpenAI-compatible address, from the first question to the report: killed while it
 * asks and while it judges, the server restarted in between, and the result is that of a run that nothing happened to.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type ChatModel, openChatModel } from '../../src/model/chat-model.ts';
import { readVector } from '../../src/vector/file.ts';
import { expectClose, temporaryFolder } from '../engine/tiny-engine.ts';
import { startEngineServer } from '../support/engine-server.ts';
import { lineCount, linesWritten, preparePlanted, SMALL, startPersona } from '../support/start-persona.ts';
import { writePlantedModel } from '../tiny/planted-model.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 }); // processes of their own, on a machine that may be busy

const KEY = 'sk-planted-0123456789';
const folder = temporaryFolder();
let judge: ChatModel;

beforeAll(async () => {
  await preparePlanted(folder.path);
  const path = join(folder.path, 'numbers.gguf');
  await writePlantedModel({ path, writes: 'numbers' });
  judge = await openChatModel({
    model: path,
    home: folder.path,
    threads: 1,
    context: 2048,
    parallel: 4,
    cacheType: 'f32',
  });
});
afterAll(async () => {
  await judge[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
});

const ARGS = [
  'extract', 'planted.json', ...SMALL, '--questions', '2', '--layers', '1,2', '--layer-dose', '0.2',
  '--judge', 'openai:planted', '--min-coherence', '0', '--no-cache', '--json',
]; // prettier-ignore

test('killed twice on the way, it ends as if nothing had been', async () => {
  let server = await startEngineServer(judge, { key: KEY });
  const { port } = server;
  vi.stubEnv('OPENAI_BASE_URL', server.url);
  vi.stubEnv('OPENAI_API_KEY', KEY);
  const log = (run: string, file: string): string => join(folder.path, run, file);
  const start = (run: string) => startPersona(folder.path, [...ARGS, '--run', run]);

  const whole = await start('whole').ended;
  expect(whole.code, whole.stderr).toBe(0);

  const asking = start('killed');
  await linesWritten(asking, log('killed', 'rollouts.jsonl'), 7);
  asking.child.kill('SIGKILL');
  await asking.ended;
  expect(existsSync(log('killed', 'vector.gguf'))).toBe(false);

  const judging = start('killed');
  await linesWritten(judging, log('killed', 'judgements.jsonl'), 6);
  judging.child.kill('SIGKILL');
  await server.kill();
  await judging.ended;
  const judgedBefore = lineCount(log('killed', 'judgements.jsonl'));
  expect(judgedBefore).toBeGreaterThanOrEqual(6);
  expect(existsSync(log('killed', 'vector.gguf'))).toBe(false);

  server = await startEngineServer(judge, { key: KEY, port });
  await using _ = server;
  const last = await start('killed').ended;
  expect(last.code, last.stderr).toBe(0);
  expect(last.stderr).toMatch(/^going on with 22 rollouts of 22 /m);
  expect(last.stderr).toMatch(
    /^openai:planted: [\d,]+ requests, 0 answers known from before, [\d,]+ tokens$/m,
  );

  for (const file of ['rollouts.jsonl', 'judgements.jsonl', 'sweep.jsonl']) {
    const keyed = (run: string): unknown[] =>
      readFileSync(log(run, file), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.stringify(JSON.parse(line)))
        .toSorted();
    if (file === 'judgements.jsonl') expect(keyed('killed')).toHaveLength(20); // the usual answers are not judged
    expect(keyed('killed').length, file).toBe(keyed('whole').length);
    expect(new Set(keyed('killed')).size, file).toBe(keyed('killed').length);
    if (file === 'rollouts.jsonl') expect(keyed('killed')).toEqual(keyed('whole'));
  }
  const [own, expected] = await Promise.all(
    ['killed', 'whole'].map((run) => readVector(log(run, 'vector.gguf'))),
  );
  expectClose(own!.directions, expected!.directions, 1e-5, 'directions');
  expect([own!.layer, own!.coefficient]).toEqual([expected!.layer, expected!.coefficient]);
  expect(own!.quality.counts).toEqual(expected!.quality.counts);
  own!.quality.doses!.forEach((dose, i) =>
    expect(dose.trait.mean).toBeCloseTo(expected!.quality.doses![i]!.trait.mean, 2),
  );
  expect(own!.recipe.judge).toEqual({ name: 'openai:planted' });
  expect(existsSync(log('killed', 'report.html'))).toBe(true);

  // the key stands nowhere
  for (const text of [
    last.stdout,
    last.stderr,
    whole.stderr,
    ...['config.json', 'judgements.jsonl', 'report.html', 'vector.gguf'].map((file) =>
      readFileSync(log('killed', file), 'latin1'),
    ),
  ])
    expect(text).not.toContain(KEY);
});
