/** What a policy decides is done: by policies of a few lines, that decide at known places. */

import { describe, expect, test } from 'vitest';
import { PersonaError } from '../../src/errors.ts';
import type { AnswerEvent } from '../../src/server/contracts.ts';
import { noPolicies, noRecorder } from '../../src/server/served.ts';
import type { Decision, Policies, PolicyRun, Readings } from '../../src/steer/policy/policy.ts';
import { direction } from '../../src/vector/vector.ts';
import { GREEDY, type Persona, usePlantedServer } from '../support/planted-server.ts';

const server = usePlantedServer();

interface Event {
  choices: { delta?: { content?: string }; finish_reason: string | null; persona: Partial<Persona> }[];
}

interface Plan extends Partial<Omit<PolicyRun, 'onPrompt' | 'onToken'>> {
  onPrompt?: (readings: Readings) => Decision[];
  onToken?: (index: number, readings: Readings) => Decision[];
}

function policy(plan: Plan | (() => Plan)): Policies {
  return {
    begin: (caller, conversation) => ({
      ...noPolicies.begin(caller, conversation),
      watch: ['pish'],
      ...(typeof plan === 'function' ? plan() : plan),
    }),
  };
}

const at =
  (token: number, ...decisions: Decision[]) =>
  (index: number): Decision[] =>
    index === token ? decisions : [];
const ablate = () =>
  ({ op: 'add', layer: 1, direction: direction(server.pish, 1), coefficient: -1 }) as const;
const plain = async (body: object = {}): Promise<string> =>
  (await server.chat(body)).choices[0]!.message.content;

async function sse(
  body: object,
  policies: Policies,
): Promise<{ response: Response; text: string; events: Event[] }> {
  const response = await server.ask(
    '/v1/chat/completions',
    { ...GREEDY, ...body, stream: true },
    { policies },
  );
  const events = (await response.text())
    .split('\n\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)) as Event);
  const text = events.map((event) => event.choices[0]?.delta?.content ?? '').join('');
  return { response, text, events };
}

test('it reads what it watches, at the prompt and at each token, whatever the request watches', async () => {
  const read: [number, Readings][] = [];
  const policies = policy({
    watch: ['pish', 'other@1'],
    onPrompt: (readings) => (read.push([-1, readings]), []),
    onToken: (index, readings) => (read.push([index, readings]), []),
  });
  const { traits } = (await server.chat({ monitor: ['pish@1'], monitor_tokens: true }, { policies }))
    .choices[0]!.persona;
  expect(Object.keys(traits)).toEqual(['pish@1', 'pish@2', 'other']);
  expect(read.map(([index]) => index)).toEqual([-1, ...Array.from({ length: 12 }, (_, i) => i)]);
  expect(read[0]![1].pish!.raw).toBe(traits['pish@2']!.prompt.raw);
  expect(read.at(-1)![1]).toEqual({
    pish: { raw: traits['pish@2']!.last.raw, z: traits['pish@2']!.last.z },
    'other@1': { raw: traits.other!.last.raw, z: undefined },
  });
});

test('its edits come after the request’s, and are told of', async () => {
  const edits = [ablate()];
  const applied = [
    { vector: 'pish', op: 'add', layer: 1, scope: 'response', norm: 2, coefficient: -1 } as const,
  ];
  const { message, persona } = (
    await server.chat({ steering: 'pish=0.01@0' }, { policies: policy({ edits, applied }) })
  ).choices[0]!;
  expect(message.content).toBe(await plain({ steering: ['pish=0.01@0', 'pish=-1@1'] }));
  expect(persona.steering.map(({ layer, positions }) => [layer, positions])).toEqual([
    [0, 13],
    [1, 13],
  ]);
  // the unsteered answer is not without the policy
  const both = await server.chat(
    { steering: 'pish@0', compare: true },
    { policies: policy({ edits, applied }) },
  );
  expect(both.choices[0]!.persona.baseline!.text).toBe(await plain({ steering: 'pish=-1@1' }));
});

test('it may forbid a steering, not the server’s default', async () => {
  const policies = policy({
    checkSteering([first]) {
      if (first) throw new PersonaError('FORBIDDEN', `${first.path}: pish may not be steered`);
    },
  });
  for (const [steering, param] of [
    ['pish', 'steering'],
    [['pish'], 'steering[0]'],
    [{ vector: 'pish', coefficient: 1 }, 'steering'],
  ]) {
    const response = await server.ask('/v1/chat/completions', { ...GREEDY, steering }, { policies });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ error: { type: 'permission_error', param } });
  }
  const defaults = { steering: ['pish'], monitor: [] };
  expect((await server.chat({}, { policies, defaults })).choices).toHaveLength(1);
});

