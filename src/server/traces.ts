/**
 * Spans of answers by OpenTelemetry's conventions for generative AI, with what the traits read beside them; never a
 * prompt or an answer. Only the API is used: without a tracer that the user's process registers, nothing happens.
 */

import {
  type Attributes,
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { version } from '../files/package-version.ts';
import type { AnswerEvent } from './contracts.ts';

const PROVIDER = 'persona';

/**
 * Handles a request so that spans of its answers belong under its caller's: under the span that an instrumented server
 * opened for it, else under its `traceparent`. Without a context manager that the user's process registers, they
 * stand alone.
 */
export function underCaller<T>(headers: Headers, handle: () => T): T {
  const active = context.active();
  return context.with(trace.getSpan(active) ? active : callerOf(headers), handle);
}

function callerOf(headers: Headers): Context {
  return propagation.extract(ROOT_CONTEXT, headers, {
    get: (carrier, key) => carrier.get(key) ?? undefined,
    keys: (carrier) => [...carrier.keys()],
  });
}

/** Makes the span of an answer that ended, under the active context; never throws. */
export function traceAnswer(event: AnswerEvent): void {
  const start = Date.parse(event.time);
  const operation = event.endpoint === '/v1/completions' ? 'text_completion' : 'chat';
  // the model runs as a part of this server, so that it is no call to another
  const options = { kind: SpanKind.INTERNAL, startTime: start, attributes: attributesOf(event, operation) };
  try {
    const span = trace
      .getTracer('persona-vectors', version)
      .startSpan(`${operation} ${event.model}`, options);
    for (const { rule, action, trait, at, reading } of event.fired)
      span.addEvent('persona.rule_fired', {
        'persona.rule': rule,
        'persona.action': action,
        'persona.trait': trait,
        'persona.token': at,
        ...(reading.z === undefined ? {} : { 'persona.z': reading.z }),
      });
    if (event.error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(start + event.totalMs);
  } catch {
    // a tracer that breaks must not break the answer
  }
}

function attributesOf(event: AnswerEvent, operation: string): Attributes {
  const attributes: Attributes = {
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': PROVIDER,
    'gen_ai.system': PROVIDER, // the name until version 1.36 of the conventions, which many still read
    'gen_ai.request.model': event.model,
    'gen_ai.response.model': event.model,
    'gen_ai.response.id': event.id,
    'gen_ai.response.finish_reasons': [event.finishReason],
    'gen_ai.usage.input_tokens': event.promptTokens,
    'gen_ai.usage.output_tokens': event.completionTokens,
    'gen_ai.usage.cache_read.input_tokens': event.cachedTokens,
    'gen_ai.conversation.id': event.conversation.id,
    'persona.key': event.keyId,
    'persona.steered': event.steering.length > 0,
  };
  if (event.policy !== undefined) attributes['persona.policy'] = event.policy;
  if (event.firstTokenMs !== undefined) attributes['persona.first_token_ms'] = event.firstTokenMs;
  if (event.error !== undefined) attributes['error.type'] = event.finishReason;
  for (const [trait, { layer, mean, max }] of Object.entries(event.traits)) {
    attributes[`persona.${trait}.layer`] = layer;
    attributes[`persona.${trait}.mean`] = mean.raw;
    if (mean.z !== undefined) attributes[`persona.${trait}.mean_z`] = mean.z;
    if (max.z !== undefined) attributes[`persona.${trait}.max_z`] = max.z;
  }
  return attributes;
}
