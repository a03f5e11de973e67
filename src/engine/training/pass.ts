/**
 * One pass over packed samples: the loss of the tokens that are learnt, what is read of the residual stream, and, if
 * asked for, the gradients of the factors. The graph holds just what was asked for: without gradients nothing is kept,
 * and reads alone end at the highest layer read.
 */

import type { Tensor } from '../ggml.ts';
import { type Mask, portionsOf, type Segment } from './attention.ts';
import { block, type BlockStep } from './block.ts';
import { applyEdit, type Edited, type LayerEdit } from './edit.ts';
import type { Factors } from './factors.ts';
import { TrainingGraph, type Rope } from './graph.ts';
import { tokenLoss } from './loss.ts';
import type { TrainingMemory } from './memory.ts';
import type { LoraPass } from './linear.ts';

export interface PassSample {
  tokens: Int32Array;
  /** 1 for tokens that are learnt; the first never is, nothing comes before it */
  learnt: Uint8Array;
}

export interface PassRead {
  /** after this block and its edits */
  layer: number;
  /** which sample, and which of its tokens */
  places: { sample: number; token: number }[];
}

export interface PassOptions {
  samples: readonly PassSample[];
  edits?: readonly LayerEdit[];
  /** left out: the base model */
  factors?: Factors;
  lora?: LoraPass;
  /** numbers for the dropout of the factors' inputs; @see dropoutPool */
  dropout?: { pool: Float32Array; offsets: () => number };
  /** adds `weight` × the summed loss's gradients to those of the factors */
  gradients?: { weight: number };
  /** compute losses. @default true */
  loss?: boolean;
  reads?: readonly PassRead[];
}

export interface PassResult {
  /** −log p by learnt token, sample after sample */
  losses: Float32Array;
  /** by read: (places × d) */
  reads: Float32Array[];
}

/**
 * Tensors, views among them: more than there are of a block, and of a segment and a portion of its queries in it. A
 * gemma3 with dropout, and both kinds of edits and a read at each block, has some 280, 40 and 70; ggml ends the process
 * beyond what was made room for.
 */
const NODES_PER_BLOCK = 320;
const NODES_PER_SEGMENT = 40;
const NODES_PER_PORTION = 80;
const NODES_BESIDE = 4096;

/** @throws PersonaError ENGINE_FAILED, UNSUPPORTED */
export function runPass(memory: TrainingMemory, options: PassOptions): PassResult {
  const { weights, backend } = memory;
  const { architecture } = weights;
  const { width, layers } = architecture;
  const { samples, edits = [], factors, gradients, reads = [] } = options;
  const wantsLoss = options.loss ?? true;
  const segments = segmentsOf(samples);
  const tokens = segments.reduce((sum, { length }) => sum + length, 0);
  const lengths = segments.map(({ length }) => length);
  const portions = lengths.reduce((sum, length) => sum + portionsOf(length), 0);
  const nodes = NODES_PER_BLOCK + NODES_PER_SEGMENT * segments.length + NODES_PER_PORTION * portions;
  using g = new TrainingGraph(backend, layers * nodes + NODES_BESIDE);

  const ids = g.input('i32', concatenated(samples.map((sample) => sample.tokens)), tokens);
  const ropes = ropesOf(g, memory, segments, tokens);
  const masks = masksOf(g, architecture.local?.window);
  const lora: LoraPass = { ...(options.lora ?? { rank: 0, scale: 0 }) };
  if (options.dropout) {
    const { pool, offsets } = options.dropout;
    const whole = g.input('f32', pool, pool.length);
    lora.dropout = (length) => g.part2(whole, length, 1, length, offsets());
  }

  const last = wantsLoss ? layers - 1 : Math.max(...reads.map((read) => read.layer));
  const steps: { step: BlockStep; edited: Edited | undefined }[] = [];
  let x: Tensor = g.scale(g.rows(weights.embedding, ids), architecture.embeddingScale);
  const readTensors: Tensor[] = [];
  for (let b = 0; b <= last; b++) {
    const isLocal = architecture.local?.blocks[b] ?? false;
    const step = block(
      g,
      {
        architecture,
        weights: weights.blocks[b]!,
        factors: factors?.blocks[b],
        lora,
        rope: isLocal ? ropes.local : ropes.global,
        segments,
        mask: isLocal ? masks.local : masks.global,
        tokens,
      },
      x,
    );
    x = step.out;
    const edit = edits.find(({ layer }) => layer === b);
    const edited = edit && applyEdit(g, edit, width, x);
    if (edited) x = edited.out;
    steps.push({ step, edited });
    reads.forEach((read, i) => {
      if (read.layer !== b) return;
      const places = Int32Array.from(read.places, ({ sample, token }) => segments[sample]!.start + token);
      readTensors[i] = g.output(g.rows(x, g.input('i32', places, places.length)));
    });
  }

  const learnt = learntRows(samples, segments);
  const loss =
    wantsLoss && learnt.rows.length > 0 ? tokenLoss(g, architecture, weights, x, tokens, learnt) : undefined;
  if (loss && gradients) {
    let gradient = loss.back(gradients.weight);
    for (const { step, edited } of steps.toReversed())
      gradient = step.back(edited ? edited.back(gradient) : gradient);
    // the gradient of the embeddings: nothing asks for it, so it is not computed
  }
  g.compute(memory.allocator);

  return {
    losses: concatenatedFloats(
      (loss?.losses ?? []).map((tensor) => backend.read(tensor, Number(backend.ggml.ggml_nelements(tensor)))),
    ),
    reads: readTensors.map((tensor, i) => backend.read(tensor, reads[i]!.places.length * width)),
  };
}

