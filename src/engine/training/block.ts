/** One block of the network, forward and back: attention and a gated feed-forward network, each added to the stream. */

import type { Tensor } from '../ggml.ts';
import type { Architecture } from './architecture.ts';
import { attend, type AttentionPass } from './attention.ts';
import { GROUPS, type GroupFactors } from './factors.ts';
import { gated } from './feed-forward.ts';
import type { Rope, TrainingGraph } from './graph.ts';
import { project, type LoraPass } from './linear.ts';
import type { BlockWeights } from './weights.ts';

export interface BlockPass extends AttentionPass {
  architecture: Architecture;
  weights: BlockWeights;
  /** by group */
  factors: (GroupFactors | undefined)[] | undefined;
  lora: LoraPass;
  rope: Rope;
  tokens: number;
}

export interface BlockStep {
  /** [d, tokens] */
  out: Tensor;
  /** @returns the gradient of the input; computed only if something asks for it */
  back(gradient: Tensor): Tensor;
}

/** @param x [d, tokens] */
export function block(g: TrainingGraph, pass: BlockPass, x: Tensor): BlockStep {
  const { architecture, weights, factors, lora, tokens } = pass;
  const { heads, kvHeads, headWidth, epsilon } = architecture;
  const projected = (group: number, input: Tensor) =>
    project(g, architecture, weights, GROUPS[group]!, factors?.[group], lora, input, tokens);
  /** RMS norm by a learnt vector; without one, nothing */
  const norm = (name: string, a: Tensor): Tensor => {
    const by = weights.norms.get(name);
    return by === undefined ? a : g.times(g.rmsNorm(a, epsilon), by);
  };
  const normBack = (name: string, gradient: Tensor, a: Tensor): Tensor => {
    const by = weights.norms.get(name);
    return by === undefined ? gradient : g.rmsNormBack(g.times(gradient, by), a, epsilon);
  };

  const qkv = projected(0, norm('attn_norm', x));
  const query = g.shape3(qkv.outs[0]!, headWidth, heads, tokens);
  const key = g.shape3(qkv.outs[1]!, headWidth, kvHeads, tokens);
  const attended = attend(g, architecture, pass, {
    query: g.rope(norm('attn_q_norm', query), pass.rope),
    key: g.rope(norm('attn_k_norm', key), pass.rope),
    value: g.shape3(qkv.outs[2]!, headWidth, kvHeads, tokens),
  });
  const output = projected(1, attended.out);
  const middle = g.add(x, norm('post_attention_norm', output.outs[0]!));

  const gateAndUp = projected(2, norm('ffn_norm', middle));
  const activation = gated(g, architecture, gateAndUp.outs[0]!, gateAndUp.outs[1]!);
  const fed = projected(3, activation.out());
  const out = g.add(middle, norm('post_ffw_norm', fed.outs[0]!));

  const back = (gradient: Tensor): Tensor => {
    const dFed = normBack('post_ffw_norm', gradient, fed.outs[0]!);
    const dActivation = activation.back(fed.back([dFed], activation.out()));
    const dNormed = gateAndUp.back([dActivation.gate, dActivation.up], norm('ffn_norm', middle));
    const dMiddle = g.add(gradient, normBack('ffn_norm', dNormed, middle));

    const dOutput = normBack('post_attention_norm', dMiddle, output.outs[0]!);
    const d = attended.back(output.back([dOutput], attended.out));
    const dQuery = normBack('attn_q_norm', g.ropeBack(shaped(d.query, heads), pass.rope), query);
    const dKey = normBack('attn_k_norm', g.ropeBack(shaped(d.key, kvHeads), pass.rope), key);
    const dInput = qkv.back(
      [g.shape2(dQuery, headWidth * heads, tokens), g.shape2(dKey, headWidth * kvHeads, tokens), d.value],
      norm('attn_norm', x),
    );
    return g.add(dMiddle, normBack('attn_norm', dInput, x));
  };
  const shaped = (a: Tensor, count: number): Tensor => g.shape3(a, headWidth, count, tokens);
  return { out, back };
}
