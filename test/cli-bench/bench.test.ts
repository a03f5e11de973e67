import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { report } from '../../src/cli/bench.ts';
import { benchLines, CONTEXT, type Figure, measureLine, PARALLEL } from '../../src/cli/bench/lines.ts';
import type { Machine } from '../../src/cli/bench/machine.ts';
import { serveForBench, serveLines } from '../../src/cli/bench/serve-lines.ts';
import { openBareLoop } from '../../src/engine/bare-loop.ts';
import { openChatModel } from '../../src/model/chat-model.ts';
import { loadTrait } from '../../src/trait/load.ts';
import { PERSONA, runCli } from '../support/run-cli.ts';
import { writeTinyModel } from '../tiny/tiny-model.ts';

test('the table says goal and verdict, and nothing of either where a line has no goal', () => {
  const machine: Machine = {
    cpu: 'Some CPU',
    cores: 2,
    memoryBytes: 8e9,
    platform: 'linux-x64',
    node: 'v24.0.0',
    loadBefore: 0.25,
    threads: 2,
    model: {
      name: 'small',
      architecture: 'llama',
      quantization: 'Q8_0',
      sha256: '',
      bytes: 1e8,
      parameters: 135e6,
    },
    devices: ['31 of 31 layers on the CPU, 2 threads'],
  };
  const figure = (what: string, median: number, goal?: number): Figure => ({
    group: 'decode',
    what,
    against: 'bare',
    unit: 'tokens/s',
    measured: { median: 96, values: [96] },
    reference: { median: 100, values: [100] },
    ratio: { median, low: median - 0.01, high: median + 0.01, pairs: 3 },
    ...(goal === undefined ? {} : { goal, met: median >= goal }),
  });
  expect(report(machine, [figure('one', 0.98, 0.97), figure('two', 0.9, 0.97), figure('three', 1.5)])).toBe(
    `small Q8_0 (135 M parameters), 2 threads of 2 cores, Some CPU
  31 of 31 layers on the CPU, 2 threads
  load before the run 0.25

measured  rate  against  rate  unit      ratio  quartiles    goal
one         96  bare      100  tokens/s  0.980  0.970–0.990  ≥ 0.97  met
two         96  bare      100  tokens/s  0.900  0.890–0.910  ≥ 0.97  NOT MET
three       96  bare      100  tokens/s  1.500  1.490–1.510  –       –

Rates are medians; the ratio is the median of neighbouring pairs, with its quartiles.`,
  );
});

describe('on a tiny model', () => {
  let folder: string;
  let model: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'persona-test-'));
    model = join(folder, 'tiny.gguf');
    await writeTinyModel({ path: model, architecture: 'llama' });
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('every line is measured, in pairs', async () => {
    const settings = { threads: 1, parallel: PARALLEL, context: CONTEXT };
    await using chat = await openChatModel({ ...settings, model });
    await using bare = await openBareLoop({ ...settings, modelPath: model });
    const size = { tokens: 40, readTokens: 64, repeats: 2, rolloutRepeats: 1, questions: 1, samples: 2 };
    const { signal } = new AbortController();
    const bench = { chat, bare, trait: await loadTrait('optimistic'), size, signal };
    const problems: string[] = [];
    await using server = await serveForBench(chat, (problem) => problems.push(problem));
    const lines = [
      ...(await benchLines(bench)),
      ...serveLines({ ...bench, size: { ...size, repeats: 1 } }, server),
    ];
    expect(lines.map(({ group }) => group)).toEqual([
      ...'decode decode watch watch steer steer read rollouts rollouts'.split(' '),
      ...Array.from({ length: 8 }, () => 'serve'),
      ...Array.from({ length: 6 }, () => 'wait'),
    ]);
    for (const line of lines) {
      let told = 0;
      const { measured, reference, ratio, goal, met } = await measureLine(line, () => told++, signal);
      expect(told).toBe(line.repeats + 1);
      expect(measured.values).toHaveLength(line.repeats);
      expect(reference.values).toHaveLength(line.repeats);
      for (const value of [...measured.values, ...reference.values])
        expect(value, line.what).toBeGreaterThan(line.group === 'wait' ? -1 : 0); // all may come at once
      expect(met).toBe(goal === undefined ? undefined : ratio.median >= goal);
    }
    expect(problems).toEqual([]);
    const stop = new AbortController();
    stop.abort(new Error('stopped'));
    await expect(measureLine(lines[0]!, () => {}, stop.signal)).rejects.toThrow('stopped');
  }, 120_000); // seconds, but for a machine at other work

  test('the command tells all numbers, and with --gate whether the goals are met', async () => {
    const args = [
      'bench',
      '--quick',
      '--threads',
      '1',
      '--only',
      'read',
      '--gate',
      '--json',
      '--model',
      model,
    ];
    const { code, stdout } = await runCli(PERSONA, args);
    const told = JSON.parse(stdout) as { machine: Machine; figures: Figure[] };
    expect(told.machine).toMatchObject({ threads: 1, model: { name: 'tiny', quantization: 'F32' } });
    expect(told.figures).toMatchObject([{ group: 'read', goal: 1.7, ratio: { pairs: 3 } }]);
    expect(code).toBe(told.figures[0]!.met ? 0 : 100);
  });

  test('an unknown group is wrong usage', async () => {
    const { code, stderr } = await runCli(PERSONA, ['bench', '--only', 'speed']);
    expect(code).toBe(2);
    expect(stderr).toContain('"speed" is none of decode, watch, steer, read, rollouts, serve, wait');
  });
});