function segmentsOf(samples: readonly PassSample[]): Segment[] {
  let start = 0;
  return samples.map(({ tokens }) => {
    const segment = { start, length: tokens.length };
    start += tokens.length;
    return segment;
  });
}

/** Rows whose next token is learnt, and those tokens. */
function learntRows(
  samples: readonly PassSample[],
  segments: readonly Segment[],
): { rows: Int32Array; targets: Int32Array } {
  const rows: number[] = [];
  const targets: number[] = [];
  samples.forEach(({ tokens, learnt }, s) => {
    for (let t = 1; t < tokens.length; t++)
      if (learnt[t]) {
        rows.push(segments[s]!.start + t - 1);
        targets.push(tokens[t]!);
      }
  });
  return { rows: Int32Array.from(rows), targets: Int32Array.from(targets) };
}

function ropesOf(
  g: TrainingGraph,
  { weights }: TrainingMemory,
  segments: readonly Segment[],
  tokens: number,
): { global: Rope; local: Rope } {
  const { rope, local } = weights.architecture;
  const positions = new Int32Array(tokens);
  for (const { start, length } of segments) for (let i = 0; i < length; i++) positions[start + i] = i;
  const global: Rope = {
    positions: g.input('i32', positions, tokens),
    factors: weights.ropeFactors,
    dimensions: rope.dimensions,
    mode: rope.pairs === 'halves' ? 2 : 0, // GGML_ROPE_TYPE_NEOX
    originalContext: rope.originalContext,
    base: rope.base,
    scale: rope.scale,
  };
  return { global, local: { ...global, base: local?.base ?? rope.base, scale: 1 } };
}

/** Masks are made at first use. */
function masksOf(g: TrainingGraph, window: number | undefined): { global: Mask; local: Mask } {
  const made = new Map<string, Tensor>();
  const mask = (from: number, end: number, reach: number): Tensor => {
    const key = `${from}/${end}/${Math.min(reach, end)}`;
    const found = made.get(key);
    if (found !== undefined) return found;
    const data = new Float32Array((end - from) * end).fill(-Infinity);
    for (let q = from; q < end; q++) {
      const row = (q - from) * end;
      data.fill(0, row + Math.max(0, q - reach + 1), row + q + 1);
    }
    const tensor = g.input('f32', data, end, end - from);
    made.set(key, tensor);
    return tensor;
  };
  return {
    global: (from, end) => mask(from, end, end),
    local: (from, end) => mask(from, end, window ?? end),
  };
}

function concatenated(parts: readonly Int32Array[]): Int32Array {
  const out = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function concatenatedFloats(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
