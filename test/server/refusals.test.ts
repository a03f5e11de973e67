import { describe, expect, test } from 'vitest';
import { GREEDY, SAY, usePlantedServer } from '../support/planted-server.ts';

const server = usePlantedServer();

interface Refusal {
  error: { message: string; type: string; param: string | null; code: string };
}

async function refusal(path: string, body: unknown): Promise<[status: number, Refusal['error']]> {
  const response = await server.ask(path, body);
  return [response.status, ((await response.json()) as Refusal).error];
}

const schema = (of: object): object => ({
  response_format: { type: 'json_schema', json_schema: { schema: of } },
});
const AT = 'response_format.json_schema.schema';

describe('a chat that cannot be honoured is refused, and its field named', () => {
  test.each<[param: string, body: object]>([
    ['messages', { messages: undefined }],
    ['messages', { messages: [] }],
    ['messages[0].role', { messages: [{ role: 'tool', content: 'x' }] }],
    ['messages[0].content', { messages: [{ role: 'user' }] }],
    ['messages[0].content[0].type', { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }],
    ['messages[1].tool_calls', { messages: [...SAY, { role: 'assistant', content: '', tool_calls: [{}] }] }],
    ['tools', { tools: [{ type: 'function' }] }],
    ['tool_choice', { tool_choice: 'required' }],
    ['audio', { audio: { voice: 'x' } }],
    ['modalities', { modalities: ['text', 'audio'] }],
    ['logit_bias', { logit_bias: { 5: 10 } }],
    ['reasoning_effort', { reasoning_effort: 'high' }],
    ['grammar', { grammar: 'root ::= "a"' }],
    ['vllm_xargs', { vllm_xargs: { steer: '{}' } }],
    ['mirostat', { mirostat: 2 }],
    ['temperature', { temperature: -1 }],
    ['top_p', { top_p: 2 }],
    ['max_tokens', { max_tokens: 0 }],
    ['max_completion_tokens', { max_tokens: 3, max_completion_tokens: 4 }],
    ['n', { n: 0 }],
    ['n', { n: 17 }],
    ['seed', { seed: 1.5 }],
    ['stop', { stop: 5 }],
    ['top_logprobs', { top_logprobs: 2 }],
    ['top_logprobs', { logprobs: true, top_logprobs: 21 }],
    ['repetition_penalty', { repeat_penalty: 1.1, repetition_penalty: 1.1 }],
    ['stream', { stream: 'yes' }],
    ['response_format.type', { response_format: { type: 'xml' } }],
    ['ignore_eos', { response_format: { type: 'json_object' } }],
    [`${AT}.pattern`, schema({ type: 'string', pattern: 'a' })],
    [`${AT}.properties.a.items.uniqueItems`, schema({ properties: { a: { items: { uniqueItems: true } } } })],
    ['monitor', { monitor: 'pish' }],
    ['monitor[1]', { monitor: ['pish', 'pich'] }],
    ['monitor[0]', { monitor: ['pish@4'] }],
    ['monitor[0]', { monitor: ['other'] }], // no layer was chosen
    ['monitor[0]', { monitor: ['/etc/passwd'] }],
    ['steering', { steering: 5 }],
    ['steering', { steering: true }],
    ['steering', { steering: 'pich=1@2' }],
    ['steering', { steering: 'pish=1@9' }],
    ['steering', { steering: '/tmp/pish.gguf=1@2' }],
    ['steering', { steering: 'pish=x' }],
    ['steering[1]', { steering: ['pish', 'pish=>=1'] }],
    ['steering[0]', { steering: [5] }],
    ['steering.vector', { steering: { vector: '../pish.gguf' } }],
    ['steering.vector', { steering: { coefficient: 1 } }],
    ['steering.trait', { steering: { trait: 'evil' } }],
    ['steering.trait', { steering: { vector: 'pish', trait: 'pish' } }],
    ['steering.coeficient', { steering: { vector: 'pish', coeficient: 2 } }],
    ['steering.when', { steering: { vector: 'pish', when: {} } }],
    ['steering.coefficient', { steering: { vector: 'pish', coefficient: '1' } }],
    ['steering.scale', { steering: { vector: 'pish', coefficient: 1, scale: 1 } }],
    ['steering.layer', { steering: { vector: 'pish', layer: 4 } }],
    ['steering.layer', { steering: { vector: 'other', coefficient: 1 } }],
    ['steering[1].layer', { steering: ['pish', { vector: 'pish', layer: 99 }] }],
    ['steering.layers', { steering: { vector: 'pish', layer: 1, layers: [1] } }],
    ['steering.layers', { steering: { vector: 'pish', layers: [1, 1] } }],
    ['steering.layers', { steering: { vector: 'pish', layers: '3-2' } }],
    ['steering.layers', { steering: { vector: 'pish', op: 'inc', layers: [0, 2] } }],
    ['steering.coefficient', { steering: { vector: 'other', layer: 1 } }],
    ['steering.unit', { steering: { vector: 'other', layer: 1, coefficient: 10, unit: 'percent' } }],
    ['steering.unit', { steering: { vector: 'other', layer: 1, above: 1, unit: 'sd' } }],
    ['steering.unit', { steering: { vector: 'pish', coefficient: 1, unit: 'sd' } }],
    ['steering.unit', { steering: { vector: 'pish', unit: 'percent' } }],
    ['steering.alpha', { steering: { vector: 'pish', op: 'ablate', alpha: 1 } }],
    ['steering.coefficient', { steering: { vector: 'pish', op: 'cap', coefficient: 1 } }],
    ['steering.above', { steering: { vector: 'pish', op: 'add', above: 1 } }],
    ['steering.below', { steering: { vector: 'pish', above: 1, below: 2 } }],
    ['steering.op', { steering: { vector: 'pish', op: 'multiply' } }],
    ['steering.apply', { steering: { vector: 'pish', scope: 'all', apply: 'all' } }],
    ['steering[0].scope', { steering: [{ vector: 'pish', scope: 'everywhere' }] }],
    ['steering', { steering: Array.from({ length: 65 }, () => 'pish') }],
    ['steering', { steering: { vector: 'pish', coefficient: 2e38 } }],
  ])('%s of %j', async (param, body) => {
    const [status, error] = await refusal('/v1/chat/completions', { ...GREEDY, ...body });
    expect({ status, ...error }).toMatchObject({ status: 400, param, type: 'invalid_request_error' });
    expect(error.message).toContain(param);
    expect(error.code).toMatch(/^[a-z_]+$/);
  });
});

