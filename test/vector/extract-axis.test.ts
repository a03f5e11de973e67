/** The assistant axis of the planted model, where the direction that has to come out is known. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { quantile } from '../../src/math/statistics.ts';
import { cosine } from '../../src/math/vector.ts';
import type { Progress } from '../../src/model/progress.ts';
import { readMeans } from '../../src/rollout/ask.ts';
import { parseSpec } from '../../src/steer/spec.ts';
import { resolveSteering } from '../../src/steer/resolve.ts';
import type { JudgedRole } from '../../src/vector/axis-rollouts.ts';
import { readAnyVector } from '../../src/vector/convert.ts';
import { extractAxis, leastKept, type AxisExtraction } from '../../src/vector/extract-axis.ts';
import { readVector } from '../../src/vector/file.ts';
import { direction } from '../../src/vector/vector.ts';
import { writeVectorAs } from '../../src/vector/write-as.ts';
import { expectClose } from '../engine/tiny-engine.ts';
import { folder } from '../support/folder.ts';
import { usePlanted } from '../support/planted-chat.ts';
import { IN_ROLES, plantedRoles, SMALL_AXIS, USUAL } from '../support/planted-roles.ts';
import { rows } from '../support/planted-run.ts';
import { TINY } from '../tiny/tiny-model.ts';

const chat = usePlanted();
const OPTIONS = { ...SMALL_AXIS, seed: 0 };

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

function expectSame(actual: AxisExtraction, expected: AxisExtraction): void {
  expectClose(actual.vector.directions, expected.vector.directions, 1e-5, 'directions');
  expectClose(actual.vector.residualNorms, expected.vector.residualNorms, 1e-5, 'residual norms');
  expectClose(actual.vector.baseline!.mean, expected.vector.baseline!.mean, 1e-5, 'baseline');
  expect(actual.vector.recipe.axis).toEqual(expected.vector.recipe.axis);
  const [own, other] = [actual, expected].map(({ vector }) => vector.quality.axis!);
  expect(own!.roles.map(({ name }) => name)).toEqual(other!.roles.map(({ name }) => name));
  for (const [p, floors] of Object.entries(other!.floors)) expectClose(own!.floors[p], floors, 1e-5, p);
}

test('the axis is the planted direction, from the roles to the assistant, with all that a cap needs', async () => {
  const run = join(folder(), 'run');
  const output = join(run, '..', 'named', 'assistant.gguf');
  const { vector, path, leftOut } = await extractAxis(chat.model, plantedRoles(), {
    ...OPTIONS,
    run,
    output,
  });

  for (let b = 0; b < TINY.layers; b++)
    expect(-cosine(direction(vector, b), chat.planted.direction), `layer ${b}`).toBeGreaterThan(0.95);
  expect([vector.trait, vector.kind, vector.layer, vector.coefficient]).toEqual([
    'assistant',
    'response_avg',
    2,
    1,
  ]);
  expect(await readVector(path)).toEqual(vector);
  expect(await readVector(output)).toEqual(vector);

  const answers = rows<JudgedRole>(run);
  expect(answers).toHaveLength(IN_ROLES + USUAL);
  expect(new Set(answers.map(({ id }) => id)).size).toBe(IN_ROLES + USUAL);
  const { roles: counts } = vector.recipe.axis!;
  for (const { name, kept, asked } of counts) {
    expect(asked, name).toBe(4);
    expect(kept, name).toBe(answers.filter(({ role, inRole }) => role === name && inRole! > 0).length);
  }
  expect(counts.reduce((sum, { kept }) => sum + kept, 0)).toBeGreaterThan(IN_ROLES / 2);
  expect(leftOut).toEqual(counts.filter(({ kept }) => kept < leastKept(4)));

  // by hand, at one layer: the means of what counts, on the questions that all were asked
  const at = 1;
  const means = new Map<string, Float64Array[]>();
  for (const answer of answers) {
    if (answer.answer === '' || answer.questionIndex >= 2 || (answer.role && !(answer.inRole! > 0))) continue;
    const read = await readMeans(chat.model, answer);
    const row = Float64Array.from(read.means.response_avg!.subarray(at * TINY.width, (at + 1) * TINY.width));
    means.set(answer.role ?? '', [...(means.get(answer.role ?? '') ?? []), row]);
  }
  const meanOf = (list: readonly Float64Array[]): Float64Array =>
    list[0]!.map((_, i) => list.reduce((sum, row) => sum + row[i]! / list.length, 0));
  const usual = meanOf(means.get('')!);
  const roles = [...means].filter(([name, list]) => name !== '' && list.length >= leastKept(4));
  const center = meanOf(roles.map(([, list]) => meanOf(list)));
  expectClose(direction(vector, at), usual.map((x, i) => x - center[i]!), 1e-4, 'axis'); // prettier-ignore

  const {
    firstComponent,
    explained,
    componentsFor70,
    roles: placed,
    usual: place,
    floors,
  } = vector.quality.axis!;
  for (let b = 0; b < TINY.layers; b++) {
    expect(firstComponent[b]).toBeGreaterThan(0.9); // roles differ by how much P they write
    expect(explained[b]!.reduce((sum, x) => sum + x)).toBeCloseTo(1, 6);
    expect(componentsFor70[b]).toBe(1);
  }
  expect(placed).toHaveLength(roles.length);
  expect(placed.map(({ projection }) => projection)).toEqual(
    placed.map(({ projection }) => projection).toSorted((a, b) => b - a),
  );
  for (const { sd } of placed) expect(sd).toBeLessThan(0);
  expect(place[0]).toBeGreaterThan(Math.max(...placed.map(({ components }) => components[0]!)));

  // the floors are percentiles of the tokens of all answers
  const projections: number[] = [];
  for (const { prompt, answer } of answers) {
    if (answer === '') continue;
    const v = direction(vector, at);
    const read = { name: 'v', layer: at, direction: v };
    const result = await chat.model.engine.run({ prompt, answer, projections: [read] });
    projections.push(...result.projections![0]!.tokens);
  }
  expect(Object.keys(floors)).toEqual(['1', '25', '50', '75']);
  for (const p of [1, 25, 50, 75]) expect(floors[p]![at]).toBeCloseTo(quantile(projections, p / 100), 3);
});

test('a floor at a percentile: no projection lies below it, where many did', async () => {
  const { vector } = await extractAxis(chat.model, plantedRoles(), { ...OPTIONS, run: folder() });
  const { edits } = await resolveSteering(
    [parseSpec('assistant=>=75p@1-3:cap/all')],
    () => Promise.resolve(vector),
    chat.model.identity,
  );
  const prompt = chat.model.render([
    { role: 'system', content: `morning ${'P'.repeat(60)}.` },
    { role: 'user', content: 'what of the river.' },
  ]);
  const request = {
    prompt,
    maxTokens: 40,
    ignoreEnd: true,
    sampling: { seed: 3 },
    projections: [1, 2, 3].map((layer) => ({
      name: String(layer),
      layer,
      direction: direction(vector, layer),
      prompt: true,
    })),
  };
  const free = await chat.model.engine.run(request);
  const capped = await chat.model.engine.run({ ...request, edits });
  const lowest = ({ promptTokens, tokens }: NonNullable<typeof free.projections>[number]): number =>
    Math.min(...promptTokens!, ...tokens);
  for (const [i, layer] of [1, 2, 3].entries()) {
    const floor = vector.quality.axis!.floors['75']![layer]!;
    expect(lowest(free.projections![i]!)).toBeLessThan(floor - 0.1);
    expect(lowest(capped.projections![i]!)).toBeGreaterThanOrEqual(floor - 1e-3);
  }
});

test('a role whose answers are not in it is left out and named', async () => {
  const run = folder();
  await extractAxis(chat.model, plantedRoles(), { ...OPTIONS, run });
  const log = join(run, 'rollouts.jsonl');
  const edited = rows<JudgedRole>(run).map((row, i) =>
    row.role === 'sailor' ? { ...row, inRole: i % 2 === 0 ? -0.1 : 0 } : row,
  );
  writeFileSync(log, edited.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const { vector, leftOut } = await extractAxis(chat.model, plantedRoles(), { ...OPTIONS, run });
  expect(leftOut).toContainEqual({ name: 'sailor', kept: 0, asked: 4 });
  expect(vector.recipe.axis!.roles).toContainEqual({ name: 'sailor', kept: 0, asked: 4 });
  expect(vector.quality.axis!.roles.map(({ name }) => name)).not.toContain('sailor');
});

test('too few roles left is an error that names them', async () => {
  // with no system prompt to tell them apart, an answer is exactly as likely in the role as without it
  const render = chat.model.render.bind(chat.model);
  const spy = vi
    .spyOn(chat.model, 'render')
    .mockImplementation((messages) => render(messages.filter(({ role }) => role !== 'system')));
  const run = join(folder(), 'run');
  await expect(extractAxis(chat.model, plantedRoles(), { ...OPTIONS, run })).rejects.toMatchObject({
    code: 'EMPTY_SIDE',
    message: expect.stringMatching(/^0 of 6 roles have enough answers .*: baker 0 of 4, miller 0 of 4/),
    remedy: expect.stringContaining('--questions'),
  });
  spy.mockRestore();
  expect(existsSync(join(run, 'vector.gguf'))).toBe(false);
});

test('a run that was cut off ends as it would have, and one that was done is read, not asked', async () => {
  const run = folder();
  const [whole, asked] = await writing(() => extractAxis(chat.model, plantedRoles(), { ...OPTIONS, run }));
  expect(asked).toBe(IN_ROLES + USUAL);
  const log = join(run, 'rollouts.jsonl');
  const lines = readFileSync(log, 'utf8').split('\n');

  const [again, askedAgain] = await writing(() =>
    extractAxis(chat.model, plantedRoles(), { ...OPTIONS, run }),
  );
  expect(askedAgain).toBe(0);
  expectSame(again, whole);

  writeFileSync(log, `${lines.slice(0, 11).join('\n')}\n${lines[11]!.slice(0, 40)}`);
  const [rest, askedRest] = await writing(() => extractAxis(chat.model, plantedRoles(), { ...OPTIONS, run }));
  expect(askedRest).toBe(IN_ROLES + USUAL - 11);
  expectSame(rest, whole);
  expect(readFileSync(log, 'utf8').startsWith(`${lines.slice(0, 11).join('\n')}\n`)).toBe(true);

  // another layer is another view of the same answers; other questions are another run
  const [shifted, askedShifted] = await writing(() =>
    extractAxis(chat.model, plantedRoles(), { ...OPTIONS, run, layer: 1 }),
  );
  expect([askedShifted, shifted.vector.layer]).toEqual([0, 1]);
  const fewer = extractAxis(chat.model, plantedRoles(), { ...OPTIONS, run, questions: 1 });
  await expect(fewer).rejects.toMatchObject({ code: 'USAGE', message: expect.stringContaining('questions: 2 there, 1 now') }); // prettier-ignore
  const beyond = extractAxis(chat.model, plantedRoles(), { ...OPTIONS, run, layer: 4 });
  await expect(beyond).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining('no layer 4'),
  });
});

test('an abort in the midst leaves a run that can be gone on with', async () => {
  const run = folder();
  const stop = new AbortController();
  const onProgress = ({ done, label }: Progress): void => {
    if (label === 'asking' && done > 10) stop.abort();
  };
  const stopped = extractAxis(chat.model, plantedRoles(), {
    ...OPTIONS,
    run,
    signal: stop.signal,
    onProgress,
  });
  await expect(stopped).rejects.toBeDefined();
  const before = rows<JudgedRole>(run).length;
  expect(before).toBeLessThan(IN_ROLES + USUAL);
  const [rest, asked] = await writing(() => extractAxis(chat.model, plantedRoles(), { ...OPTIONS, run }));
  expect(asked).toBe(IN_ROLES + USUAL - before);
  expectSame(rest, await extractAxis(chat.model, plantedRoles(), { ...OPTIONS, run: folder() }));
});

test('it goes out as a file of assistant-axis, and comes back the same', async () => {
  const run = folder();
  const { vector } = await extractAxis(chat.model, plantedRoles(), { ...OPTIONS, run });
  const path = join(run, 'axis.pt');
  await writeVectorAs(path, vector, 'assistant-axis');
  const back = await readAnyVector(path, { model: () => Promise.resolve(chat.model.identity) });
  expect(back.vector.directions).toEqual(vector.directions);
  expect(back.vector.trait).toBe('assistant');
});

test('half of the answers, at most ten', () => {
  expect([1, 2, 4, 8, 20, 1200].map(leastKept)).toEqual([1, 1, 2, 4, 10, 10]);
});
