/**
 * The floor: what pushes of the same length do that have nothing to do with the trait. A vector that moves the score no
 * further than they do only shakes the model.
 */

import { inFlight } from '../../engine/in-flight.ts';
import type { Judge } from '../../judge/judge.ts';
import { addScaled, dot, norm } from '../../math/vector.ts';
import { random } from '../../math/random.ts';
import type { ChatModel } from '../../model/chat-model.ts';
import { inFlightLimit } from '../../rollout/ask.ts';
import { summarise, type Estimate, type SteeredAnswer } from '../dose.ts';

/** Random directions, taken in turn: one alone might happen to mean something. */
const DIRECTIONS = 3;

export interface Floor {
  coefficient: number;
  trait: Estimate;
  coherence: Estimate;
}

export interface FloorOptions {
  layer: number;
  coefficient: number;
  questions: readonly string[];
  maxTokens: number;
  seed: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** @param v the vector at the layer, (d) */
export async function measureFloor(
  model: ChatModel,
  v: Float32Array,
  judge: Judge,
  options: FloorOptions,
): Promise<Floor> {
  const directions = Array.from({ length: DIRECTIONS }, (_, i) => unrelated(v, options.seed + i));
  const { layer, coefficient, questions, maxTokens, seed } = options;
  const ask = async (index: number, signal: AbortSignal): Promise<SteeredAnswer> => {
    const question = questions[index]!;
    const { text } = await model.engine.run(
      {
        prompt: model.render([{ role: 'user', content: question }]),
        maxTokens,
        sampling: { temperature: 0, seed },
        edits: [{ op: 'add', layer, direction: directions[index % DIRECTIONS]!, coefficient }],
      },
      { signal },
    );
    const judgement = await judge.judge({ question, answer: text }, signal);
    return { layer, coefficient, question, questionIndex: index, sample: 0, answer: text, ...judgement };
  };
  const answers: SteeredAnswer[] = [];
  for await (const answer of inFlight([...questions.keys()], inFlightLimit(model), ask, options.signal)) {
    answers.push(answer);
    options.onProgress?.(answers.length, questions.length);
  }
  const [dose] = summarise(answers.sort((a, b) => a.questionIndex - b.questionIndex));
  return { coefficient, trait: dose!.trait, coherence: dose!.coherence };
}

/** A random direction at right angles to v and as long, (d). */
export function unrelated(v: Float32Array, seed: number): Float32Array {
  const source = random(seed);
  const out = Float32Array.from(v, () => source.normal());
  addScaled(out, v, -dot(out, v) / dot(v, v));
  const scale = norm(v) / norm(out);
  return out.map((x) => x * scale);
}
