/** Screens one set of files: what the base of its rows is, where that is an estimate, then row by row. */

import { join } from 'node:path';
import type { Judge } from '../judge/judge.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Watch } from '../monitor/watch.ts';
import { atPlaces, choosePlaces } from './choose.ts';
import { measurer, type Method, type PerWatch } from './measure.ts';
import type { DataFile } from './read/files.ts';
import { readSamples, type SampleOptions } from './samples.ts';
import { screenSamples, type ScreenedSample } from './screen-samples.ts';
import { Tally } from './tally.ts';

export interface SetOptions extends SampleOptions {
  watches: readonly Watch[];
  method: Method;
  /** of the model's own answers. @default 256 */
  maxTokens?: number | undefined;
  /** rows of each file whose own answers make the base of `sampled`. @default 100 */
  sample?: number | undefined;
  /** of choosing them. @default 0 */
  seed?: number | undefined;
  /** by watch */
  judges?: readonly Judge[] | undefined;
  /** of the logs; absent: none is kept */
  folder?: string | undefined;
  signal?: AbortSignal | undefined;
  /** `sampled`: told of the base of each file, by watch */
  onBase?: ((file: string, base: readonly Tally[]) => void) | undefined;
}

export const USUAL_MAX_TOKENS = 256;
/** The base's error is then a tenth of the spread of single rows. */
export const USUAL_SAMPLE = 100;

export async function* screenSet(
  model: ChatModel,
  files: readonly DataFile[],
  options: SetOptions,
): AsyncGenerator<ScreenedSample> {
  const { watches, method, maxTokens = USUAL_MAX_TOKENS, judges, folder, signal } = options;
  const bases = method === 'sampled' ? await sampledBases(model, files, options) : undefined;
  yield* screenSamples(model, readSamples(files, options), {
    measurer: measurer(model, watches, { method, maxTokens, baseOf: bases && ((file) => bases.get(file)!) }),
    judges,
    log: folder && join(folder, 'rows.jsonl'),
    signal,
  });
}

/** Of each file by itself: data sets of several domains have bases of their own (paper §9.2). */
async function sampledBases(
  model: ChatModel,
  files: readonly DataFile[],
  { watches, maxTokens = USUAL_MAX_TOKENS, sample = USUAL_SAMPLE, seed = 0, ...options }: SetOptions,
): Promise<Map<string, PerWatch>> {
  const { turns, maxBad, folder, signal, onBase } = options;
  const bases = new Map<string, PerWatch>();
  const asked = measurer(model, watches, { method: 'difference', maxTokens });
  for (const [f, file] of files.entries()) {
    const read = (): ReturnType<typeof readSamples> =>
      readSamples([file], { ...(turns && { turns }), ...(maxBad && { maxBad }) });
    const places = await choosePlaces(read(), sample, seed);
    const tallies = watches.map(() => new Tally());
    const log = folder && join(folder, `base-${f}.jsonl`);
    for await (const { logged } of screenSamples(model, atPlaces(read(), places), {
      measurer: asked,
      log,
      signal,
    }))
      for (const [w, value] of logged.base.entries()) tallies[w]!.add(value);
    bases.set(
      file.path,
      tallies.map(({ n, mean }) => (n === 0 ? null : mean)),
    );
    onBase?.(file.path, tallies);
  }
  return bases;
}
