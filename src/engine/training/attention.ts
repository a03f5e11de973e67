/**
 * Attention within each sample: softmax(s·Kᵀq + mask) V, sample by sample, so that packed samples do not see each
 * other and nothing is spent on pairs of them. Queries are taken a few at a time, with the keys up to the last of them:
 * of what no query sees about half is never computed.
 *
 * Query heads that share a key head lie next to each other, so they are taken as more queries of that head: no copies
 * of keys and values, and their gradients are summed by the products themselves. The attention weights are the largest
 * thing by far: they are not kept for the way back but computed again.
 */

import type { Tensor } from '../ggml.ts';
import type { Architecture } from './architecture.ts';
import type { TrainingGraph } from './graph.ts';

/** Where a sample lies among the packed tokens. */
export interface Segment {
  start: number;
  length: number;
}

/** Queries that are taken together. Fewer compute less that no query sees, more make larger products. */
export const QUERIES = 64;

/** How many times a sample's queries are taken. */
export function portionsOf(length: number): number {
  return Math.ceil(length / QUERIES);
}

/** [end, end − from], 0 where a query of from … end − 1 (ne1) sees the key (ne0), else −∞ */
export type Mask = (from: number, end: number) => Tensor;

export interface AttentionPass {
  segments: readonly Segment[];
  mask: Mask;
}

export interface Attended {
  /** [heads × headWidth, tokens] */
  out: Tensor;
  back(gradient: Tensor): { query: Tensor; key: Tensor; value: Tensor };
}

/** Queries from … end − 1 of a sample. */
interface Portion {
  from: number;
  end: number;
}

/** @param query [headWidth, heads, tokens] @param key, value [headWidth, kvHeads, tokens] */
export function attend(
  g: TrainingGraph,
  architecture: Architecture,
  { segments, mask }: AttentionPass,
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
  /** [headWidth, queries × together, kvHeads] */
  const queriesOf = (a: Tensor, { start }: Segment, { from, end }: Portion): Tensor => {
    const there = { start: start + from, length: end - from };
    return g.shape3(headsOf(a, heads, there), headWidth, (end - from) * together, kvHeads);
  };
  /** [headWidth, length, count] → [headWidth, count, length], of all together */
  const packed = (parts: readonly Tensor[], count: number): Tensor =>
    g.shape2(joined(g, parts.map(g.swapped)), headWidth * count, tokens);
  /** the first `end` keys of [headWidth, length, kvHeads]: to be read, and to be added to */
  const first = (a: Tensor, { length }: Segment, end: number): Tensor =>
    g.matrices(a, [headWidth, end, kvHeads], [headWidth, headWidth * length], 0);
  const addToFirst = (a: Tensor, { length }: Segment, end: number, more: Tensor): void =>
    g.addTo(g.part3(a, [headWidth, end, kvHeads], [headWidth, headWidth * length], 0), more);

  const weightsOf = (keys: Tensor, segment: Segment, portion: Portion): { q: Tensor; p: Tensor } => {
    const { from, end } = portion;
    const q = queriesOf(query, segment, portion);
    const scores = g.shape3(g.multiply(first(keys, segment, end), q), end, end - from, heads);
    return { q, p: g.softmax(scores, mask(from, end), attentionScale) };
  };
  const perKey = (a: Tensor, { from, end }: Portion): Tensor =>
    g.shape3(a, end, (end - from) * together, kvHeads);
  const perHead = (a: Tensor, { from, end }: Portion): Tensor => g.shape3(a, headWidth, end - from, heads);

  const whole = segments.map((segment) => {
    const keys = headsOf(key, kvHeads, segment);
    const values = headsOf(value, kvHeads, segment);
    const portions = portionsIn(segment).map((portion) => {
      const { p } = weightsOf(keys, segment, portion);
      const out = g.outer(first(values, segment, portion.end), g.across(perKey(p, portion)));
      return { portion, out: perHead(out, portion) };
    });
    return { segment, portions };
  });
  const out = packed(
    whole.flatMap(({ portions }) => portions.map((portion) => portion.out)),
    heads,
  );

  const back = (gradient: Tensor): { query: Tensor; key: Tensor; value: Tensor } => {
    const dAll = g.shape3(gradient, headWidth, heads, tokens);
    const queries: Tensor[] = [];
    const [dKeys, dValues]: [Tensor[], Tensor[]] = [[], []];
    for (const { segment, portions } of whole) {
      const keys = headsOf(key, kvHeads, segment);
      const values = headsOf(value, kvHeads, segment);
      const parts: Tensor[] = [];
      let sums: { key: Tensor; value: Tensor } | undefined;
      // the last portion sees all keys: what the others give to theirs is added to it
      for (const { portion } of portions.toReversed()) {
        const { q, p } = weightsOf(keys, segment, portion);
        const { from, end } = portion;
        const dOut = queriesOf(dAll, segment, portion);
        const dp = g.shape3(g.multiply(first(values, segment, end), dOut), end, end - from, heads);
        const ds = perKey(g.softmaxBack(dp, p, attentionScale), portion);
        const dKey = g.outer(q, ds);
        const dValue = g.outer(dOut, perKey(p, portion));
        parts.unshift(perHead(g.outer(first(keys, segment, end), g.across(ds)), portion));
        // In this order, whatever is asked for: were nothing to read p after softmaxBack, ggml would have that write
        // its result over p while it still reads it. And so a portion's p is gone before the next one's is made.
        for (const made of [ds, parts[0]!, dKey, dValue]) g.expand(made);
        if (sums) {
          addToFirst(sums.key, segment, end, dKey);
          addToFirst(sums.value, segment, end, dValue);
        } else sums = { key: dKey, value: dValue };
      }
      queries.push(...parts);
      dKeys.push(sums!.key);
      dValues.push(sums!.value);
    }
    return {
      query: packed(queries, heads),
      key: packed(dKeys, kvHeads),
      value: packed(dValues, kvHeads),
    };
  };
  return { out, back };
}

function portionsIn({ length }: Segment): Portion[] {
  return Array.from({ length: portionsOf(length) }, (_, i) => ({
    from: i * QUERIES,
    end: Math.min(length, (i + 1) * QUERIES),
  }));
}

/** Along the tokens (ne2), in halves, so that nothing is copied more than log₂ times. */
function joined(g: TrainingGraph, parts: readonly Tensor[]): Tensor {
  if (parts.length === 1) return parts[0]!;
  const middle = parts.length >> 1;
  return g.concat(joined(g, parts.slice(0, middle)), joined(g, parts.slice(middle)), 2);
}
