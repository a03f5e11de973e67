/** The engine process dies, is closed, or loses its host. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Engine, openEngine } from '../../src/engine/engine.ts';
import type { EngineRequest } from '../../src/engine/request.ts';
import { openTiny, temporaryFolder, tinyModelFile } from './tiny-engine.ts';
import { GREEDY, randomDirection, TINY_OPTIONS } from './tiny-values.ts';

const folder = temporaryFolder();

const long: EngineRequest = { prompt: 'On and on', maxTokens: 240, ...GREEDY };
const short: EngineRequest = {
  prompt: 'Now',
  maxTokens: 8,
  ...GREEDY,
  edits: [{ op: 'add', layer: 1, direction: randomDirection(1), coefficient: 1 }],
};

beforeEach(() => {
  process.env.PERSONA_ENGINE_FAULTS = '1';
});
afterEach(() => {
  delete process.env.PERSONA_ENGINE_FAULTS;
});

/** Whether a process ends within two seconds. */
async function ends(pid: number): Promise<boolean> {
  for (let i = 0; i < 100; i++) {
    try {
      process.kill(pid, 0);
    } catch {
      return true;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

/** Starts long requests; resolves when one of them has begun to write. */
async function inFlight(
  engine: Engine,
  count: number,
): Promise<{ outcomes: Promise<PromiseSettledResult<unknown>[]> }> {
  const begun = Promise.withResolvers<void>();
  const running = Array.from({ length: count }, () => engine.run(long, { onEvents: () => begun.resolve() }));
  const outcomes = Promise.allSettled(running);
  await begun.promise;
  return { outcomes };
}

describe('a crash', { timeout: 60_000 }, () => {
  test.each([
    ['by kill -9', (engine: Engine) => process.kill(engine.pid!, 'SIGKILL'), /was ended by SIGKILL/],
    [
      'by a failed assertion',
      (engine: Engine) => engine.fault('native_abort'),
      /SIGABRT: .*worker\.ts:0: asked to abort/,
    ],
  ])('%s fails what is in flight, and the next request starts the engine again', async (_, kill, message) => {
    await using engine = await openTiny(folder.path, 'llama');
    const expected = await engine.run(short);
    const { pid } = engine;
    const { outcomes } = await inFlight(engine, 6);
    kill(engine);
    for (const outcome of await outcomes) {
      expect(outcome.status === 'rejected' && outcome.reason).toMatchObject({
        code: 'ENGINE_CRASHED',
        message: expect.stringMatching(message),
        remedy: 'the next request starts it again',
      });
    }
    const [again, beside] = await Promise.all([engine.run(short), engine.run(short)]);
    expect(again.tokens).toEqual(expected.tokens);
    expect(beside.tokens).toEqual(expected.tokens);
    expect(engine.pid).not.toBe(pid);
    expect(await ends(pid!)).toBe(true);
  });

  test('while nothing is in flight is mended as well', async () => {
    await using engine = await openTiny(folder.path, 'llama');
    const expected = await engine.run(short);
    const { pid } = engine;
    process.kill(pid!, 'SIGKILL');
    await ends(pid!);
    await expect.poll(() => engine.pid).toBeUndefined();
    expect((await engine.run(short)).tokens).toEqual(expected.tokens);
  });

  test('while the model loads fails the start, and only that one', async () => {
    const modelPath = await tinyModelFile(folder.path, 'llama');
    await using engine = new Engine({ ...TINY_OPTIONS, modelPath });
    const starting = engine.start();
    process.kill(engine.pid!, 'SIGKILL');
    await expect(starting).rejects.toMatchObject({ code: 'ENGINE_CRASHED' });
    expect((await engine.run(short)).tokens).toHaveLength(8);
  });
});

describe('closing', { timeout: 60_000 }, () => {
  test('with requests in flight fails them, ends the process, and is final', async () => {
    const engine = await openTiny(folder.path, 'llama');
    const { pid } = engine;
    const { outcomes } = await inFlight(engine, 6);
    await engine[Symbol.asyncDispose]();
    for (const outcome of await outcomes)
      expect(outcome.status === 'rejected' && outcome.reason).toMatchObject({ code: 'ABORTED' });
    expect(await ends(pid!)).toBe(true);
    await expect(engine.run(short)).rejects.toMatchObject({
      code: 'ABORTED',
      message: 'the engine is closed',
    });
    await engine[Symbol.asyncDispose](); // twice is once
  });

  test('while the model loads, before the start, as a request begins, and after a crash', async () => {
    const modelPath = await tinyModelFile(folder.path, 'llama');
    const loading = new Engine({ ...TINY_OPTIONS, modelPath });
    const request = loading.run(short);
    const settled = request.catch((error: unknown) => error);
    const { pid } = loading;
    await loading[Symbol.asyncDispose]();
    expect(await settled).toMatchObject({ code: 'ABORTED' });
    expect(await ends(pid!)).toBe(true);

    await new Engine({ ...TINY_OPTIONS, modelPath })[Symbol.asyncDispose]();

    const closing = await openEngine({ ...TINY_OPTIONS, modelPath });
    const begun = closing.run(short).catch((error: unknown) => error); // has not been sent when it closes
    await closing[Symbol.asyncDispose]();
    expect(await begun).toMatchObject({ code: 'ABORTED', message: 'the engine is closed' });

    const crashed = await openEngine({ ...TINY_OPTIONS, modelPath });
    process.kill(crashed.pid!, 'SIGKILL');
    await crashed[Symbol.asyncDispose]();
  });

  test('an abort while the model loads does not wait for it', async () => {
    const modelPath = await tinyModelFile(folder.path, 'llama');
    await using engine = new Engine({ ...TINY_OPTIONS, modelPath });
    const stop = new AbortController();
    let loaded = false;
    void engine.start().then(() => (loaded = true));
    const running = engine.run(short, { signal: stop.signal });
    stop.abort();
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' });
    expect(loaded).toBe(false);
    expect((await engine.run(short)).tokens).toHaveLength(8);
  });
});

test('a failed load leaves no process behind', async () => {
  const engine = new Engine({ ...TINY_OPTIONS, modelPath: `${folder.path}/none.gguf` });
  const starting = engine.start();
  const { pid } = engine;
  await expect(starting).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await ends(pid!)).toBe(true);
  await expect(engine.start()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await engine[Symbol.asyncDispose]();
});

test('a host that is killed leaves no engine behind', async () => {
  const modelPath = await tinyModelFile(folder.path, 'llama');
  const host = fork(fileURLToPath(new URL('./orphan-host.ts', import.meta.url)), [modelPath], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [],
  });
  const pid = await new Promise<number>((resolve) =>
    host.once('message', (message) => resolve(message as number)),
  );
  expect(() => process.kill(pid, 0)).not.toThrow();
  host.kill('SIGKILL');
  expect(await ends(pid)).toBe(true);
});
