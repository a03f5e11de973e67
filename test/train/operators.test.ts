/** Each rule of the way back by itself: Σ c·y of a small graph against finite differences, in f32. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Tensor } from '../../src/engine/ggml.ts';
import type { Architecture } from '../../src/engine/training/architecture.ts';
import { attend, type Mask, QUERIES, type Segment } from '../../src/engine/training/attention.ts';
import { block } from '../../src/engine/training/block.ts';
import { applyEdit } from '../../src/engine/training/edit.ts';
import { GROUPS } from '../../src/engine/training/factors.ts';
import { gated } from '../../src/engine/training/feed-forward.ts';
import { type Rope, TrainingGraph } from '../../src/engine/training/graph.ts';
import { project } from '../../src/engine/training/linear.ts';
import { tokenLoss } from '../../src/engine/training/loss.ts';
import type { TrainingMemory } from '../../src/engine/training/memory.ts';
import { temporaryFolder } from '../engine/tiny-engine.ts';
import { noise, noiseArray } from '../tiny/noise.ts';
import { checkGradient } from './finite-differences.ts';
import { ARCHITECTURES, randomFactors, randomUnit, tinyMemory } from './tiny-training.ts';

const folder = temporaryFolder();
const memories = new Map<string, TrainingMemory>();
beforeAll(async () => {
  for (const architecture of ARCHITECTURES)
    memories.set(architecture, await tinyMemory(folder.path, architecture, { sizes: { layers: 2 } }));
});
afterAll(() => {
  for (const memory of memories.values()) memory[Symbol.dispose]();
});

const RELATIVE = 1e-3;
const TOKENS = 7;
const WIDTH = 64;
const NODES = 2048;

/** Two samples of different lengths. */
const SEGMENTS: Segment[] = [
  { start: 0, length: 5 },
  { start: 5, length: 2 },
];

/** A rule: outputs from inputs, and the inputs' gradients from that of the output. */
type Rule = (g: TrainingGraph, inputs: Tensor[]) => { out: Tensor; back: (gradient: Tensor) => Tensor[] };

/** ne0 and how many rows */
type Shape = [number, number];

function run(
  memory: TrainingMemory,
  shapes: readonly Shape[],
  values: readonly Float32Array[],
  rule: Rule,
  outShape: Shape,
  c?: Float32Array,
): { y: Float32Array; gradients: Float32Array[] } {
  using g = new TrainingGraph(memory.backend, NODES);
  const inputs = shapes.map(([ne0, ne1], i) => g.input('f32', values[i]!, ne0, ne1));
  const { out, back } = rule(g, inputs);
  const y = g.output(g.contiguous(out));
  const gradients = c
    ? back(g.input('f32', c, ...outShape)).map((gradient) => g.output(g.contiguous(gradient)))
    : [];
  g.compute(memory.allocator);
  return {
    y: memory.backend.read(y, outShape[0] * outShape[1]),
    gradients: gradients.map((gradient, i) => memory.backend.read(gradient, values[i]!.length)),
  };
}

/** The worst relative error over the rule's inputs, for random inputs, and random c if none is given. */
function ruleError(
  memory: TrainingMemory,
  shapes: readonly Shape[],
  outShape: Shape,
  rule: Rule,
  c: Float32Array = noiseArray(noise(2), outShape[0] * outShape[1], 1),
): number {
  const next = noise(1);
  const values = shapes.map(([ne0, ne1]) => noiseArray(next, ne0 * ne1, 1));
  const weighed = (changed: readonly Float32Array[]): number => {
    const { y } = run(memory, shapes, changed, rule, outShape);
    return y.reduce((sum, value, i) => sum + value * c[i]!, 0);
  };
  const { y: terms, gradients } = run(memory, shapes, values, rule, outShape, c);
  const size = terms.reduce((sum, value, i) => sum + Math.abs(value * c[i]!), 0);
  expect(gradients).toHaveLength(values.length);
  const errors = gradients.map((gradient, i) => {
    expect(Math.hypot(...gradient)).toBeGreaterThan(0);
    const scales = { length: Math.hypot(...values[i]!), size };
    const { error, signal } = checkGradient(gradient, scales, (along, step) =>
      weighed(
        values.with(
          i,
          values[i]!.map((x, j) => x + step * along[j]!),
        ),
      ),
    );
    expect(signal, 'rounding does not hide it').toBeGreaterThan(100);
    return error;
  });
  return Math.max(...errors);
}

