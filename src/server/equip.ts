/**
 * What stands around the answers of a server: the door with its keys and limits, the record with metrics, traces and
 * log, webhooks, and the breaker. One place that puts them together, and takes them apart in order.
 */

import type { AnswerEvent, Recorder } from './contracts.ts';
import { openBreaker, type Breaker } from './breaker.ts';
import { openEventStore } from './events/store.ts';
import { openKeyring } from './keys/keyring.ts';
import { doorkeeper, type DoorOptions, type Doorkeeper } from './limits/doorkeeper.ts';
import { openAnswerLog } from './log.ts';
import { openMetrics, type Metrics } from './metrics.ts';
import { joinRecorder, type Taker } from './recorder.ts';
import type { Served } from './served.ts';
import { traceAnswer } from './traces.ts';
import { openWebhooks } from './webhook/webhooks.ts';

export interface EquipOptions {
  /** file of keys; undefined: nobody needs one */
  keys?: string | undefined;
  /** SQLite file of what is remembered; undefined: nothing is */
  events?: string | undefined;
  /** one line an answer on stderr */
  log?: boolean | undefined;
  limits?: DoorOptions['limits'];
  /** requests that may wait beside those that are answered */
  waiting?: number | undefined;
  webhooks?: {
    secret?: string | undefined;
    /** hosts in private networks that may be told all the same */
    allowPrivate?: readonly string[] | undefined;
  };
  /** trouble that the operator should know of */
  tell: (problem: string) => void;
}

export interface Equipment extends AsyncDisposable {
  door: Doorkeeper;
  breaker: Breaker;
  metrics: Metrics;
  recorder: Recorder;
}

/** Equips a server that is there; @throws PersonaError of the keys' file */
export async function equip(served: Served, options: EquipOptions): Promise<Equipment> {
  const { tell } = options;
  await using opened = new AsyncDisposableStack();
  const keyring =
    options.keys === undefined ? undefined : opened.use(await openKeyring(options.keys, { onProblem: tell }));
  const metrics: Metrics = openMetrics({ queueDepth: () => door.waiting() });
  const door = doorkeeper({
    keyring,
    ...(options.limits ? { limits: options.limits } : {}),
    queue: { running: served.model.engine.info.parallel, waiting: options.waiting },
    onRefused: (code) => metrics.refused(code),
  });
  const breaker = openBreaker({
    onChange: (state) => tell(`the engine's breaker is ${state}`),
  });
  const webhooks = opened.use(
    openWebhooks({
      secret: options.webhooks?.secret,
      ...(options.webhooks?.allowPrivate ? { allowPrivate: options.webhooks.allowPrivate } : {}),
      onProblem: tell,
      onOutcome: (outcome) => metrics.webhook(outcome),
    }),
  );
  const store =
    options.events === undefined
      ? undefined
      : openEventStore({ path: options.events, onProblem: tell, onLost: (n) => metrics.eventsLost(n) });
  const log = openAnswerLog();
  const takers: Taker[] = [
    (event) => metrics.observe(event),
    traceAnswer,
    ...(options.log ? [(event: AnswerEvent): void => log(event, statusOf(event))] : []),
  ];
  const recorder = joinRecorder(takers, store, tell);
  opened.use(recorder);

  Object.assign(served, {
    door,
    breaker,
    recorder,
    caller: (c) => c.get('caller') as Awaited<ReturnType<Served['caller']>>,
    metrics: () => metrics.metricsText(),
    onEngineCrash: () => metrics.engineRestarted(),
    notify: (decision, answerId, told) => {
      if (decision.do === 'webhook')
        webhooks.send(decision.url, { answer: answerId, rule: decision.rule, ...told });
      else tell(`rule ${decision.rule} fired on ${answerId}`);
    },
  } satisfies Partial<Served>);
  const held = opened.move();
  return { door, breaker, metrics, recorder, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** What the client saw, as far as the event tells. */
function statusOf({ finishReason }: AnswerEvent): number {
  if (finishReason === 'error') return 500;
  return finishReason === 'aborted' ? 499 : 200;
}
