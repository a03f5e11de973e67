/**
 * Proof that an edit reaches the model, before anybody trusts one: on some architectures and builds an edit is
 * silently without effect. Four steps, each named when it fails:
 *   move   the stream at the layer moved by c·v: |⟨Δh, v̂⟩ − c‖v‖| ≤ 2 %
 *   carry  the next layer's output moved too (the last layer has none)
 *   speak  the predicted log-probabilities changed
 *   trace  afterwards everything is as it was before
 */

import { PersonaError } from '../errors.ts';
import type { Engine } from './engine.ts';
import type { EngineRequest, EngineResult } from './request.ts';

/** |⟨Δh, v̂⟩ − c‖v‖| may be at most this share of c‖v‖. */
const TOLERANCE = 0.02;
/** A push of this share of the residual norm is well above rounding and far below what breaks a model. */
const PUSH = 0.1;
const PROBE = 'The weather in the old town was';

export interface CanaryReport {
  layer: number;
  /** |⟨Δh, v̂⟩ − c‖v‖| / c‖v‖ */
  error: number;
}

/** Proves an edit at the middle layer with a direction of its own. */
export async function verifyModel(engine: Engine): Promise<CanaryReport> {
  const { layers, width } = engine.info;
  // any direction will do that is no axis of the model; this one is the same at each start
  const direction = Float32Array.from(
    { length: width },
    (_, i) => Math.sin(1 + i * 12.9898) + Math.cos(i * 78.233),
  );
  return verify(engine, Math.floor(layers / 2), direction);
}

/** Proves that this direction moves this layer. */
export async function verifyDirection(engine: Engine, layer: number, direction: Float32Array): Promise<void> {
  await verify(engine, layer, direction);
}

async function verify(engine: Engine, layer: number, direction: Float32Array): Promise<CanaryReport> {
  const { layers, architecture } = engine.info;
  const refuse = (step: string, what: string): never => {
    throw new PersonaError(
      'CANARY',
      `edit at layer ${layer} of ${architecture} failed the canary at "${step}": ${what}`,
      {
        remedy: 'steering would not do what it says on this model; use another layer or model',
      },
    );
  };
  const next = Math.min(layer + 1, layers - 1);
  const probe: EngineRequest = {
    prompt: PROBE,
    maxTokens: 1,
    ignoreEnd: true,
    sampling: { temperature: 0 },
    topLogprobs: 5,
    means: { layers: layer === next ? [layer] : [layer, next], kinds: ['prompt_last'] },
    sharePrefix: false,
  };
  const before = await engine.runUnverified(probe);
  const d = direction.length;
  const base = before.means!.prompt_last!;
  const size = norm(base.subarray(0, d));
  const length = norm(direction);
  if (!Number.isFinite(length) || length === 0) refuse('move', 'the direction has no length');
  const coefficient = (PUSH * size) / length;
  const steered = await engine.runUnverified({
    ...probe,
    edits: [{ op: 'add', layer, direction, coefficient, scope: 'last_prompt' }],
  });
  const moved = steered.means!.prompt_last!;

  let along = 0;
  for (let i = 0; i < d; i++) along += (moved[i]! - base[i]!) * (direction[i]! / length);
  const expected = coefficient * length;
  const error = Math.abs(along - expected) / expected;
  if (!(error <= TOLERANCE))
    refuse(
      'move',
      `the stream moved by ${along.toPrecision(4)} along the direction, not by ${expected.toPrecision(4)}`,
    );

  if (next !== layer && !(distance(moved.subarray(d), base.subarray(d)) > 0.1 * expected)) {
    refuse('carry', `layer ${next} did not follow`);
  }
  if (sameSpeech(before, steered)) refuse('speak', 'the prediction did not change');

  const after = await engine.runUnverified(probe);
  if (!sameSpeech(before, after) || distance(after.means!.prompt_last!, base) > 1e-3 * size) {
    refuse('trace', 'the model is not the same after the edit as before');
  }
  return { layer, error };
}

function sameSpeech(a: EngineResult, b: EngineResult): boolean {
  const x = a.logprobs![0]!.top;
  const y = b.logprobs![0]!.top;
  return x.every((entry, i) => entry.token === y[i]?.token && Math.abs(entry.logprob - y[i].logprob) < 1e-6);
}

function norm(a: Float32Array): number {
  let sum = 0;
  for (const x of a) sum += x * x;
  return Math.sqrt(sum);
}

function distance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(sum);
}