test.each<[param: string, body: object]>([
  ['prompt', {}],
  ['prompt', { prompt: '' }],
  ['prompt', { prompt: [] }],
  ['prompt[1]', { prompt: [1, 999_999] }],
  ['prompt[0][0]', { prompt: [[999_999]] }],
  ['prompt', { prompt: Array.from({ length: 17 }, () => 'a') }],
  ['echo', { prompt: 'a', echo: true }],
  ['suffix', { prompt: 'a', suffix: 'b' }],
  ['best_of', { prompt: 'a', best_of: 2 }],
  ['logprobs', { prompt: 'a', logprobs: 21 }],
  ['steering.layer', { prompt: 'a', steering: { vector: 'pish', layer: 9 } }],
])('a completion: %s of %j', async (param, body) => {
  const [status, error] = await refusal('/v1/completions', body);
  expect({ status, ...error }).toMatchObject({ status: 400, param });
});

test('what changes nothing passes, and what nobody knows', async () => {
  const body = {
    tools: [],
    logit_bias: {},
    tool_choice: 'auto',
    modalities: ['text'],
    audio: null,
    suffix: null,
    user: 'me',
    metadata: { a: 'b' },
    store: false,
    service_tier: 'auto',
    whatever: 1,
    echo: false,
    mirostat: 0,
    parallel_tool_calls: true,
    response_format: { type: 'text' },
  };
  expect((await server.chat(body)).choices[0]!.message.content).toBe(
    (await server.chat({})).choices[0]!.message.content,
  );
});

test('a model that is not served is not found; the one that is may have other names', async () => {
  const [status, error] = await refusal('/v1/chat/completions', { ...GREEDY, model: 'gpt-9' });
  expect([status, error.code, error.param]).toEqual([404, 'model_not_found', 'model']);
  const { name } = server.model.identity;
  for (const model of [name, 'gpt-9', null])
    expect((await server.chat({ model }, { aliases: ['gpt-9'] })).choices).toHaveLength(1);
});

test('a text that does not fit is refused before anything is written', async () => {
  for (const body of [
    { messages: [{ role: 'user', content: 'a'.repeat(300) }] },
    { max_tokens: 250 },
    { max_tokens: 250, stream: true },
  ]) {
    const [status, error] = await refusal('/v1/chat/completions', { ...GREEDY, ...body });
    expect([status, error.code, error.param]).toEqual([400, 'context_length_exceeded', 'messages']);
  }
  const rest = await server.chat({ max_tokens: undefined });
  expect(rest.usage.total_tokens).toBe(256);
});

test('bodies: too large, of another kind, broken', async () => {
  const limits = { ...server.served.limits, body: 100 };
  const large = await server.ask('/v1/chat/completions', 'x'.repeat(101), { limits });
  expect([large.status, ((await large.json()) as Refusal).error.code]).toEqual([413, 'body_too_large']);
  const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(64)) });
  const init: RequestInit = { body: endless, duplex: 'half' };
  const streamed = await server.ask('/v1/chat/completions', '', { limits }, init);
  expect(streamed.status).toBe(413);
  const form = { headers: { 'content-type': 'application/x-www-form-urlencoded' } };
  expect((await server.ask('/v1/chat/completions', 'a=b', {}, form)).status).toBe(415);
  const [status, error] = await refusal('/v1/chat/completions', '{"messages": [}');
  expect([status, error.code]).toEqual([400, 'invalid_json']);
  expect(error.message).toMatch(/position 14/);
  expect((await refusal('/v1/chat/completions', '[]'))[0]).toBe(400);
});

test('what there is not is a JSON 404', async () => {
  const [status, error] = await refusal('/v1/embeddings', {});
  expect([status, error.code, error.type]).toEqual([404, 'unknown_url', 'invalid_request_error']);
});

test('a policy’s refusal is a 403, and nothing of the inside is told', async () => {
  const policies = {
    begin: () => {
      throw new Error('secret');
    },
  };
  const response = await server.ask('/v1/chat/completions', GREEDY, { policies });
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain('secret');
});