function causal(g: TrainingGraph): Mask {
  return (from, end) => {
    const data = new Float32Array((end - from) * end).fill(-Infinity);
    for (let q = from; q < end; q++) data.fill(0, (q - from) * end, (q - from) * end + q + 1);
    return g.input('f32', data, end, end - from);
  };
}

function ropeOf(g: TrainingGraph, { rope }: Architecture, change: Partial<Rope> = {}): Rope {
  return {
    positions: g.input('i32', Int32Array.from([0, 1, 2, 3, 4, 0, 1]), TOKENS),
    factors: null,
    dimensions: rope.dimensions,
    mode: rope.pairs === 'halves' ? 2 : 0,
    originalContext: rope.originalContext,
    base: rope.base,
    scale: rope.scale,
    ...change,
  };
}

test('the check itself: a gradient that is one hundredth off is found, at either end of the parameters', () => {
  const square = (at: Float32Array) => at.reduce((sum, x) => sum + x * x, 0);
  const values = noiseArray(noise(3), 100, 1);
  const error = (change: (g: number, i: number) => number): number =>
    checkGradient(
      values.map((x, i) => change(2 * x, i)),
      { length: Math.hypot(...values), size: square(values) },
      (along, step) => square(values.map((x, i) => x + step * along[i]!)),
    ).error;
  expect(error((g) => g)).toBeLessThan(1e-4);
  expect(error((g) => g * 1.01)).toBeGreaterThan(5e-3);
  expect(error((g, i) => (i < 10 ? 0 : g))).toBeGreaterThan(5e-3);
  expect(error((g, i) => (i === 99 ? -g : g))).toBeGreaterThan(RELATIVE);
  expect(error(() => NaN)).toBe(Infinity);
});

describe('linear with LoRA', () => {
  test.each([0, 1, 2, 3])('group %i: the input', (group) => {
    const memory = memories.get('qwen2')!; // with biases
    const { architecture, blocks } = memory.weights;
    using factors = randomFactors(memory, { rank: 3 });
    const inputs = group === 3 ? architecture.feedForward : WIDTH;
    const widths = [[64, 32, 32], [64], [128, 128], [64]][group]!;
    // all outs side by side, so that each has its gradient
    const outputs = widths.reduce((a, b) => a + b);
    const error = ruleError(memory, [[inputs, TOKENS]], [outputs, TOKENS], (g, [x]) => {
      const lora = { rank: 3, scale: 1.7 };
      const projected = project(
        g,
        architecture,
        blocks[0]!,
        GROUPS[group]!,
        factors.blocks[0]![group],
        lora,
        x!,
        TOKENS,
      );
      let from = 0;
      return {
        out: projected.outs.reduce((a, b) => g.concat(a, b, 0)),
        back: (gradient) => {
          const parts = widths.map((width) => {
            const part = g.contiguous(g.part2(gradient, width, TOKENS, outputs, from));
            from += width;
            return part;
          });
          return [projected.back(parts, x!)];
        },
      };
    });
    expect(error).toBeLessThan(RELATIVE);
  });

  test('y = W x + s·B A x + bias, worked in f64', () => {
    const memory = memories.get('qwen2')!;
    const { architecture, blocks } = memory.weights;
    const targets = ['attn_k', 'attn_v'] as const; // q has none: places in the group and among the factors differ
    using factors = randomFactors(memory, { rank: 3, targets });
    const x = noiseArray(noise(5), WIDTH * TOKENS, 1);
    const { y } = run(
      memory,
      [[WIDTH, TOKENS]],
      [x],
      (g, [input]) => {
        const group = factors.blocks[0]![0];
        const lora = { rank: 3, scale: 1.7 };
        const { outs } = project(g, architecture, blocks[0]!, GROUPS[0]!, group, lora, input!, TOKENS);
        return { out: outs[2]!, back: () => [] };
      },
      [32, TOKENS],
    );
    const { backend } = memory;
    const { forward, bias } = blocks[0]!.matrices.attn_v;
    const w = backend.read(forward, WIDTH * 32);
    const shift = backend.read(bias!, 32);
    const { a, b } = factors.blocks[0]![0]!;
    const A = factors.read(a).value.slice(3 * WIDTH); // behind those of k
    const B = factors.read(b.get('attn_v')!).value;
    for (let t = 0; t < TOKENS; t++)
      for (let o = 0; o < 32; o++) {
        let expected = shift[o]!;
        for (let i = 0; i < WIDTH; i++) {
          let weight = w[o * WIDTH + i]!;
          for (let r = 0; r < 3; r++) weight += 1.7 * B[r * 32 + o]! * A[r * WIDTH + i]!;
          expected += weight * x[t * WIDTH + i]!;
        }
        expect(y[t * 32 + o]).toBeCloseTo(expected, 4);
      }
  });
});