test('a header of the prompt comes before the first byte, also of a stream', async () => {
  const policies = policy({
    onPrompt: () => [{ rule: 'a', do: 'header', name: 'x-risk', value: 'high' }],
    onToken: at(3, { rule: 'b', do: 'header', name: 'x-late', value: 'yes' }),
  });
  const whole = await server.ask('/v1/chat/completions', GREEDY, { policies });
  expect([whole.headers.get('x-risk'), whole.headers.get('x-late')]).toEqual(['high', 'yes']);
  const { response, text } = await sse({}, policies);
  expect(response.headers.get('x-risk')).toBe('high');
  expect(text).toBe(await plain());
});

describe.each([false, true])('streamed: %s', (stream) => {
  async function ask(policies: Policies, body: object = {}): Promise<[text: string, finish: string]> {
    if (stream) {
      const { text, events } = await sse(body, policies);
      return [text, events.at(-1)!.choices[0]!.finish_reason!];
    }
    const { message, finish_reason } = (await server.chat(body, { policies })).choices[0]!;
    return [message.content, finish_reason];
  }

  test('stop ends the answer with the token at which it was decided', async () => {
    const policies = policy({ onToken: at(4, { rule: 'a', do: 'stop', finishReason: 'content_filter' }) });
    expect(await ask(policies)).toEqual([(await plain()).slice(0, 5), 'content_filter']);
  });

  test('stop at the prompt writes nothing', async () => {
    const policies = policy({ onPrompt: () => [{ rule: 'a', do: 'stop', finishReason: 'blocked' }] });
    expect(await ask(policies)).toEqual(['', 'blocked']);
  });

  test('fallback replaces the answer', async () => {
    for (const plan of [
      { onPrompt: () => [{ rule: 'a', do: 'fallback', text: 'No.' } as const] },
      { holdsBack: true, onToken: at(5, { rule: 'a', do: 'fallback', text: 'No.' }) },
    ])
      expect(await ask(policy(plan))).toEqual(['No.', 'content_filter']);
  });

  test('regenerate writes it once more, with its edits, and not a third time', async () => {
    let times = 0;
    const policies = policy({
      holdsBack: true,
      onToken(index) {
        if (index !== 6) return [];
        times++;
        return [{ rule: 'a', do: 'regenerate', edits: [ablate()], applied: [] }];
      },
    });
    expect(await ask(policies)).toEqual([await plain({ steering: 'pish=-1@1' }), 'length']);
    expect(times).toBe(2);
  });

  test('cap at the prompt acts from the first word on', async () => {
    const policies = policy({ onPrompt: () => [{ rule: 'a', do: 'cap', edits: [ablate()], applied: [] }] });
    expect(await ask(policies)).toEqual([await plain({ steering: 'pish=-1@1' }), 'length']);
  });

  // on a crowded machine the 200 tokens may be over before the decision has reached the engine
  test('cap at a token acts soon after, and leaves what was written', { retry: 3 }, async () => {
    const edits = [{ ...ablate(), coefficient: -5 }];
    const policies = policy({
      intervenes: true,
      onToken: at(2, { rule: 'a', do: 'cap', edits, applied: [] }),
    });
    const long = { max_tokens: 200 };
    const [text] = await ask(policies, long);
    const before = await plain(long);
    const changed = Array.from(text).findIndex((c, i) => c !== before[i]);
    expect(changed).toBeGreaterThan(2);
    expect(text).toHaveLength(200);
    expect(text.endsWith('NNNN')).toBe(true);
  });
});

