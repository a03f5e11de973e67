/**
 * What is read of one model: at each prompt the residual stream at the last token, with `answers` also the model's
 * greedy answer and the mean over it. Kept in a log of the run folder, so that no model is opened for what is known.
 */

import { z } from 'zod';
import { inFlight } from '../../engine/in-flight.ts';
import type { Edit } from '../../engine/request.ts';
import type { ChatModel } from '../../model/chat-model.ts';
import type { Progress } from '../../model/progress.ts';
import { inFlightLimit } from '../../rollout/ask.ts';
import { openRunLog } from '../../vector/run-folder.ts';

/** One text on one model. */
export interface Read {
  id: string;
  /** rendered */
  prompt: string;
  /** residual stream at the last prompt token, (layers × d) */
  last: Float32Array;
  answer?: string | undefined;
  /** mean over the answer's tokens, (layers × d); absent for an empty answer */
  mean?: Float32Array | undefined;
}

export interface ReadOptions {
  layers: readonly number[];
  /** longest answer; absent: nothing is answered */
  maxTokens?: number | undefined;
  /** shown with progress */
  label: string;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** One line of reads-KEY.jsonl: numbers as the base64 of little-endian float32. */
const lineSchema = z.object({
  id: z.string(),
  prompt: z.string(),
  last: z.base64(),
  answer: z.string().optional(),
  mean: z.base64().optional(),
});
type Line = z.infer<typeof lineSchema>;

/**
 * @param open is only called where something is missing from the log, and what it opened is closed again
 * @param texts the prompts; those of the base are rendered by the model that `open` brings
 * @returns in the order of the texts
 */
export async function readModel<T extends { id: string }>(
  path: string,
  texts: readonly T[],
  open: () => Promise<ChatModel>,
  render: (text: T, model: ChatModel) => string,
  edits: readonly Edit[],
  options: ReadOptions,
): Promise<Read[]> {
  const { rows, log } = await openRunLog<Line>(path, lineSchema, (row) => row.id);
  await using _ = log;
  const done = new Map(rows.map((row) => [row.id, readOf(row)]));
  const missing = texts.filter(({ id }) => !done.has(id));
  if (missing.length > 0) {
    await using model = await open();
    const { layers, maxTokens, label, signal, onProgress } = options;
    const tell = (): void => onProgress?.({ label, done: done.size, total: texts.length, unit: 'prompts' });
    const read = async (text: T, stop: AbortSignal): Promise<Read> => {
      const prompt = render(text, model);
      const result = await model.engine.run(
        {
          prompt,
          means: {
            layers,
            kinds: maxTokens === undefined ? ['prompt_last'] : ['prompt_last', 'response_avg'],
          },
          ...(maxTokens !== undefined && { maxTokens, sampling: { temperature: 0 } }),
          edits,
        },
        { signal: stop },
      );
      const { prompt_last: last, response_avg: average } = result.means!;
      return {
        id: text.id,
        prompt,
        last: last!,
        ...(maxTokens !== undefined && { answer: result.text, mean: average }),
      };
    };
    tell();
    for await (const row of inFlight(missing, inFlightLimit(model), read, signal)) {
      await log.append(lineOf(row));
      done.set(row.id, row);
      tell();
    }
  }
  return texts.map(({ id }) => done.get(id)!);
}

function lineOf({ last, mean, ...rest }: Read): Line {
  return { ...rest, last: toBase64(last), ...(mean && { mean: toBase64(mean) }) };
}

function readOf({ last, mean, ...rest }: Line): Read {
  return { ...rest, last: fromBase64(last), ...(mean !== undefined && { mean: fromBase64(mean) }) };
}

function toBase64(values: Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}

function fromBase64(text: string): Float32Array {
  return new Float32Array(new Uint8Array(Buffer.from(text, 'base64')).buffer);
}
