import { expect, test } from 'vitest';
import { type FinishedText, projectRow } from '../../src/monitor/project-row.ts';
import type { AnswerEvent } from '../../src/server/contracts.ts';
import { noRecorder } from '../../src/server/served.ts';
import { GREEDY, SAY, usePlantedServer } from '../support/planted-server.ts';

const server = usePlantedServer();

async function written(body: object): Promise<string> {
  return (await server.chat(body)).choices[0]!.message.content;
}

test('an answer is what the engine writes to the rendered messages', async () => {
  const { model } = server;
  const solo = await model.engine.run({
    prompt: model.render([{ role: 'user', content: 'aPb c' }]),
    maxTokens: 12,
    ignoreEnd: true,
    sampling: { temperature: 0 },
  });
  const { choices, usage } = await server.chat({});
  expect(choices).toHaveLength(1);
  expect(choices[0]).toMatchObject({
    index: 0,
    message: { role: 'assistant', content: solo.text },
    finish_reason: 'length',
    logprobs: null,
    persona: { steering: [], traits: {}, fired: [] },
  });
  expect(usage).toMatchObject({
    prompt_tokens: solo.promptTokens,
    completion_tokens: 12,
    total_tokens: solo.promptTokens + 12,
  });
  expect((await server.chat({})).usage.prompt_tokens_details.cached_tokens).toBe(solo.promptTokens - 1);
});

test('parts of text are joined, and a developer speaks as the system', async () => {
  const parts = [
    { type: 'text', text: 'aPb' },
    { type: 'text', text: ' c' },
  ];
  expect(await written({ messages: [{ role: 'user', content: parts }] })).toBe(await written({}));
  const system = { role: 'system', content: 'NNNNNNNN' };
  const told = await written({ messages: [system, ...SAY] });
  expect(await written({ messages: [{ ...system, role: 'developer' }, ...SAY] })).toBe(told);
  expect(told).not.toBe(await written({}));
});

test('steering acts as the same edits on the engine do, however it is written', async () => {
  const plain = await written({});
  const forms: unknown[] = [
    'pish=-1@1',
    ['pish=-1@1'],
    { vector: 'pish', coefficient: -1, layer: 1 },
    { trait: 'pish', scale: -1, layers: [1], apply: 'response' },
    { vector: 'pish', alpha: -1, layers: '1-1', op: 'add', unit: 'raw', scope: 'response' },
    [{ vector: 'pish', coef: -0.5, layer: 1 }, 'pish=-0.5@1'],
  ];
  const answers = await Promise.all(forms.map((steering) => written({ steering })));
  expect(new Set(answers).size).toBe(1);
  expect(answers[0]).not.toBe(plain);
  expect(answers[0]).toContain('N');
});

test('a list of layers is one steering for each run of them, and a cap with two bounds is two', async () => {
  const { steering } = (
    await server.chat({ steering: { vector: 'pish', coefficient: 0.1, layers: [3, 0, 1] } })
  ).choices[0]!.persona;
  expect(steering.map(({ layer, coefficient, positions }) => [layer, coefficient, positions])).toEqual([
    [0, 0.1, 12],
    [1, 0.1, 12],
    [3, 0.1, 12],
  ]);
  const caps = await server.chat({ steering: { vector: 'pish', above: 1, below: -1, layer: 2 } });
  expect(caps.choices[0]!.persona.steering).toMatchObject([
    { op: 'cap', above: 1 },
    { op: 'cap', below: -1 },
  ]);
  const length = { vector: 'pish', coefficient: 6, unit: 'length', layer: 2 };
  const pushed = (await server.chat({ steering: length })).choices[0]!.persona.steering[0]!;
  expect(pushed.coefficient).toBeCloseTo(6 / 3); // ‖v‖ is 3 at layer 2
});

test('the server’s default holds where a request says nothing, and false is none', async () => {
  const defaults = { steering: ['pish=-1@1'], monitor: ['pish'] };
  const text = async (body: object): Promise<string> =>
    (await server.chat(body, { defaults })).choices[0]!.message.content;
  const steered = await written({ steering: 'pish=-1@1' });
  expect(await text({})).toBe(steered);
  expect(await text({ steering: null })).toBe(steered);
  expect(await text({ steering: false })).toBe(await written({}));
  const { persona } = (await server.chat({}, { defaults })).choices[0]!;
  expect(Object.keys(persona.traits)).toEqual(['pish']);
});

