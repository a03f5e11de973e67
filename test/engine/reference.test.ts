/** The engine against the same network in plain arithmetic: what a layer is, where an edit acts, what a read sees. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Edit, EngineRequest, Scope } from '../../src/engine/request.ts';
import { TINY } from '../tiny/tiny-model.ts';
import { referenceLlama, type ReferenceEdit } from './reference-llama.ts';
import { expectClose, temporaryFolder, useTiny } from './tiny-engine.ts';
import { GREEDY, randomDirection, randomPrompt } from './tiny-values.ts';

const { layers, width } = TINY;
const folder = temporaryFolder();
/** f32 against f64; a wrong layer, position or order is off by a thousand times more. */
const TOLERANCE = 1e-4;

const prompt = randomPrompt(1, 21); // more than one batch
const answer = randomPrompt(2, 9);
const tokens = [...prompt, ...answer];

const covers: Record<Scope, (position: number) => boolean> = {
  response: (p) => p >= prompt.length - 1,
  prompt: (p) => p < prompt.length,
  all: () => true,
  last_prompt: (p) => p === prompt.length - 1,
  generated: (p) => p >= prompt.length,
};

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};
const size = (a: ArrayLike<number>): number => Math.sqrt(dot(a, a));
const average = (rows: Float64Array[]): number[] =>
  Array.from({ length: width }, (_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length);

/** The edits as the definitions say, one position at a time. */
function inReference(edits: readonly Edit[], counts: number[]): ReferenceEdit {
  return (row, layer, position) => {
    const original = row.slice();
    edits.forEach((edit, e) => {
      if (edit.layer !== layer || !covers[edit.scope ?? 'response'](position)) return;
      if (edit.when) {
        const projection = dot(original, edit.when.direction) / size(edit.when.direction);
        if (projection <= (edit.when.above ?? -Infinity) || projection >= (edit.when.below ?? Infinity))
          return;
      }
      const norm = size(edit.direction);
      const projection = dot(row, edit.direction) / norm;
      let amount: number; // of v̂
      if (edit.op === 'add') amount = edit.coefficient * norm;
      else if (edit.op === 'ablate') amount = -projection;
      else {
        const bounded = Math.min(Math.max(projection, edit.below ?? -Infinity), edit.above ?? Infinity);
        if (bounded === projection) return;
        amount = bounded - projection;
      }
      for (let i = 0; i < width; i++) row[i]! += (amount * edit.direction[i]!) / norm;
      counts[e]!++;
    });
  };
}

const add = (layer: number, scope: Scope, coefficient = 2): Edit => ({
  op: 'add',
  layer,
  scope,
  coefficient,
  direction: randomDirection(layer + 10),
});
const cases: [string, Edit[]][] = [
  ['no edit', []],
  ...(Object.keys(covers) as Scope[]).map((scope): [string, Edit[]] => [
    `add, scope ${scope}`,
    [add(1, scope)],
  ]),
  ['add after the first block', [add(0, 'all')]],
  ['add after the last block', [add(layers - 1, 'all')]],
  [
    'ablation at every layer',
    Array.from({ length: layers }, (_, layer): Edit => ({
      op: 'ablate',
      layer,
      scope: 'all',
      direction: randomDirection(3),
    })),
  ],
  ['cap from above', [{ op: 'cap', layer: 2, scope: 'all', direction: randomDirection(4), above: -0.3 }]],
  ['cap from below', [{ op: 'cap', layer: 1, scope: 'response', direction: randomDirection(5), below: 0.4 }]],
  [
    'cap on both sides',
    [{ op: 'cap', layer: 0, scope: 'all', direction: randomDirection(5), below: -0.1, above: 0.1 }],
  ],
  ['add when above', [{ ...add(2, 'all'), when: { direction: randomDirection(6), above: 0.2 } }]],
  [
    'add when between',
    [{ ...add(0, 'all'), when: { direction: randomDirection(7), above: -0.5, below: 0.5 } }],
  ],
  [
    'several at one layer, in order, with a condition on the row as it came',
    [
      add(2, 'all', 5),
      { op: 'cap', layer: 2, scope: 'response', direction: randomDirection(12), above: 1 },
      {
        op: 'ablate',
        layer: 2,
        scope: 'all',
        direction: randomDirection(8),
        when: { direction: randomDirection(12), below: 0 },
      },
    ],
  ],
  [
    'several layers and scopes',
    [add(0, 'prompt'), add(1, 'last_prompt'), add(3, 'generated'), add(2, 'response', -3)],
  ],
];

describe.each(['callback', 'layer_input'] as const)('read via %s', (readVia) => {
  const tiny = useTiny(folder, 'llama', { readVia });

  test.each(cases)('%s', async (_, edits) => {
    const reference = await referenceLlama(join(folder.path, 'llama.gguf'));
    const counts = edits.map(() => 0);
    const { streams, logits } = reference(tokens, inReference(edits, counts));
    const request: EngineRequest = {
      prompt,
      answer,
      edits,
      topLogprobs: 3,
      means: { layers: 'all', kinds: ['prompt_avg', 'prompt_last', 'response_avg'] },
      projections: Array.from({ length: layers }, (__, layer) => ({
        name: 'p',
        layer,
        direction: randomDirection(50 + layer, 3),
        prompt: true,
      })),
    };
    const result = await tiny.engine.run(request);
    const each = (kind: (rows: Float64Array[]) => ArrayLike<number>): number[] =>
      streams.flatMap((rows) => Array.from(kind(rows)));
    const n = prompt.length;
    expectClose(
      result.means!.prompt_avg,
      each((rows) => average(rows.slice(0, n))),
      TOLERANCE,
      'prompt_avg',
    );
    expectClose(
      result.means!.prompt_last,
      each((rows) => rows[n - 1]!),
      TOLERANCE,
      'prompt_last',
    );
    expectClose(
      result.means!.response_avg,
      each((rows) => average(rows.slice(n))),
      TOLERANCE,
      'response_avg',
    );
    request.projections!.forEach(({ layer, direction }, i) => {
      const expected = streams[layer]!.map((row) => dot(row, direction) / size(direction));
      const { promptTokens, prompt: last, tokens: later } = result.projections![i]!;
      expectClose([...promptTokens!, ...later], expected, TOLERANCE, `projections at ${layer}`);
      expect(last).toBe(promptTokens!.at(-1));
    });
    expect(result.editsApplied).toEqual(counts);

    answer.forEach((token, i) => {
      const row = logits[n - 1 + i]!;
      const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
      const sorted = [...row.keys()].sort((a, b) => row[b]! - row[a]!).slice(0, 3);
      const { logprob, top } = result.logprobs![i]!;
      expect(logprob).toBeCloseTo(row[token]! - total, 2);
      expect(top.map((entry) => entry.token)).toEqual(sorted);
      expect(top[0]!.logprob).toBeCloseTo(row[sorted[0]!]! - total, 2);
    });
  });

  test('greedy text is the likeliest token each time', async () => {
    const reference = await referenceLlama(join(folder.path, 'llama.gguf'));
    const edits = [add(2, 'response', 3)];
    const { tokens: written } = await tiny.engine.run({ prompt, maxTokens: 8, edits, ...GREEDY });
    const all = [...prompt, ...written];
    const { logits } = reference(all, inReference(edits, [0]));
    const likeliest = written.map((_, i) => {
      const row = logits[prompt.length - 1 + i]!;
      return row.indexOf(Math.max(...row));
    });
    expect(written).toEqual(likeliest);
    const { logits: unedited } = reference([...prompt, written[0]!]);
    expect(unedited[prompt.length - 1]).not.toEqual(logits[prompt.length - 1]);
  });
});