describe('attention', () => {
  const long: Segment[] = [
    { start: 0, length: 3 },
    { start: 3, length: 2 * QUERIES + 5 }, // in three portions
    { start: 2 * QUERIES + 8, length: QUERIES },
  ];
  test.each([
    { heads: 4, kvHeads: 4, headWidth: 16, segments: SEGMENTS },
    { heads: 4, kvHeads: 2, headWidth: 16, segments: SEGMENTS },
    { heads: 4, kvHeads: 1, headWidth: 16, segments: SEGMENTS },
    { heads: 4, kvHeads: 2, headWidth: 4, segments: long },
    { heads: 2, kvHeads: 2, headWidth: 4, segments: long },
  ])(
    '$heads query heads on $kvHeads key heads, $segments.length segments: query, key and value',
    ({ heads, kvHeads, headWidth, segments }) => {
      const memory = memories.get('llama')!;
      const architecture = { ...memory.weights.architecture, heads, kvHeads, headWidth };
      const { start, length } = segments.at(-1)!;
      const tokens = start + length;
      const shape = (count: number): Shape => [headWidth * count, tokens];
      const error = ruleError(
        memory,
        [shape(heads), shape(kvHeads), shape(kvHeads)],
        shape(heads),
        (g, [q, k, v]) => {
          const three = (a: Tensor, count: number): Tensor => g.shape3(a, headWidth, count, tokens);
          const pass = { segments, mask: causal(g) };
          const attended = attend(g, architecture, pass, {
            query: three(q!, heads),
            key: three(k!, kvHeads),
            value: three(v!, kvHeads),
          });
          return {
            out: attended.out,
            back: (gradient) => {
              const { query, key, value } = attended.back(gradient);
              return [query, key, value];
            },
          };
        },
      );
      expect(error).toBeLessThan(RELATIVE);
    },
  );
});

