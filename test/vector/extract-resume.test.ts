/** Runs that were stopped, cut off or done, and gone on with; and runs that are not the one that is there. */

import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { Progress } from '../../src/model/progress.ts';
import { extract, type Extraction } from '../../src/vector/extract.ts';
import { expectClose } from '../engine/tiny-engine.ts';
import { folder } from '../support/folder.ts';
import { usePlanted } from '../support/planted-chat.ts';
import { ASKED, DRAWN, GREEDY, QUESTIONS, rows } from '../support/planted-run.ts';
import { plantedTrait } from '../support/planted-trait.ts';

const chat = usePlanted();
const trait = plantedTrait();

/** How often the engine was made to write. */
async function writing<T>(work: () => Promise<T>): Promise<[T, asked: number]> {
  const spy = vi.spyOn(chat.model.engine, 'run');
  try {
    const result = await work();
    return [result, spy.mock.calls.filter(([request]) => request.maxTokens !== undefined).length];
  } finally {
    spy.mockRestore();
  }
}

function expectSame(actual: Extraction, expected: Extraction): void {
  expectClose(actual.vector.directions, expected.vector.directions, 1e-5, 'directions');
  expectClose(actual.vector.baseline!.mean, expected.vector.baseline!.mean, 1e-5, 'baseline');
  expect(actual.counts).toEqual(expected.counts);
  expect(actual.filtered.map(({ rollout }) => rollout)).toEqual(
    expected.filtered.map(({ rollout }) => rollout),
  );
  expect([actual.vector.layer, actual.vector.coefficient]).toEqual([
    expected.vector.layer,
    expected.vector.coefficient,
  ]);
}

function idOf(line: string): string | undefined {
  return /"id":"([^"]*)"/.exec(line)?.[1];
}

test('a run that was done is read, not asked again', async () => {
  const run = folder();
  const [first, asked] = await writing(() => extract(chat.model, trait, { ...DRAWN, run }));
  expect(asked).toBe(2 * ASKED + QUESTIONS + rows(run, 'sweep.jsonl').length);
  const before = readFileSync(join(run, 'rollouts.jsonl'), 'utf8');
  const [again, askedAgain] = await writing(() => extract(chat.model, trait, { ...DRAWN, run }));
  expect(askedAgain).toBe(0);
  expect(readFileSync(join(run, 'rollouts.jsonl'), 'utf8')).toBe(before);
  expectSame(again, first);
});

test('a run that was cut off ends as it would have, drawn answers and all', async () => {
  const run = folder();
  const whole = await extract(chat.model, trait, { ...DRAWN, run });
  const lines = readFileSync(join(run, 'rollouts.jsonl'), 'utf8').split('\n');
  writeFileSync(join(run, 'rollouts.jsonl'), `${lines.slice(0, 31).join('\n')}\n${lines[31]!.slice(0, 40)}`);
  const measured = readFileSync(join(run, 'measurements.jsonl'), 'utf8').split('\n');
  const kept = measured.filter((line) => lines.slice(0, 20).some((rollout) => idOf(rollout) === idOf(line)));
  writeFileSync(join(run, 'measurements.jsonl'), `${kept.join('\n')}\n{"id`);
  rmSync(join(run, 'sweep.jsonl'));
  const [rest, asked] = await writing(() => extract(chat.model, trait, { ...DRAWN, run }));
  expect(asked).toBe(2 * ASKED + QUESTIONS - 31 + rows(run, 'sweep.jsonl').length);
  expectSame(rest, whole);
  expect(new Set(rows(run).map(({ id }) => id)).size).toBe(rows(run).length);
  expect(new Set(rows(run, 'measurements.jsonl').map(({ id }) => id)).size).toBe(2 * ASKED + QUESTIONS);
});

test('an abort at any step leaves a run that can be gone on with', async () => {
  const small = { ...GREEDY, questions: 2 };
  const whole = await extract(chat.model, trait, { ...small, run: folder() });
  for (const label of ['asking', 'judging', 'comparing layers', 'steering at layer']) {
    const run = folder();
    const stop = new AbortController();
    const onProgress = (step: Progress): void => {
      if (step.label.startsWith(label) && step.done > step.total! / 2) stop.abort();
    };
    const stopped = extract(chat.model, trait, { ...small, run, signal: stop.signal, onProgress });
    await expect(stopped, label).rejects.toMatchObject({ code: 'ABORTED' });
    expect(existsSync(join(run, 'vector.gguf')), label).toBe(false);
    const notes: string[] = [];
    const rest = await extract(chat.model, trait, { ...small, run, onNote: (note) => notes.push(note) });
    expectSame(rest, whole);
    expect(notes[0], label).toMatch(/^going on with \d+ rollouts of 22 from /);
    for (const file of ['rollouts.jsonl', 'measurements.jsonl'])
      expect(new Set(rows(run, file).map(({ id }) => id)).size, file).toBe(rows(run, file).length);
  }
});

test('a folder of another run is refused with the field, and left as it is', async () => {
  const run = folder();
  await extract(chat.model, trait, { ...GREEDY, run });
  const other = { ...plantedTrait(), description: 'Writes N rather than P.' };
  for (const [changed, of, message] of [
    [{ ...GREEDY, seed: 1 }, trait, /seed: 0 there, 1 now/],
    [{ ...GREEDY, filter: { threshold: 60 } }, trait, /filter\.threshold: nothing there, 60 now/],
    [{ ...GREEDY, tune: { ...GREEDY.tune, layers: [2] } }, trait, /tune\.layers: \[1,2\] there, \[2\] now/],
    [GREEDY, other, /traitSha256/],
  ] as const) {
    const [refused, asked] = await writing(() =>
      extract(chat.model, of, { ...changed, run }).catch((error: unknown) => error),
    );
    expect(refused).toMatchObject({ code: 'USAGE', message: expect.stringMatching(message) });
    expect(asked).toBe(0);
  }
});
