/** Figures of the server for Prometheus: projections per trait, rules that fired, answers, tokens, latencies, losses. */

import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { boundedLabels } from './bounded-labels.ts';
import type { AnswerEvent } from './contracts.ts';

export interface MetricsOptions {
  /** answers that wait for their turn, asked when the figures are read */
  queueDepth?: (() => number) | undefined;
  /** different keys, traits, rules and finish reasons (each) that get a series of their own. @default 100 */
  maxLabels?: number | undefined;
}

export interface Metrics {
  readonly contentType: string;
  metricsText(): Promise<string>;
  /** An answer that ended. */
  observe(event: AnswerEvent): void;
  engineRestarted(): void;
  eventsLost(events: number): void;
  webhook(outcome: 'sent' | 'failed'): void;
  /** A request that was turned away before it became an answer: 401, 413, 429, 503. */
  refused(reason: string): void;
}

/** Each value of a label is a time series that Prometheus keeps. */
const MAX_LABELS = 100;
/** Standard deviations: half steps where most answers lie, and out to where none should. */
const Z_BUCKETS = [-6, -5, -4, -3, -2.5, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6];
/** Seconds: from a cached prompt on a GPU to a long one on a laptop. */
const FIRST_TOKEN_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const BETWEEN_TOKENS_BUCKETS = [0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5];
const ANSWER_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640];

export function openMetrics(options: MetricsOptions = {}): Metrics {
  const { queueDepth, maxLabels = MAX_LABELS } = options;
  const registry = new Registry();
  const registers = [registry];
  const bounded = {
    key: boundedLabels(maxLabels),
    trait: boundedLabels(maxLabels),
    rule: boundedLabels(maxLabels),
    finish: boundedLabels(maxLabels),
    refusal: boundedLabels(maxLabels),
  };

  function counter<T extends string>(name: string, help: string, labelNames: T[] = []): Counter<T> {
    return new Counter({ name, help, labelNames, registers });
  }
  function histogram<T extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: T[] = [],
  ): Histogram<T> {
    return new Histogram({ name, help, buckets, labelNames, registers });
  }

  const projections = histogram(
    'persona_projection_z',
    'Mean projection of an answer onto a trait, in standard deviations from the neutral baseline.',
    Z_BUCKETS,
    ['trait'],
  );
  const rules = counter('persona_rules_fired_total', 'Rules of policies that fired.', [
    'rule',
    'action',
    'trait',
  ]);
  const answers = counter('persona_answers_total', 'Answers that ended.', ['endpoint', 'finish_reason']);
  const tokens = counter(
    'persona_tokens_total',
    'Tokens of prompts (input), of these from the cache (cached), and of answers (output).',
    ['kind'],
  );
  const answersOfKey = counter('persona_key_answers_total', 'Answers by key.', ['key']);
  const tokensOfKey = counter('persona_key_tokens_total', 'Tokens of prompts and answers by key.', ['key']);
  const firstToken = histogram(
    'persona_first_token_seconds',
    'From the request to the first token of its answer.',
    FIRST_TOKEN_BUCKETS,
  );
  const betweenTokens = histogram(
    'persona_between_tokens_seconds',
    'Mean time between the tokens of an answer.',
    BETWEEN_TOKENS_BUCKETS,
  );
  const whole = histogram(
    'persona_answer_seconds',
    'From the request to the end of its answer.',
    ANSWER_BUCKETS,
  );
  if (queueDepth) {
    const waiting: Gauge = new Gauge({
      name: 'persona_queue_depth',
      help: 'Answers that wait for their turn.',
      registers,
      collect: () => waiting.set(queueDepth()),
    });
  }
  const restarts = counter('persona_engine_restarts_total', 'Starts of the engine after it died.');
  const lost = counter('persona_events_lost_total', 'Events of answers that could not be written.');
  const webhooks = counter('persona_webhooks_total', 'Webhooks that were sent, or given up.', ['outcome']);
  const refusals = counter('persona_requests_refused_total', 'Requests that were turned away.', ['reason']);
  for (const outcome of ['sent', 'failed']) webhooks.inc({ outcome }, 0); // a rate needs a first value

  return {
    contentType: registry.contentType,
    metricsText: () => registry.metrics(),
    observe(event) {
      const { endpoint, promptTokens, cachedTokens, completionTokens, firstTokenMs, totalMs } = event;
      for (const [trait, { mean }] of Object.entries(event.traits))
        if (mean.z !== undefined && Number.isFinite(mean.z))
          projections.observe({ trait: bounded.trait(trait) }, mean.z);
      for (const { rule, action, trait } of event.fired)
        rules.inc({ rule: bounded.rule(rule), action, trait: bounded.trait(trait) });
      answers.inc({ endpoint, finish_reason: bounded.finish(event.finishReason) });
      tokens.inc({ kind: 'input' }, promptTokens);
      tokens.inc({ kind: 'cached' }, cachedTokens);
      tokens.inc({ kind: 'output' }, completionTokens);
      const key = bounded.key(event.keyId);
      answersOfKey.inc({ key });
      tokensOfKey.inc({ key }, promptTokens + completionTokens);
      whole.observe(totalMs / 1000);
      if (firstTokenMs === undefined) return;
      firstToken.observe(firstTokenMs / 1000);
      if (completionTokens > 1)
        betweenTokens.observe((totalMs - firstTokenMs) / 1000 / (completionTokens - 1));
    },
    engineRestarted: () => restarts.inc(),
    eventsLost: (events) => lost.inc(events),
    webhook: (outcome) => webhooks.inc({ outcome }),
    refused: (reason) => refusals.inc({ reason: bounded.refusal(reason) }),
  };
}