test('what is read while it writes is what projecting the finished text gives', async () => {
  const body = { monitor: ['pish', 'pish@1', 'other@3'], monitor_tokens: true };
  const { message, persona } = (await server.chat(body)).choices[0]!;
  const { traits } = persona;
  expect(Object.keys(traits)).toEqual(['pish@2', 'pish@1', 'other']);
  const text: FinishedText = { prompt: server.model.render(SAY as never), answer: message.content };
  const watches = [
    { name: 'pish', source: 'pish', vector: server.pish, layer: 2 },
    { name: 'other', source: 'other', vector: server.served.vectors.get('other')!.vector, layer: 3 },
  ];
  const [pish, other] = await projectRow(server.model.engine, text, watches, 'response_avg');
  const [before] = await projectRow(server.model.engine, text, watches, 'prompt_last');
  const read = traits['pish@2']!;
  expect(read.mean.raw).toBeCloseTo(pish!.value!, 3);
  expect(read.mean.z).toBeCloseTo(pish!.z!, 3);
  expect(read.prompt.raw).toBeCloseTo(before!.value!, 3);
  expect(traits.other!.mean).toEqual({ raw: expect.closeTo(other!.value!, 3) as number, z: null });
  const raws = read.tokens!.map(({ raw }) => raw!);
  expect(raws).toHaveLength(12);
  expect(read.max.raw).toBe(Math.max(...raws));
  expect(read.last.raw).toBe(raws.at(-1));
  const { mean, tokenDeviation } = server.pish.baseline!;
  expect(read.last.z).toBeCloseTo((raws.at(-1)! - mean[2]!) / tokenDeviation[2]!, 5);
  expect(read.tokens!.map(({ text: piece }) => piece).join('')).toBe(message.content);
});

test('compare puts the unsteered answer beside it, watched alike', async () => {
  const { choices, usage } = await server.chat({ steering: 'pish=-1@1', monitor: ['pish'], compare: true });
  const plain = await server.chat({ monitor: ['pish'] });
  const { baseline, traits } = choices[0]!.persona;
  expect(choices).toHaveLength(1);
  expect(baseline!.text).toBe(plain.choices[0]!.message.content);
  expect(baseline!.readings.pish!.mean.raw).toBeCloseTo(plain.choices[0]!.persona.traits.pish!.mean.raw!, 3);
  expect(baseline!.readings.pish!.mean.raw).toBeGreaterThan(traits.pish!.mean.raw!);
  expect(usage.completion_tokens).toBe(24);
});

test('requests that are steered otherwise at the same time do not see each other', async () => {
  const steerings = ['pish=-0.2@1', false, 'pish=0.2@1', 'pish=-0.3@0:add/all'];
  const alone: string[] = [];
  const ask = (steering: unknown): Promise<string> =>
    written({ steering, temperature: 1, seed: 3, max_tokens: 40 });
  for (const steering of steerings) alone.push(await ask(steering));
  expect(new Set(alone).size).toBeGreaterThan(2);
  for (let again = 0; again < 3; again++) expect(await Promise.all(steerings.map(ask))).toEqual(alone);
});

test('a seed gives the same text again, and each of n answers has its own', async () => {
  const hot = { temperature: 1.5, max_tokens: 20 };
  const { choices } = await server.chat({ ...hot, seed: 7, n: 3 });
  const texts = choices.map(({ message }) => message.content);
  expect(new Set(texts).size).toBe(3);
  expect(choices.map(({ index, persona }) => [index, persona.seed])).toEqual([
    [0, 7],
    [1, 8],
    [2, 9],
  ]);
  expect(await written({ ...hot, seed: 8 })).toBe(texts[1]);
  const chance = (await server.chat(hot)).choices[0]!;
  expect(await written({ ...hot, seed: chance.persona.seed })).toBe(chance.message.content);
});

test('the text ends before a stop, with the reason of it', async () => {
  const plain = await written({});
  const stop = plain.slice(3, 5);
  const { message, finish_reason } = (await server.chat({ stop })).choices[0]!;
  expect(message.content).toBe(plain.slice(0, plain.indexOf(stop)));
  expect(finish_reason).toBe('stop');
  expect(await written({ stop: ['\u{1F600}', stop] })).toBe(message.content);
});

test('log-probabilities are those of the tokens, with alternatives', async () => {
  const { choices } = await server.chat({ logprobs: true, top_logprobs: 3 });
  const { content } = choices[0]!.logprobs!;
  expect(content.map(({ token }) => token).join('')).toBe(choices[0]!.message.content);
  for (const { token, logprob, top_logprobs } of content) {
    expect(logprob).toBeLessThanOrEqual(0);
    expect(top_logprobs).toHaveLength(3);
    expect(top_logprobs[0]!.token).toBe(token); // the likeliest was taken
  }
  expect(
    (await server.chat({ logprobs: true, max_tokens: 2 })).choices[0]!.logprobs!.content[0],
  ).toMatchObject({ top_logprobs: [], bytes: [expect.any(Number)] });
});