describe('norms, positions, gates', () => {
  test.each([
    ['of the stream', WIDTH, 1],
    ['of heads', 16, 4],
  ])('RMS norm %s, by learnt weights', (_, width, count) => {
    const memory = memories.get('qwen3')!;
    const { norms } = memory.weights.blocks[0]!;
    const by = norms.get(width === WIDTH ? 'attn_norm' : 'attn_q_norm')!;
    const epsilon = 1e-2; // large enough to be seen
    const error = ruleError(memory, [[width * count, TOKENS]], [width * count, TOKENS], (g, [flat]) => {
      const three = (a: Tensor): Tensor => g.shape3(a, width, count, TOKENS);
      const x = three(flat!);
      return {
        out: g.times(g.rmsNorm(x, epsilon), by),
        back: (gradient) => [g.rmsNormBack(g.times(three(gradient), by), x, epsilon)],
      };
    });
    expect(error).toBeLessThan(RELATIVE);
  });

  test.each([
    ['neighbours', 'llama', {}],
    ['halves', 'qwen3', {}],
    ['a part of the head', 'qwen3', { dimensions: 8 }],
    ['a stretched context', 'llama', { scale: 0.25 }],
  ] as const)('rope: %s', (_, name, change) => {
    const memory = memories.get(name)!;
    const { architecture } = memory.weights;
    const shape: Shape = [WIDTH, TOKENS];
    const error = ruleError(memory, [shape], shape, (g, [x]) => {
      const rope = ropeOf(g, architecture, change);
      const three = (a: Tensor): Tensor => g.shape3(a, 16, 4, TOKENS);
      return {
        out: g.rope(three(x!), rope),
        back: (gradient) => [g.ropeBack(three(gradient), rope)],
      };
    });
    expect(error).toBeLessThan(RELATIVE);
  });

  test.each(['silu', 'gelu'] as const)('%s gate: gate and up', (activation) => {
    const memory = memories.get('llama')!;
    const architecture = { ...memory.weights.architecture, activation };
    const shape: Shape = [WIDTH, TOKENS];
    const error = ruleError(memory, [shape, shape], shape, (g, [gate, up]) => {
      const made = gated(g, architecture, gate!, up!);
      return {
        out: made.out(),
        back: (gradient) => {
          const d = made.back(gradient);
          return [d.gate, d.up];
        },
      };
    });
    expect(error).toBeLessThan(RELATIVE);
  });
});

describe('edits', () => {
  const shape: Shape = [WIDTH, TOKENS];
  const one = randomUnit(WIDTH, 1);
  test.each([
    ['an added vector', { add: one }],
    ['a removed direction', { ablate: one }],
    ['both', { add: one, ablate: one }],
  ])('%s', (_, edit) => {
    const error = ruleError(memories.get('llama')!, [shape], shape, (g, [x]) => {
      const edited = applyEdit(g, { layer: 0, ...edit }, WIDTH, x!);
      return { out: edited.out, back: (gradient) => [edited.back(gradient)] };
    });
    expect(error).toBeLessThan(RELATIVE);
  });
});

describe('loss', () => {
  test.each(ARCHITECTURES)('%s: the stream, at learnt rows and at others', (name) => {
    const memory = memories.get(name)!;
    const rows = Int32Array.from([1, 2, 5]);
    const targets = Int32Array.from([7, 120, 33]);
    const weight = 0.5; // of each token alike, so that is what c is
    const error = ruleError(
      memory,
      [[WIDTH, TOKENS]],
      [1, rows.length],
      (g, [x]) => {
        const learnt = { rows, targets };
        const loss = tokenLoss(g, memory.weights.architecture, memory.weights, x!, TOKENS, learnt);
        return { out: loss.losses[0]!, back: () => [loss.back(weight)] };
      },
      new Float32Array(rows.length).fill(weight),
    );
    expect(error).toBeLessThan(RELATIVE);
  });
});

test.each(ARCHITECTURES)('a whole block of %s: its input', (name) => {
  const memory = memories.get(name)!;
  const { architecture, blocks } = memory.weights;
  using factors = randomFactors(memory, { rank: 3 });
  const shape: Shape = [WIDTH, TOKENS];
  const error = ruleError(memory, [shape], shape, (g, [x]) => {
    const step = block(
      g,
      {
        architecture,
        weights: blocks[0]!,
        factors: factors.blocks[0],
        lora: { rank: 3, scale: 1.7 },
        rope: ropeOf(g, architecture),
        segments: SEGMENTS,
        mask: causal(g),
        tokens: TOKENS,
      },
      x!,
    );
    return { out: step.out, back: (gradient) => [step.back(gradient)] };
  });
  expect(error).toBeLessThan(RELATIVE);
});
