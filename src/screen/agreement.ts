/** How far a cheaper method agrees with `difference`: r of the two on some rows (paper §9.3). */

import { join } from 'node:path';
import { pearson } from '../math/statistics.ts';
import type { ChatModel } from '../model/chat-model.ts';
import { choosePlaces } from './choose.ts';
import { differences, measurer } from './measure.ts';
import type { DataFile } from './read/files.ts';
import { readSamples, type Sample } from './samples.ts';
import { screenSamples } from './screen-samples.ts';
import { type SetOptions, USUAL_MAX_TOKENS } from './screen-set.ts';
import { joinLog, type Logged } from './work-log.ts';

export interface MethodAgreement {
  /** samples that both have figures of */
  n: number;
  /** Pearson's r by trait; NaN without a spread */
  r: Record<string, number>;
}

/** Of a random n of the samples, when all of them are in the log of the folder. */
export async function agreementWith(
  model: ChatModel,
  files: readonly DataFile[],
  {
    n,
    folder,
    watches,
    maxTokens = USUAL_MAX_TOKENS,
    ...options
  }: SetOptions & { n: number; folder: string },
): Promise<MethodAgreement> {
  const { turns, maxBad, seed = 0, signal } = options;
  const read = (): ReturnType<typeof readSamples> =>
    readSamples(files, { ...(turns && { turns }), ...(maxBad && { maxBad }) });
  const places = new Set(await choosePlaces(read(), n, seed));
  const others: Logged[] = []; // by the chosen method
  async function* chosen(): AsyncGenerator<Sample> {
    let place = 0;
    for await (const { sample, logged } of joinLog(read(), join(folder, 'rows.jsonl'))) {
      if (!places.has(place++)) continue;
      others.push(logged!);
      yield sample;
    }
  }
  const pairs: { own: (number | null)[]; other: (number | null)[] }[] = [];
  for await (const { logged } of screenSamples(model, chosen(), {
    measurer: measurer(model, watches, { method: 'difference', maxTokens }),
    log: join(folder, `agreement-${n}.jsonl`),
    signal,
  }))
    pairs.push({ own: differences(logged), other: differences(others[pairs.length]!) });
  const whole = pairs.filter(({ own, other }) => [...own, ...other].every((value) => value !== null));
  const r = watches.map(({ name }, w): [string, number] => [
    name,
    pearson(
      whole.map(({ own }) => own[w]!),
      whole.map(({ other }) => other[w]!),
    ),
  ]);
  return { n: whole.length, r: Object.fromEntries(r) };
}
