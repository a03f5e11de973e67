/**
 * The tiny llama in plain arithmetic: the residual stream after each block, with edits, to hold the engine against.
 * Written from the architecture's definition, not from llama.cpp.
 */
import { readGguf, readTensor } from '../../src/model/gguf-read.ts';
import { TINY } from '../tiny/tiny-model.ts';

const { width, heads, kvHeads, headWidth, layers } = TINY;
const EPSILON = 1e-6;
const ROPE_BASE = 10_000;

/** Changes a token's row of the stream after a block, in place. */
export type ReferenceEdit = (row: Float64Array, layer: number, position: number) => void;

export interface ReferenceRun {
  /** [layer][position] → row (d), after the edits */
  streams: Float64Array[][];
  /** [position] → logits (vocabulary) */
  logits: Float64Array[];
}

export async function referenceLlama(
  path: string,
): Promise<(tokens: readonly number[], edit?: ReferenceEdit) => ReferenceRun> {
  const gguf = await readGguf(path);
  const weights = new Map<string, Float32Array>();
  for (const name of gguf.tensors.keys()) weights.set(name, await readTensor(gguf, name));
  const get = (name: string): Float32Array => weights.get(`${name}.weight`)!;

  return (tokens, edit) => {
    const stream = tokens.map((token) =>
      Float64Array.from(get('token_embd').subarray(token * width, (token + 1) * width)),
    );
    const streams: Float64Array[][] = [];
    for (let b = 0; b < layers; b++) {
      const block = (name: string): Float32Array => get(`blk.${b}.${name}`);
      const normed = stream.map((row) => norm(row, block('attn_norm')));
      const queries = normed.map((row, t) => rotated(product(block('attn_q'), row), t));
      const keys = normed.map((row, t) => rotated(product(block('attn_k'), row), t));
      const values = normed.map((row) => product(block('attn_v'), row));
      stream.forEach((row, t) => {
        const mixed = attention(queries[t]!, keys.slice(0, t + 1), values.slice(0, t + 1));
        addTo(row, product(block('attn_output'), mixed));
        const inner = norm(row, block('ffn_norm'));
        const gate = product(block('ffn_gate'), inner);
        const up = product(block('ffn_up'), inner);
        addTo(
          row,
          product(
            block('ffn_down'),
            gate.map((x, i) => (x / (1 + Math.exp(-x))) * up[i]!),
          ),
        );
        edit?.(row, b, t);
      });
      streams.push(stream.map((row) => row.slice()));
    }
    const logits = stream.map((row) => product(get('output'), norm(row, get('output_norm'))));
    return { streams, logits };
  };
}

/** W (outputs × inputs) @ x (inputs) */
function product(matrix: Float32Array, x: Float64Array): Float64Array {
  const out = new Float64Array(matrix.length / x.length);
  for (let o = 0; o < out.length; o++) {
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += matrix[o * x.length + i]! * x[i]!;
    out[o] = sum;
  }
  return out;
}

function norm(x: Float64Array, weight: Float32Array): Float64Array {
  const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  return x.map((value, i) => (value / Math.sqrt(meanSquare + EPSILON)) * weight[i]!);
}

/** Rotary positions: neighbouring pairs within each head. */
function rotated(x: Float64Array, position: number): Float64Array {
  const out = x.slice();
  for (let i = 0; i < x.length; i += 2) {
    const angle = position * ROPE_BASE ** (-(i % headWidth) / headWidth);
    out[i] = x[i]! * Math.cos(angle) - x[i + 1]! * Math.sin(angle);
    out[i + 1] = x[i]! * Math.sin(angle) + x[i + 1]! * Math.cos(angle);
  }
  return out;
}

function attention(query: Float64Array, keys: Float64Array[], values: Float64Array[]): Float64Array {
  const out = new Float64Array(heads * headWidth);
  for (let h = 0; h < heads; h++) {
    const from = Math.floor(h / (heads / kvHeads)) * headWidth;
    const scores = keys.map((key) => {
      let sum = 0;
      for (let i = 0; i < headWidth; i++) sum += query[h * headWidth + i]! * key[from + i]!;
      return Math.exp(sum / Math.sqrt(headWidth));
    });
    const total = scores.reduce((sum, score) => sum + score, 0);
    values.forEach((value, t) => {
      for (let i = 0; i < headWidth; i++) out[h * headWidth + i]! += (scores[t]! / total) * value[from + i]!;
    });
  }
  return out;
}

function addTo(row: Float64Array, more: Float64Array): void {
  for (let i = 0; i < row.length; i++) row[i]! += more[i]!;
}
