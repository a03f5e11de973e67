import fc from 'fast-check';
import { expect, test } from 'vitest';
import { boundedLabels } from '../../src/server/bounded-labels.ts';
import { openAnswerLog } from '../../src/server/log.ts';
import { openMetrics } from '../../src/server/metrics.ts';
import { anEvent, aSummary } from './an-event.ts';

/** The lines of the text that are no comments, as name{labels} → value. */
function series(text: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

const EVENT = anEvent({
  keyId: 'k1',
  promptTokens: 12,
  cachedTokens: 4,
  completionTokens: 5,
  firstTokenMs: 20,
  totalMs: 100,
  traits: { evil: aSummary(2.2), calm: aSummary(undefined) },
  fired: [{ rule: 'r', action: 'cap', trait: 'evil', at: 1, reading: { raw: 1, z: 2.1 } }],
});

test('an answer is counted where it belongs', async () => {
  const metrics = openMetrics({ queueDepth: () => 7 });
  metrics.observe(EVENT);
  metrics.engineRestarted();
  metrics.eventsLost(3);
  metrics.webhook('failed');
  const found = series(await metrics.metricsText());
  expect(found).toMatchObject({
    'persona_projection_z_bucket{le="2",trait="evil"}': 0,
    'persona_projection_z_bucket{le="2.5",trait="evil"}': 1,
    'persona_projection_z_sum{trait="evil"}': 2.2,
    'persona_rules_fired_total{rule="r",action="cap",trait="evil"}': 1,
    'persona_answers_total{endpoint="/v1/chat/completions",finish_reason="stop"}': 1,
    'persona_tokens_total{kind="input"}': 12,
    'persona_tokens_total{kind="cached"}': 4,
    'persona_tokens_total{kind="output"}': 5,
    'persona_key_tokens_total{key="k1"}': 17,
    persona_first_token_seconds_sum: 0.02,
    persona_between_tokens_seconds_sum: 0.02,
    persona_answer_seconds_sum: 0.1,
    persona_queue_depth: 7,
    persona_engine_restarts_total: 1,
    persona_events_lost_total: 3,
    'persona_webhooks_total{outcome="sent"}': 0,
    'persona_webhooks_total{outcome="failed"}': 1,
  });
  expect(Object.keys(found).some((name) => name.includes('calm'))).toBe(false); // no baseline, no z
});

test('two servers of a process do not share their figures', async () => {
  const [one, two] = [openMetrics(), openMetrics()];
  one.observe(EVENT);
  expect(series(await two.metricsText())['persona_tokens_total{kind="input"}']).toBeUndefined();
});

test('names beyond the limit become one series', async () => {
  const metrics = openMetrics({ maxLabels: 2 });
  for (let i = 0; i < 50; i++)
    metrics.observe(anEvent({ keyId: `k${i}`, traits: { [`t${i}`]: aSummary(0) } }));
  const found = series(await metrics.metricsText());
  expect(found['persona_key_answers_total{key="k1"}']).toBe(1);
  expect(found['persona_key_answers_total{key="other"}']).toBe(48);
  expect(found['persona_projection_z_count{trait="other"}']).toBe(48);
});

test('a label has at most its limit of values, and keeps the ones it gave', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 3 })), fc.integer({ min: 0, max: 5 }), (values, limit) => {
      const label = boundedLabels(limit);
      const first = values.map(label);
      expect(new Set(first.filter((value, i) => value === values[i])).size).toBeLessThanOrEqual(limit + 1);
      expect(new Set(first).size).toBeLessThanOrEqual(limit + 1);
      expect(values.map(label)).toEqual(first);
    }),
  );
});

test('the log holds figures and names, no text and no key', () => {
  const lines: string[] = [];
  const log = openAnswerLog({ sink: (line) => lines.push(line) });
  log(
    {
      ...EVENT,
      text: { prompt: 'SECRET', answer: 'SECRET' },
      error: 'no such key pk_0123456789ab_abcdefghijkl',
    },
    500,
  );
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0]!)).toMatchObject({
    id: 'chatcmpl-1',
    key: 'k1',
    status: 500,
    ms: 100,
    fired: ['r'],
  });
  expect(lines[0]).not.toMatch(/SECRET|abcdefghijkl|\n/);
  expect(() =>
    openAnswerLog({
      sink: () => {
        throw new Error('full');
      },
    })(EVENT, 200),
  ).not.toThrow();
});
