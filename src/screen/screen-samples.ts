/** Screens samples many at once and gives them back in the order of the data, each written to the log first. */

import { mapInOrder } from '../engine/in-order.ts';
import { openJsonl } from '../files/jsonl.ts';
import type { Judge } from '../judge/judge.ts';
import { throwIfAborted } from '../model/abort.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Measurer } from './measure.ts';
import type { Sample } from './samples.ts';
import { joinLog, type Joined, type Logged, loggedOf } from './work-log.ts';

export interface ScreenedSample {
  sample: Sample;
  logged: Logged;
  /** it was in the log */
  old: boolean;
}

export interface ScreenSamplesOptions {
  measurer: Measurer;
  /** by watch; absent: nobody scores */
  judges?: readonly Judge[] | undefined;
  /** path of the log; absent: none is kept */
  log?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Samples under way, in slots of the engine: answers differ in length, and one that takes long holds back the others. */
const AHEAD = 6;

export async function* screenSamples(
  model: ChatModel,
  samples: AsyncIterable<Sample>,
  { measurer, judges, log: path, signal }: ScreenSamplesOptions,
): AsyncGenerator<ScreenedSample> {
  const stop = new AbortController();
  const linked = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  await using stack = new AsyncDisposableStack();
  const log = path === undefined ? undefined : stack.use(await openJsonl(path));

  async function work({ sample, logged }: Joined): Promise<ScreenedSample> {
    if (logged) {
      measurer.learn(sample, logged);
      return { sample, logged, old: true };
    }
    throwIfAborted(signal);
    const found = await measurer.measure(sample, linked);
    const scores = judges && (await scoresOf(judges, sample, linked));
    return { sample, logged: loggedOf(sample, { ...found, ...(scores && { scores }) }), old: false };
  }

  const joined = path === undefined ? unlogged(samples) : joinLog(samples, path);
  try {
    for await (const done of mapInOrder(joined, AHEAD * model.engine.info.parallel, work)) {
      if (!done.old) await log?.append(done.logged);
      yield done;
    }
  } finally {
    stop.abort();
  }
}

async function* unlogged(samples: AsyncIterable<Sample>): AsyncGenerator<Joined> {
  for await (const sample of samples) yield { sample };
}

/** A judge sees the last thing that was asked. */
async function scoresOf(
  judges: readonly Judge[],
  { asked, answer }: Sample,
  signal: AbortSignal,
): Promise<(number | null)[]> {
  const question = asked.findLast(({ role }) => role === 'user')!.content;
  const found = await Promise.all(judges.map((judge) => judge.judge({ question, answer }, signal)));
  return found.map(({ trait }) => trait);
}
