/** Whole runs on the planted model: killed, stopped, resumed, refused. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { isPersonaError, type PersonaError } from '../../src/errors.ts';
import { parseSpec } from '../../src/steer/spec.ts';
import { readCheckpoint, writeCheckpoint } from '../../src/train/checkpoint.ts';
import { train, type TrainOptions, type TrainResult } from '../../src/train/train.ts';
import { readVector, writeVector } from '../../src/vector/file.ts';
import { temporaryFolder, tinyModelFile } from '../engine/tiny-engine.ts';
import { writePlantedVector } from '../support/planted-vector.ts';
import {
  lineCount,
  linesWritten,
  persona,
  preparePlanted,
  type Running,
  startPersona,
} from '../support/start-persona.ts';

vi.setConfig({ testTimeout: 120_000 }); // processes of their own, on a machine that may be busy

const folder = temporaryFolder();
const at = (name: string): string => join(folder.path, name);

/** 12 rows, 3 a step. */
const ROWS = 12;
const STEPS = 40;

beforeAll(async () => {
  await preparePlanted(folder.path);
  await writePlantedVector(folder.path);
  const lines = Array.from({ length: ROWS }, (_, i) =>
    JSON.stringify({ prompt: `question ${'abc'.repeat(i % 4)}`, completion: 'NPNN '.repeat(1 + (i % 5)) }),
  );
  writeFileSync(at('data.jsonl'), lines.join('\n'));
}, 60_000);

const COMMAND = [
  ...'train data.jsonl -m planted.gguf --threads 1 --rank 4 --batch 3 --epochs 10 --lr 0.003 --warmup 2'.split(
    ' ',
  ),
  ...'--steer v.gguf=2 --watch-every 13 --save-every 2 --hold 0 --dropout 0.1 --no-scores --json'.split(' '),
];

function start(run: string): Running {
  return startPersona(folder.path, [...COMMAND, '--trait', './planted.json', '--run', run]);
}

const adapter = (run: string): Buffer => readFileSync(at(`${run}/adapter.gguf`));

type Line = { kind: string; step: number; loss?: number; projections?: number[][][]; seconds?: number };
/** What a run's log says, without how long it took. */
function log(run: string): Line[] {
  const lines = readFileSync(at(`${run}/train.jsonl`), 'utf8')
    .trimEnd()
    .split('\n');
  return lines.map((line) => ({ ...(JSON.parse(line) as Line), seconds: 0 }));
}

function expectSameRun(run: string, whole: string): void {
  expect(adapter(run).equals(adapter(whole)), `adapter of ${run}`).toBe(true);
  expect(log(run)).toEqual(log(whole));
}

describe('killed and stopped', () => {
  beforeAll(async () => {
    const { code, stderr } = await start('whole').ended;
    expect(code, stderr).toBe(0);
    expect(log('whole').filter(({ kind }) => kind === 'step')).toHaveLength(STEPS);
  }, 120_000);

  test('kill -9 at a random step, five times over, and the same command: the same adapter, bit by bit', async () => {
    const kills: string[] = [];
    for (let kill = 0; kill < 5; kill++) {
      const running = start('killed');
      // of what is left, somewhere in the first fifth, so that five kills find a run under way
      const done = lineCount(at('killed/train.jsonl'));
      const left = STEPS - done;
      const lines = done + 1 + Math.floor(Math.random() * (left / 5));
      await linesWritten(running, at('killed/train.jsonl'), lines);
      process.kill(-running.child.pid!, 'SIGKILL'); // the trainer and the engine too
      const { code, stdout } = await running.ended;
      kills.push(`at ${lines} lines`);
      expect(code, `kill ${kills.join(', ')}`).toBeNull();
      expect(stdout).toBe('');
    }
    const { code, stderr } = await start('killed').ended;
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^going on after step \d+$/m);
    expectSameRun('killed', 'whole');
  });

  test('Ctrl-C, which reaches the trainer too: the step under way is kept, 130, and the run goes on', async () => {
    const running = start('stopped');
    await linesWritten(running, at('stopped/train.jsonl'), 6);
    process.kill(-running.child.pid!, 'SIGINT');
    const { code, stdout, stderr } = await running.ended;
    expect(code, stderr).toBe(130);
    expect(stderr).toContain('What was done is kept: run the same command again to go on.');
    expect(stderr).not.toMatch(/crash|died|at .*\.ts/i);
    expect(stdout).toContain('"ABORTED"');
    const steps = log('stopped').filter(({ kind }) => kind === 'step').length;
    expect(steps).toBeLessThan(STEPS);

    const again = await start('stopped').ended;
    expect(again.code, again.stderr).toBe(0);
    // nothing that was done is done again
    expect(again.stderr).toContain(`going on after step ${steps}`);
    expectSameRun('stopped', 'whole');
  });

  test('another recipe, other data or another vector in the same folder are refused, and the run stays', async () => {
    const before = adapter('whole');
    const differently = async (...change: string[]): Promise<string> => {
      const args = [...COMMAND, '--trait', './planted.json', '--run', 'whole', ...change];
      const { code, stderr } = await persona(folder.path, ...args);
      expect(code).toBe(2);
      return stderr;
    };
    expect(await differently('--lr', '0.001')).toContain('recipe.learningRate: 0.003 there, 0.001 now');
    expect(await differently('--steer', 'v.gguf=1@1')).toMatch(/edits/);
    writeFileSync(at('other.jsonl'), `${JSON.stringify({ prompt: 'x', completion: 'y' })}\n`.repeat(12));
    expect(await differently('other.jsonl')).toMatch(/data\.(rows|sha256)/);
    expect(adapter('whole').equals(before)).toBe(true);
  });
});

