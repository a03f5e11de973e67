/** What people ask with: the official client, the AI SDK through our provider, LangChain; over a real port. */

import { setTimeout as sleep } from 'node:timers/promises';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, Output, jsonSchema, streamText } from 'ai';
import OpenAI, { BadRequestError, NotFoundError } from 'openai';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createPersona } from '../../src/ai-sdk.ts';
import { buildApp } from '../../src/server/app.ts';
import type { AnswerEvent } from '../../src/server/contracts.ts';
import { noRecorder } from '../../src/server/served.ts';
import { listen, type Listening } from '../../src/server/listen.ts';
import { GREEDY, type Persona, SAY, usePlantedServer } from '../support/planted-server.ts';

const server = usePlantedServer();
let listening: Listening;
let client: OpenAI;
const ended: AnswerEvent[] = [];
beforeAll(async () => {
  const recorder = { ...noRecorder, record: (event: AnswerEvent) => ended.push(event) };
  listening = await listen(buildApp({ ...server.served, recorder }), server.served, { port: 0 });
  client = new OpenAI({ baseURL: `${listening.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await listening[Symbol.asyncDispose]();
});

const ask = { ...GREEDY, model: 'planted', messages: [{ role: 'user' as const, content: 'aPb c' }] };
const own = { steering: 'pish=-1@1', monitor: ['pish'] };

interface Chunk {
  choices: {
    index: number;
    delta: { content?: string };
    finish_reason: string | null;
    logprobs?: { content: { token: string }[] } | null;
    persona?: Partial<Persona>;
  }[];
  usage?: { completion_tokens: number } | null;
}

async function chunksOf(body: object): Promise<Chunk[]> {
  const stream = await client.chat.completions.create({ ...ask, ...body, stream: true });
  const chunks: Chunk[] = [];
  for await (const chunk of stream) chunks.push(chunk as unknown as Chunk);
  return chunks;
}

function textOf(chunks: readonly Chunk[], index = 0): string {
  const choices = chunks.flatMap((chunk) => chunk.choices.filter((choice) => choice.index === index));
  return choices.map(({ delta }) => delta.content ?? '').join('');
}

describe('the official client', () => {
  test('gets an answer with what is ours beside it', async () => {
    const { choices, usage } = await client.chat.completions.create({ ...ask, ...own } as typeof ask);
    const { persona } = choices[0] as unknown as { persona: Persona };
    expect(choices[0]!.message.content).toContain('N');
    expect(persona.steering).toMatchObject([{ vector: 'pish', coefficient: -1, layer: 1, positions: 13 }]);
    expect(persona.traits.pish!.mean.raw).toBeLessThan(0);
    expect(usage!.completion_tokens).toBe(12);
  });

  test('streams the same text and the same readings, token by token, the summary last', async () => {
    const body = { ...own, monitor_tokens: true, seed: 5, temperature: 1 };
    const chunks = await chunksOf({ ...body, stream_options: { include_usage: true } });
    const whole = (await server.chat(body)).choices[0]!;
    expect(textOf(chunks)).toBe(whole.message.content);
    const tokens = chunks.flatMap(({ choices }) => choices[0]?.persona?.tokens ?? []);
    expect(tokens.map(({ index }) => index)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    const read = whole.persona.traits.pish!;
    tokens.forEach(({ text, readings }, i) => {
      expect(text).toBe(read.tokens![i]!.text);
      expect(readings.pish!.raw).toBeCloseTo(read.tokens![i]!.raw!, 3);
      expect(readings.pish!.z).toBeCloseTo(read.tokens![i]!.z!, 3);
    });
    const last = chunks.at(-2)!.choices[0]!;
    const { tokens: _, ...figures } = read;
    expect(last.finish_reason).toBe('length');
    expect(last.persona!.traits!.pish!.mean.raw).toBeCloseTo(figures.mean.raw!, 3);
    expect(last.persona!.steering).toEqual(whole.persona.steering);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 12 } });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect((await chunksOf(own)).some((chunk) => 'usage' in chunk)).toBe(false);
    const counted = await chunksOf({ ...own, stream_options: { continuous_usage_stats: true } });
    let soFar = 0;
    for (const { choices, usage } of counted)
      expect(usage!.completion_tokens).toBe((soFar += choices[0]!.persona!.tokens?.length ?? 0));
    expect(soFar).toBe(12);
  });

  test('streams choices and log-probabilities, and the unsteered answer as one more choice', async () => {
    const chunks = await chunksOf({ ...own, n: 2, compare: true, logprobs: true, top_logprobs: 1 });
    const plain = (await server.chat({})).choices[0]!.message.content;
    const steered = (await server.chat(own)).choices[0]!.message.content;
    expect([0, 1, 2, 3].map((index) => textOf(chunks, index))).toEqual([steered, steered, plain, plain]);
    const all = chunks.flatMap(({ choices }) => choices);
    for (const { index, persona } of all)
      expect(persona!.baseline_of).toBe(index < 2 ? undefined : index - 2);
    const tokens = all.filter(({ index }) => index === 1).flatMap(({ logprobs }) => logprobs?.content ?? []);
    expect(tokens.map(({ token }) => token).join('')).toBe(steered);
  });

  test('streams plain completions', async () => {
    const stream = await client.completions.create({
      model: 'planted',
      prompt: 'PaP',
      max_tokens: 6,
      temperature: 0,
      stream: true,
      ...own,
    } as OpenAI.CompletionCreateParamsStreaming);
    let text = '';
    for await (const { choices } of stream) text += choices[0]!.text;
    const whole = await client.completions.create({
      model: 'planted',
      prompt: 'PaP',
      max_tokens: 6,
      temperature: 0,
      ...own,
    } as OpenAI.CompletionCreateParamsNonStreaming);
    expect(text).toBe(whole.choices[0]!.text);
  });

  test('throws what it throws for OpenAI', async () => {
    const wrong = client.chat.completions.create({ ...ask, steering: { vector: 'pish', layer: 9 } } as never);
    await expect(wrong).rejects.toBeInstanceOf(BadRequestError);
    await expect(wrong).rejects.toMatchObject({ param: 'steering.layer', type: 'invalid_request_error' });
    const streamed = client.chat.completions.create({ ...ask, stream: true, tools: [{}] } as never);
    await expect(streamed).rejects.toMatchObject({ status: 400, param: 'tools' });
    await expect(client.chat.completions.create({ ...ask, model: 'x' })).rejects.toBeInstanceOf(
      NotFoundError,
    );
  });

  test('lists the model', async () => {
    const { data } = await client.models.list();
    expect(data).toMatchObject([{ id: 'planted', persona: { layers: 4, vectors: ['pish', 'other'] } }]);
    expect((await client.models.retrieve('planted')).id).toBe('planted');
    await expect(client.models.retrieve('x')).rejects.toBeInstanceOf(NotFoundError);
  });

  test.each([true, false])(
    'that goes away has its answers ended, and their slots free; stream: %s',
    async (stream) => {
      const long = { ...ask, max_tokens: 220, seed: 1, logprobs: true, top_logprobs: 20, stream };
      ended.length = 0;
      const gone = new AbortController();
      const eight = Array.from({ length: 8 }, async () => {
        const answer = await client.chat.completions.create(long as never, { signal: gone.signal });
        for await (const _ of answer as unknown as AsyncIterable<unknown>) continue;
      });
      const all = Promise.allSettled(eight); // four are written, four wait
      await sleep(30);
      gone.abort();
      await all;
      await client.chat.completions.create({ ...ask, max_tokens: 1 });
      await vi.waitFor(() => expect(ended).toHaveLength(9));
      expect(ended.map(({ finishReason }) => finishReason).toSorted()).toEqual([
        ...Array.from({ length: 8 }, () => 'aborted'),
        'length',
      ]);
    },
  );
});

describe('the AI SDK', () => {
  const provider = (): ReturnType<typeof createPersona> => createPersona({ baseURL: `${listening.url}/v1` });
  const call = () => ({
    model: provider()('planted'),
    prompt: 'aPb c',
    temperature: 0,
    maxOutputTokens: 12,
    providerOptions: { persona: { ...own, ignore_eos: true } },
  });

  test('generates text with the readings as metadata', async () => {
    const { text, providerMetadata, usage } = await generateText(call());
    expect(text).toBe((await server.chat(own)).choices[0]!.message.content);
    expect(providerMetadata!.persona).toMatchObject({
      steering: [{ vector: 'pish' }],
      traits: { pish: { layer: 2 } },
    });
    expect(usage.outputTokens).toBe(12);
  });

  test('streams text with the readings as metadata', async () => {
    const stream = streamText(call());
    expect(await stream.text).toBe((await server.chat(own)).choices[0]!.message.content);
    const { persona } = (await stream.finalStep).providerMetadata as unknown as { persona: Persona };
    expect(persona.traits.pish!.mean.raw).toBeLessThan(0);
    expect(persona.tokens).toHaveLength(12);
  });

  test('gets objects of a schema', async () => {
    const schema = jsonSchema<{ say: string }>({
      type: 'object',
      properties: { say: { type: 'string', enum: ['P', 'N'] } },
      required: ['say'],
      additionalProperties: false,
    });
    const { output } = await generateText({
      ...call(),
      providerOptions: {},
      maxOutputTokens: 60,
      output: Output.object({ schema }),
    });
    expect(['P', 'N']).toContain(output.say);
  });

  test('does not mix the unsteered answer into a stream', async () => {
    const errors: unknown[] = [];
    const providerOptions = { persona: { ...own, compare: true } };
    const stream = streamText({
      ...call(),
      providerOptions,
      onError: ({ error }) => void errors.push(error),
    });
    await stream.consumeStream();
    expect(String(errors[0])).toContain('compare and n are for generateText');
  });
});

test('LangChain talks to it, streamed or not', async () => {
  const chat = new ChatOpenAI({
    model: 'planted',
    apiKey: 'none',
    temperature: 0,
    maxTokens: 12,
    configuration: { baseURL: `${listening.url}/v1` },
    modelKwargs: { ...own, ignore_eos: true },
  });
  const steered = (await server.chat(own)).choices[0]!.message.content;
  expect((await chat.invoke('aPb c')).content).toBe(steered);
  let text = '';
  for await (const chunk of await chat.stream('aPb c')) text += chunk.text;
  expect(text).toBe(steered);
  expect(SAY).toHaveLength(1);
});
