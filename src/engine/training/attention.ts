/**
 * Attention within each sample: softmax(s·Kᵀq + mask) V, sample by sample, so that packed samples do not see each
 * other and nothing is spent on pairs of them.
 *
 * Query heads that share a key head lie next to each other, so they are taken as more queries of that head: no copies
 * of keys and values, and their gradients are summed by the products themselves. The attention weights (the largest
 * thing by far) are not kept for the way back but computed again.
 */

import type { Tensor } from '../ggml.ts';
import type { Architecture } from './architecture.ts';
import type { TrainingGraph } from './graph.ts';

/** Where a sample lies among the packed tokens. */
export interface Segment {
  start: number;
  length: number;
}

export interface Attended {
  /** [heads × headWidth, tokens] */
  out: Tensor;
  back(gradient: Tensor): { query: Tensor; key: Tensor; value: Tensor };
}

/**
 * @param query [headWidth, heads, tokens] @param key, value [headWidth, kvHeads, tokens]
 * @param mask by length: [length, length], 0 where the query (ne1) sees the key (ne0), else −∞
 */
export function attend(
  g: TrainingGraph,
  architecture: Architecture,
  segments: readonly Segment[],
  mask: (length: number) => Tensor,
  { query, key, value }: { query: Tensor; key: Tensor; value: Tensor },
): Attended {
  const { heads, kvHeads, headWidth, attentionScale } = architecture;
  const together = heads / kvHeads;
  const tokens = segments.reduce((sum, { length }) => sum + length, 0);

  /** [headWidth, length, count] of a segment of [headWidth, count, tokens], heads outermost */
  const headsOf = (a: Tensor, count: number, { start, length }: Segment): Tensor =>
    g.swapped(
      g.part3(a, [headWidth, count, length], [headWidth, headWidth * count], start * headWidth * count),
    );
  /** [headWidth, length, count] → [headWidth, count, length], of all segments together */
  const packed = (parts: readonly Tensor[], count: number): Tensor =>
    g.shape2(joined(g, parts.map(g.swapped)), headWidth * count, tokens);

  const weightsOf = (segment: Segment): { q: Tensor; k: Tensor; p: Tensor } => {
    const { length } = segment;
    const q = g.shape3(headsOf(query, heads, segment), headWidth, length * together, kvHeads);
    const k = headsOf(key, kvHeads, segment);
    const scores = g.shape3(g.multiply(k, q), length, length, heads);
    return { q, k, p: g.softmax(scores, mask(length), attentionScale) };
  };
  const perKey = (a: Tensor, length: number): Tensor => g.shape3(a, length, length * together, kvHeads);
  const perHead = (a: Tensor, length: number): Tensor => g.shape3(a, headWidth, length, heads);

  const out = packed(
    segments.map((segment) => {
      const { p } = weightsOf(segment);
      const across = g.transposed(headsOf(value, kvHeads, segment)); // [length, headWidth, kvHeads]
      return perHead(g.multiply(across, perKey(p, segment.length)), segment.length);
    }),
    heads,
  );

  const back = (gradient: Tensor): { query: Tensor; key: Tensor; value: Tensor } => {
    const whole = g.shape3(gradient, headWidth, heads, tokens);
    const parts = segments.map((segment) => {
      const { length } = segment;
      const { q, k, p } = weightsOf(segment);
      const dOut = g.shape3(headsOf(whole, heads, segment), headWidth, length * together, kvHeads);
      const dp = g.shape3(g.multiply(headsOf(value, kvHeads, segment), dOut), length, length, heads);
      const ds = perKey(g.softmaxBack(dp, p, attentionScale), length);
      const part = {
        query: perHead(g.multiply(g.transposed(k), ds), length),
        key: g.multiply(g.transposed(q), g.transposed(ds)),
        value: g.multiply(g.transposed(dOut), g.transposed(perKey(p, length))),
      };
      // In this order, whatever is asked for: were nothing to read p after softmaxBack, ggml would have that write its
      // result over p while it still reads it. And so a segment's p is gone before the next one's is made.
      g.expand(ds);
      g.expand(part.value);
      return part;
    });
    return {
      query: packed(
        parts.map((part) => part.query),
        heads,
      ),
      key: packed(
        parts.map((part) => part.key),
        kvHeads,
      ),
      value: packed(
        parts.map((part) => part.value),
        kvHeads,
      ),
    };
  };
  return { out, back };
}

/** Along the tokens (ne2), in halves, so that nothing is copied more than log₂ times. */
function joined(g: TrainingGraph, parts: readonly Tensor[]): Tensor {
  if (parts.length === 1) return parts[0]!;
  const middle = parts.length >> 1;
  return g.concat(joined(g, parts.slice(0, middle)), joined(g, parts.slice(middle)), 2);
}