test('what a rule brought in stands among the steering, with the tokens that it changed', async () => {
  const edits = [ablate()];
  const applied = [{ vector: 'pish', op: 'add', layer: 1, scope: 'response', norm: 1, rule: 'a' }] as const;
  const act = { rule: 'a', do: 'cap', edits, applied } as const;
  const body = { steering: 'pish=1@0', max_tokens: 100 };
  const steeringUnder = async (plan: Plan): Promise<{ rule?: string; positions: number | null }[]> =>
    (await server.chat(body, { policies: policy(plan) })).choices[0]!.persona.steering;
  expect(await steeringUnder({ onPrompt: () => [act] })).toEqual([
    expect.objectContaining({ vector: 'pish', layer: 0, positions: 101 }), // the prompt's last token too
    { ...applied[0], positions: 101 },
  ]);
  const later = await steeringUnder({ intervenes: true, onToken: at(2, act) });
  expect(later[1]).toMatchObject({ rule: 'a' });
  expect(later[1]!.positions).toBeLessThan(98);
  const tooLate = await steeringUnder({ onToken: at(99, act) });
  expect(tooLate[1]).toEqual({ ...applied[0], positions: 0 });
});

test.each<Decision>([
  { rule: 'a', do: 'fallback', text: 'No.' },
  { rule: 'a', do: 'regenerate', edits: [], applied: [] },
])('what was sent cannot be taken back, so $do ends it', async (decision) => {
  const { text, events } = await sse({}, policy({ onToken: at(4, decision) }));
  expect(text).toBe((await plain()).slice(0, 5));
  expect(events.at(-1)!.choices[0]!.finish_reason).toBe('content_filter');
});

test('a stream that is held back says so, and says nothing before its end', async () => {
  const fired = [
    { rule: 'a', action: 'log', trait: 'pish', at: 1, reading: { raw: 1, z: undefined } },
  ] as const;
  const policies = policy({ holdsBack: true, fired: () => fired });
  const { response, text, events } = await sse({ monitor: ['pish'] }, policies);
  expect(response.headers.get('x-persona-held')).toBe('1');
  expect(text).toBe(await plain());
  expect(events).toHaveLength(3); // head, all of the text, end
  expect(events[1]!.choices[0]!.persona.tokens).toHaveLength(12);
  expect(events[2]!.choices[0]!.persona.fired).toMatchObject([{ rule: 'a', reading: { raw: 1, z: null } }]);
});

test('what is decided elsewhere is told, with the answer’s id', async () => {
  const told: unknown[] = [];
  const policies = policy({
    onToken: at(1, { rule: 'a', do: 'webhook', url: 'http://x' }, { rule: 'b', do: 'log' }),
  });
  const notify = (decision: Decision, id: string): void => void told.push([decision.do, id]);
  await server.chat({}, { policies, notify });
  expect(told).toEqual([
    ['webhook', expect.stringMatching(/^chatcmpl-/)],
    ['log', expect.stringMatching(/^chatcmpl-/)],
  ]);
});

test('an answer that fails is no answer, and is recorded as such', async () => {
  const events: AnswerEvent[] = [];
  const recorder = { ...noRecorder, record: (event: AnswerEvent) => events.push(event) };
  const bad = { ...ablate(), layer: 9 };
  const policies = policy({ onToken: at(0, { rule: 'a', do: 'cap', edits: [bad], applied: [] }) });
  const body = { ...GREEDY, max_tokens: 200, n: 2 };
  const response = await server.ask('/v1/chat/completions', body, { policies, recorder });
  expect(response.status).toBe(400);
  expect(events.map(({ finishReason }) => finishReason)).toContain('error');
});

test('a policy that breaks fails its answer, not the server', async () => {
  for (const plan of [
    { onPrompt: () => [{ rule: 'a', do: 'header', name: 'no name', value: 'x' } as const] },
    {
      onToken: () => {
        throw new Error('inside');
      },
    },
  ]) {
    const response = await server.ask('/v1/chat/completions', GREEDY, { policies: policy(plan) });
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('inside');
  }
  expect(await plain()).toHaveLength(12);
});