test('an answer of a given format is JSON of the schema', async () => {
  const schema = {
    type: 'object',
    properties: { say: { enum: ['P', 'N'] }, list: { type: 'array', items: { const: 1 }, maxItems: 2 } },
    required: ['say', 'list'],
    additionalProperties: false,
  };
  const response_format = { type: 'json_schema', json_schema: { name: 'x', schema } };
  const whole = { response_format, ignore_eos: false, max_tokens: 100 };
  const { message, finish_reason } = (await server.chat(whole)).choices[0]!;
  expect(finish_reason).toBe('stop');
  expect(Object.keys(JSON.parse(message.content) as object)).toEqual(['say', 'list']);
  const any = await server.chat({ ...whole, response_format: { type: 'json_object' }, max_tokens: 3 });
  expect(any.choices[0]!.message.content).toMatch(/^\{/);
});

test('every answer is recorded, the unsteered one too', async () => {
  const events: AnswerEvent[] = [];
  const recorder = { ...noRecorder, record: (event: AnswerEvent) => events.push(event) };
  await server.chat(
    { monitor: ['pish'], steering: 'pish=-1@1', compare: true, persona: { conversation: 'c1' } },
    { recorder, keepTexts: true },
  );
  const [steered, plain] = events.toSorted((a, b) => b.steering.length - a.steering.length);
  expect(plain).toMatchObject({ steering: [], text: { answer: expect.stringContaining('P') } });
  expect(steered).toMatchObject({
    endpoint: '/v1/chat/completions',
    keyId: 'anonymous',
    conversation: { id: 'c1', turn: 0 },
    completionTokens: 12,
    finishReason: 'length',
    traits: { pish: { layer: 2 } },
    text: { prompt: server.model.render(SAY as never), answer: expect.stringContaining('N') },
  });
  expect(steered).toHaveProperty('firstTokenMs', expect.any(Number));
});

test('the conversation is known by its beginning', async () => {
  const ids: string[] = [];
  const recorder = {
    ...noRecorder,
    record: (event: AnswerEvent) => ids.push(`${event.conversation.id} ${event.conversation.turn}`),
  };
  const longer = [...SAY, { role: 'assistant', content: 'PP' }, { role: 'user', content: 'b' }];
  for (const messages of [SAY, longer, [{ role: 'user', content: 'other' }]])
    await server.chat({ messages, max_tokens: 1 }, { recorder });
  const [first, second, third] = ids.map((id) => id.split(' '));
  expect(second).toEqual([first![0], '1']);
  expect(third![0]).not.toBe(first![0]);
});

test('plain completions go on from the prompt, in each of its forms', async () => {
  const { model } = server;
  const ask = async (body: object): Promise<{ choices: Record<string, unknown>[]; usage: object }> =>
    (await (
      await server.ask('/v1/completions', { temperature: 0, max_tokens: 6, ignore_eos: true, ...body })
    ).json()) as never;
  const bos = model.engine.info.addBos ? model.engine.info.bos! : '';
  const solo = await model.engine.run({
    prompt: `${bos}PaP`,
    maxTokens: 6,
    ignoreEnd: true,
    sampling: { temperature: 0 },
    topLogprobs: 2,
  });
  const { choices } = await ask({ prompt: 'PaP', logprobs: 2 });
  expect(choices[0]).toMatchObject({ text: solo.text, finish_reason: 'length', persona: { fired: [] } });
  const logprobs = choices[0]!.logprobs as Record<string, unknown[]>;
  expect(logprobs.token_logprobs).toEqual(solo.logprobs!.map(({ logprob }) => logprob));
  expect(logprobs.tokens!.join('')).toBe(solo.text);
  expect(logprobs.text_offset).toEqual([0, 1, 2, 3, 4, 5]);
  const tokens = await model.engine.tokenize(`${bos}PaP`, true);
  expect((await ask({ prompt: tokens })).choices[0]!.text).toBe(solo.text);
  const many = await ask({ prompt: ['PaP', 'NbN'], n: 2 });
  expect(many.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  expect(many.choices[1]!.text).toBe(solo.text);
  expect(many.choices[2]!.text).not.toBe(solo.text);
  expect((await ask({ prompt: 'PaP', max_tokens: undefined })).usage).toMatchObject({
    completion_tokens: 16,
  });
  expect(GREEDY.max_tokens).toBe(12);
});
