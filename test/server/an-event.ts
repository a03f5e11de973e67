/** An answer's event, as a test wants it. */

import type { AnswerEvent, TraitSummary } from '../../src/server/contracts.ts';

export function anEvent(changes: Partial<AnswerEvent> = {}): AnswerEvent {
  return {
    id: 'chatcmpl-1',
    time: new Date().toISOString(),
    keyId: 'anonymous',
    policy: undefined,
    model: 'tiny',
    endpoint: '/v1/chat/completions',
    stream: false,
    conversation: { id: 'c1', turn: 0 },
    promptTokens: 12,
    cachedTokens: 4,
    completionTokens: 5,
    firstTokenMs: 20,
    totalMs: 100,
    finishReason: 'stop',
    error: undefined,
    traits: {},
    steering: [],
    fired: [],
    ...changes,
  };
}

/** Mean as given, the other figures beside it. */
export function aSummary(z: number | undefined, raw = 1): TraitSummary {
  return {
    layer: 3,
    mean: { raw, z },
    max: { raw: raw + 1, z: 9 },
    last: { raw, z: 0.5 },
    prompt: { raw, z: -0.5 },
  };
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
