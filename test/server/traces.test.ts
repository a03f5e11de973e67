import { AsyncLocalStorage } from 'node:async_hooks';
import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type ContextManager,
  type TextMapPropagator,
} from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, expect, test } from 'vitest';
import { traceAnswer, underCaller } from '../../src/server/traces.ts';
import { noRecorder } from '../../src/server/served.ts';
import { GREEDY, usePlantedServer } from '../support/planted-server.ts';
import { anEvent, aSummary } from './an-event.ts';

const server = usePlantedServer();

function registered(): InMemorySpanExporter {
  const exporter = new InMemorySpanExporter();
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  );
  return exporter;
}

afterEach(() => {
  trace.disable();
  propagation.disable();
  context.disable();
});

const EVENT = anEvent({
  time: '2030-05-01T10:20:30.400Z',
  totalMs: 1250,
  traits: { evil: aSummary(2.5, 7), calm: aSummary(undefined) },
  fired: [{ rule: 'r', action: 'cap', trait: 'evil', at: 4, reading: { raw: 3, z: 2 } }],
  text: { prompt: 'SECRET', answer: 'SECRET' },
});

test('a span holds times, usage and traits, and no text', () => {
  const exporter = registered();
  traceAnswer(EVENT);
  const [span] = exporter.getFinishedSpans();
  expect(span).toMatchObject({
    name: 'chat tiny',
    kind: SpanKind.INTERNAL,
    startTime: [Date.parse('2030-05-01T10:20:30Z') / 1000, 400_000_000],
    endTime: [Date.parse('2030-05-01T10:20:31Z') / 1000, 650_000_000],
    status: { code: SpanStatusCode.UNSET },
  });
  expect(span!.attributes).toMatchObject({
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'persona',
    'gen_ai.request.model': 'tiny',
    'gen_ai.response.finish_reasons': ['stop'],
    'gen_ai.usage.input_tokens': 12,
    'gen_ai.usage.output_tokens': 5,
    'persona.evil.mean_z': 2.5,
    'persona.evil.mean': 7,
  });
  expect(span!.attributes).not.toHaveProperty('persona.calm.mean_z');
  expect(span!.events).toMatchObject([
    { name: 'persona.rule_fired', attributes: { 'persona.rule': 'r', 'persona.z': 2 } },
  ]);
  expect(JSON.stringify([span!.attributes, span!.events])).not.toContain('SECRET');
});

test('a failed completion is an error of its kind', () => {
  const exporter = registered();
  traceAnswer(anEvent({ endpoint: '/v1/completions', error: 'engine died', finishReason: 'error' }));
  const [span] = exporter.getFinishedSpans();
  expect(span).toMatchObject({ name: 'text_completion tiny', status: { code: SpanStatusCode.ERROR } });
  expect(span!.attributes['error.type']).toBe('error');
});

/** As @opentelemetry/context-async-hooks does it. */
function contextManager(): ContextManager {
  const storage = new AsyncLocalStorage<Context>();
  return {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (given, run, thisArg, ...args) => storage.run(given, () => run.apply(thisArg!, args)),
    bind: (_, target) => target,
    enable() {
      return this;
    },
    disable() {
      storage.disable();
      return this;
    },
  };
}

const PARENT = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: TraceFlags.SAMPLED };
const PROPAGATOR: TextMapPropagator = {
  inject() {},
  extract: (base, carrier, getter) =>
    getter.get(carrier, 'traceparent') === undefined ? base : trace.setSpanContext(base, PARENT),
  fields: () => ['traceparent'],
};

test("the span belongs under the caller's", async () => {
  const exporter = registered();
  context.setGlobalContextManager(contextManager());
  propagation.setGlobalPropagator(PROPAGATOR);
  const answer = async (): Promise<void> => {
    await Promise.resolve();
    traceAnswer(EVENT);
  };
  await underCaller(new Headers({ traceparent: '00-a-b-01' }), answer);
  await underCaller(new Headers(), answer);
  const [under, alone] = exporter.getFinishedSpans();
  expect(under!.spanContext().traceId).toBe(PARENT.traceId);
  expect(under!.parentSpanContext?.spanId).toBe(PARENT.spanId);
  expect(alone!.parentSpanContext).toBeUndefined();
});

test('an answer of the real engine is recorded within the context of its request', async () => {
  const exporter = registered();
  context.setGlobalContextManager(contextManager());
  propagation.setGlobalPropagator(PROPAGATOR);
  const init = { headers: { 'content-type': 'application/json', traceparent: '00-a-b-01' } };
  const recorder = { ...noRecorder, record: traceAnswer };
  const answer = await server.ask('/v1/chat/completions', GREEDY, { recorder }, init);
  expect(answer.status).toBe(200);
  expect(exporter.getFinishedSpans()[0]!.parentSpanContext?.spanId).toBe(PARENT.spanId);
});

test('a span that is open for the request comes before its traceparent', () => {
  const exporter = registered();
  context.setGlobalContextManager(contextManager());
  propagation.setGlobalPropagator(PROPAGATOR);
  const request = { ...PARENT, spanId: 'c'.repeat(16) };
  context.with(trace.setSpanContext(ROOT_CONTEXT, request), () =>
    underCaller(new Headers({ traceparent: '00-a-b-01' }), () => traceAnswer(EVENT)),
  );
  expect(exporter.getFinishedSpans()[0]!.parentSpanContext?.spanId).toBe(request.spanId);
});

test('without a tracer nothing happens, and a broken one breaks nothing', () => {
  expect(() => traceAnswer(EVENT)).not.toThrow();
  trace.setGlobalTracerProvider({
    getTracer: () => {
      throw new Error('broken');
    },
  });
  expect(() => traceAnswer(EVENT)).not.toThrow();
});