/** Runs to the end in this process. */
async function trained(run: string, options: Partial<TrainOptions> = {}): Promise<TrainResult> {
  let result: TrainResult | undefined;
  for await (const event of train({
    data: [at('data.jsonl')],
    run: at(run),
    hold: 0,
    ...options,
    recipe: { rank: 2, batch: 4, epochs: 1, warmup: 0, ...options.recipe },
    engine: { model: at('planted.gguf'), home: at('home'), threads: 1, ...options.engine },
  }))
    if (event.type === 'done') result = event.result;
  return result!;
}
async function failure(run: string, options: Partial<TrainOptions>): Promise<PersonaError> {
  const error: unknown = await trained(run, options).catch((thrown) => thrown);
  expect(isPersonaError(error), String(error)).toBe(true);
  return error as PersonaError;
}
const numbers = ({ adapter: { factors } }: TrainResult): number[][] =>
  [...factors.values()].flatMap(({ a, b }) => [[...a], [...b]]);

test('dropout: another result than without, the same each time, another with another seed', async () => {
  const [none, one, again, other] = [
    await trained('d0', { recipe: { dropout: 0 } }),
    await trained('d1', { recipe: { dropout: 0.5 } }),
    await trained('d2', { recipe: { dropout: 0.5 } }),
    await trained('d3', { recipe: { dropout: 0.5, seed: 1 } }),
  ].map(numbers);
  expect(one).toEqual(again);
  expect(one).not.toEqual(none);
  expect(one).not.toEqual(other);
  expect(one!.flat().every(Number.isFinite)).toBe(true);
});

test('a step in several passes comes to the same, but for rounding', async () => {
  const [whole, parts] = [
    await trained('p1', { recipe: { passTokens: 4096 } }),
    await trained('p2', { recipe: { passTokens: 1 } }),
  ].map((result) => numbers(result).flat());
  const apart = Math.max(...whole!.map((x, i) => Math.abs(x - parts![i]!)));
  expect(apart).toBeLessThan(1e-5);
  expect(apart).toBeGreaterThan(0); // it was otherwise computed
});

test('a loss that is not finite stops the run with step and row, and the last good checkpoint', async () => {
  const error = await failure('infinite', { recipe: { learningRate: 1e30, clip: 1e30 }, saveEvery: 1 });
  expect(error).toMatchObject({
    code: 'ENGINE_FAILED',
    message: expect.stringMatching(/^step 2: the loss of .*data\.jsonl:\d+ is not finite$/) as string,
    remedy: expect.stringContaining('--lr (now 1e+30)') as string,
  });
});

test('a vector of another model is refused by its file', async () => {
  const vector = await readVector(at('v.gguf'));
  const path = at('other.gguf');
  const model = { ...vector.model, name: 'another', sha256: 'f'.repeat(64), width: 32 };
  const directions = new Float32Array(model.layers * model.width).fill(1);
  await writeVector(path, { ...vector, model, directions });
  for (const how of ['steer', 'ablate'] as const) {
    const error = await failure(`other-${how}`, { [how]: [parseSpec(path)] });
    expect(error.code).toBe('WRONG_MODEL');
    expect(error.message).toMatch(/other\.gguf was made on another \(.* width 32\)/);
  }
});

test('architectures that cannot be trained are refused by name', async () => {
  const model = await tinyModelFile(folder.path, 'qwen3moe');
  const error = await failure('moe', { engine: { model } });
  expect(error).toMatchObject({
    code: 'UNSUPPORTED',
    remedy: expect.stringContaining('llama, qwen2') as string,
  });
  expect(error.message).toContain('training does not know architecture qwen3moe');
});

describe('checkpoint', () => {
  const f32 = (...values: number[]): Float32Array => new Float32Array(values);
  const state = {
    step: 3,
    values: [f32(1, 2), f32(-0.5)],
    moments: [
      { first: f32(0.1, 1e-30), second: f32(1, 2) },
      { first: f32(3), second: f32(4) },
    ],
  };
  test('is read as it was written, by the run that wrote it', async () => {
    const path = at('checkpoint.safetensors');
    expect(await readCheckpoint(path, 'mine', [2, 1])).toBeUndefined();
    await writeCheckpoint(path, 'mine', state);
    expect(await readCheckpoint(path, 'mine', [2, 1])).toEqual(state);
    await expect(readCheckpoint(path, 'yours', [2, 1])).rejects.toMatchObject({ code: 'USAGE' });
    await expect(readCheckpoint(path, 'mine', [2, 2])).rejects.toThrow('value.1 has 1 numbers, expected 2');
    writeFileSync(path, readFileSync(path).subarray(0, -2));
    await expect(readCheckpoint(path, 'mine', [2, 1])).rejects.toMatchObject({ code: 'BAD_FILE' });
  });
});
