/** Reads the samples at both ends of a screening once more, token by token, for the page to colour. */

import type { ChatModel } from '../model/chat-model.ts';
import { answerZ, tokenZ } from '../monitor/baseline.ts';
import { watchReads, type Watch } from '../monitor/watch.ts';
import { mean } from '../math/statistics.ts';
import type { EndSample, ScreenResult } from '../screen/result.ts';
import type { ExampleAnswer } from './report-data.ts';

/** A sample with its tokens in standard deviations from the model's neutral answers. */
export interface ReadSample {
  place: string;
  question: string;
  difference: number;
  answer: ExampleAnswer;
}

export interface ReadEnds {
  top: ReadSample[];
  bottom: ReadSample[];
}

/** By the names of the watches. */
export async function readEnds(
  model: ChatModel,
  watches: readonly Watch[],
  { traits }: ScreenResult,
  signal?: AbortSignal,
): Promise<Record<string, ReadEnds>> {
  const entries = traits.map(async ({ top, bottom }, w): Promise<[string, ReadEnds]> => {
    const watch = watches[w]!;
    const read = (ends: readonly EndSample[]): Promise<ReadSample[]> =>
      Promise.all(ends.map((end) => readSample(model, watch, end, signal)));
    return [watch.name, { top: await read(top), bottom: await read(bottom) }];
  });
  return Object.fromEntries(await Promise.all(entries));
}

async function readSample(
  model: ChatModel,
  watch: Watch,
  { sample, difference }: EndSample,
  signal: AbortSignal | undefined,
): Promise<ReadSample> {
  const { asked, answer, record, turn } = sample;
  const { tokens, projections } = await model.engine.run(
    { prompt: model.render(asked), answer, projections: watchReads([watch]) },
    signal ? { signal } : {},
  );
  const { pieces } = await model.engine.detokenize(tokens);
  const values = projections![0]!.tokens;
  const { vector, layer } = watch;
  return {
    place: turn === 0 ? record.place : `${record.place}, answer ${turn + 1}`,
    question: asked.findLast(({ role }) => role === 'user')!.content,
    difference,
    answer: {
      coefficient: 0,
      text: answer,
      tokens: pieces.map((text, i) => ({ text, z: tokenZ(values[i]!, vector.baseline, layer) ?? NaN })),
      z: answerZ(values.length === 0 ? null : mean(values), vector.baseline, layer) ?? NaN,
    },
  };
}
