/** Engines on tiny models, and what tests of them compare. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { openEngine, type Engine, type OpenOptions } from '../../src/engine/engine.ts';
import type { EngineResult } from '../../src/engine/request.ts';
import { writeTinyModel, type TinyArchitecture } from '../tiny/tiny-model.ts';
import { TINY_OPTIONS } from './tiny-values.ts';

/** A folder that lives as long as the test file. */
export function temporaryFolder(): { path: string } {
  const folder = { path: '' };
  beforeAll(async () => {
    folder.path = await mkdtemp(join(tmpdir(), 'engine-'));
  });
  afterAll(() => rm(folder.path, { recursive: true }));
  return folder;
}

export async function tinyModelFile(folder: string, architecture: TinyArchitecture): Promise<string> {
  const path = join(folder, `${architecture}.gguf`);
  await writeTinyModel({ path, architecture });
  return path;
}

export async function openTiny(
  folder: string,
  architecture: TinyArchitecture,
  options: Partial<OpenOptions> = {},
): Promise<Engine> {
  const modelPath = await tinyModelFile(folder, architecture);
  return openEngine({ ...TINY_OPTIONS, modelPath, ...options });
}

/** An engine that is opened before a block's tests and closed after them. */
export function useTiny(
  folder: { path: string },
  architecture: TinyArchitecture,
  options: Partial<OpenOptions> = {},
): { readonly engine: Engine } {
  const holder: { engine: Engine } = { engine: undefined as unknown as Engine };
  beforeAll(async () => {
    holder.engine = await openTiny(folder.path, architecture, options);
  });
  afterAll(() => holder.engine[Symbol.asyncDispose]());
  return holder;
}

/** The same numbers, but for rounding. @param tolerance of the largest difference, relative to the largest value */
export function expectClose(
  actual: ArrayLike<number> | undefined,
  expected: ArrayLike<number> | undefined,
  tolerance = 5e-4,
  what = '',
): void {
  expect(actual?.length, `${what}: length`).toBe(expected?.length);
  expect(actual?.length, `${what}: something to compare`).toBeGreaterThan(0);
  let size = 0;
  let difference = 0;
  for (let i = 0; i < expected!.length; i++) {
    size = Math.max(size, Math.abs(expected![i]!));
    const apart = Math.abs(actual![i]! - expected![i]!);
    difference = Number.isNaN(apart) ? Infinity : Math.max(difference, apart);
  }
  expect(difference / Math.max(size, 1e-3), what).toBeLessThan(tolerance);
}

/** Log-probabilities of all that was told of, to compare predictions where the text is too stable to tell. */
export function likelihoods(result: EngineResult): number[] {
  return result.logprobs!.flatMap(({ logprob, top }) => [logprob, ...top.map((entry) => entry.logprob)]);
}

export function expectApart(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 0.02): void {
  expect(() => expectClose(actual, expected, tolerance)).toThrow('less than');
}

/** Everything that two results read is the same, but for rounding. */
export function expectSameReads(actual: EngineResult, expected: EngineResult, tolerance = 5e-4): void {
  expect(Object.keys(actual.means ?? {})).toEqual(Object.keys(expected.means ?? {}));
  for (const [kind, mean] of Object.entries(expected.means ?? {}))
    expectClose(actual.means![kind as 'prompt_avg'], mean, tolerance, kind);
  expect(actual.projections?.length).toBe(expected.projections?.length);
  expected.projections?.forEach((projection, i) => {
    const { name, layer, prompt, promptTokens, tokens } = actual.projections![i]!;
    expect([name, layer]).toEqual([projection.name, projection.layer]);
    const values = (p: typeof projection): number[] => [p.prompt, ...(p.promptTokens ?? []), ...p.tokens];
    expectClose(
      values({ ...projection, prompt, promptTokens: promptTokens ?? [], tokens }),
      values(projection),
      tolerance,
      name,
    );
  });
}
