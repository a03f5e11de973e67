import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CHATML, renderChat, type ChatMessage } from '../../src/model/template.ts';

/** The template text of the default model's file. */
const smollm2 =
  "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** Refuses a system role and turns out of order, begins with BOS: the manner of Gemma 2. */
const refusing = `{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages %}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}
{{- '[' + ('model' if message.role == 'assistant' else message.role) + ']' + message.content | trim + '[end]' }}
{%- endfor %}{% if add_generation_prompt %}{{ '[model]' }}{% endif %}`;

/** Puts the system text in front of the first user turn itself, and takes text or parts: the manner of Gemma 3. */
const joining = `{{ bos_token }}{%- set ns = namespace(prefix='') -%}
{%- if messages[0].role == 'system' -%}
{%- if messages[0].content is string -%}{%- set ns.prefix = messages[0].content + '\n\n' -%}
{%- else -%}{%- set ns.prefix = messages[0].content[0].text + '\n\n' -%}{%- endif -%}
{%- set turns = messages[1:] -%}{%- else -%}{%- set turns = messages -%}{%- endif -%}
{%- for message in turns -%}
[{{ message.role }}]{{ ns.prefix if loop.first else '' }}
{%- if message.content is string -%}{{ message.content | trim }}
{%- elif message.content is iterable -%}{% for item in message.content %}{{ item.text | trim }}{% endfor %}
{%- else -%}{{ raise_exception('Invalid content type') }}{%- endif -%}
[end]{%- endfor -%}{%- if add_generation_prompt -%}[model]{%- endif -%}`;

/** Drops a system message without a word. */
const dropping = "{% for m in messages if m.role != 'system' %}<{{ m.role }}>{{ m.content }}{% endfor %}";

/** Knows contents only as lists of parts, as templates of models that also see do. */
const partsOnly =
  "{% for m in messages %}<{{ m.role }}>{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}{% endfor %}";

const system: ChatMessage = { role: 'system', content: 'Be brief.' };
const hi: ChatMessage = { role: 'user', content: 'Hi' };
const yes: ChatMessage = { role: 'assistant', content: 'Yes?' };

test('SmolLM2: ChatML, with its own system message only when none is given', () => {
  expect(renderChat(smollm2, [system, hi])).toEqual({
    prompt:
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    notes: [],
  });
  expect(renderChat(smollm2, [hi]).prompt).toMatch(
    /^<\|im_start\|>system\nYou are a helpful AI assistant named SmolLM/,
  );
  expect(renderChat(smollm2, [system, hi, yes], { addGenerationPrompt: false }).prompt).toMatch(
    /assistant\nYes\?<\|im_end\|>\n$/,
  );
});

test('every text reaches the prompt, in order', () => {
  const texts = fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(texts, (contents) => {
      const messages = contents.map((content, i): ChatMessage => ({
        role: i % 2 ? 'assistant' : 'user',
        content,
      }));
      const { prompt, notes } = renderChat(smollm2, [system, ...messages]);
      const turns = messages
        .map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`)
        .join('');
      expect(prompt).toBe(`<|im_start|>system\nBe brief.<|im_end|>\n${turns}<|im_start|>assistant\n`);
      expect(notes).toEqual([]);
    }),
  );
});

test('a template that refuses a system role gets it in the first user message, and says so', () => {
  expect(renderChat(refusing, [system, hi, yes, hi], { bos: '<bos>' })).toEqual({
    prompt: '<bos>[user]Be brief.\n\nHi[end][model]Yes?[end][user]Hi[end][model]',
    notes: [expect.stringContaining('takes no system message')],
  });
  expect(renderChat(refusing, [system]).prompt).toBe('[user]Be brief.[end][model]');
  expect(renderChat(refusing, [hi]).notes).toEqual([]);
});

test('a template that drops a system message is not let get away with it', () => {
  expect(renderChat(dropping, [system, hi])).toEqual({
    prompt: '<user>Be brief.\n\nHi',
    notes: [expect.stringContaining('no system')],
  });
});

test('a template that joins the system text itself needs no help', () => {
  expect(renderChat(joining, [system, hi, yes, hi], { bos: '<bos>' })).toEqual({
    prompt: '<bos>[user]Be brief.\n\nHi[end][assistant]Yes?[end][user]Hi[end][model]',
    notes: [],
  });
});

test('a template that wants lists of parts gets them', () => {
  expect(renderChat(partsOnly, [system, hi])).toEqual({ prompt: '<system>Be brief.<user>Hi', notes: [] });
});

test('turns out of order are a clear error, also behind a system message', () => {
  const refusal = { code: 'USAGE', message: expect.stringContaining('Roles must alternate') };
  expect(() => renderChat(refusing, [hi, hi])).toThrow(expect.objectContaining(refusal));
  expect(() => renderChat(refusing, [system, hi, hi])).toThrow(expect.objectContaining(refusal));
});

test('no template is an error; ChatML is one that may be given', () => {
  for (const none of [undefined, '', ' \n']) {
    expect(() => renderChat(none, [hi])).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
    expect(renderChat(CHATML, [hi]).prompt).toBe('<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n');
  }
});

test('a template that cannot be parsed or run is an error of its own', () => {
  expect(() => renderChat('{% for %}', [hi])).toThrow(/cannot be run/);
  expect(() => renderChat('{{ messages | no_such_filter }}', [hi])).toThrow(/cannot be run/);
});

test('a template that leaves out what a user said is noted', () => {
  expect(
    renderChat('{{ messages[-1].content }}', [{ role: 'user', content: 'first' }, yes, hi]).notes,
  ).toEqual([expect.stringContaining('leaves out')]);
});

test('dates come from the caller, variables are passed on, tools are none', () => {
  const source =
    "{{ strftime_now('%d %b %Y, %A %-I %p') }}|{{ enable_thinking }}|{{ tools is none }}{{ messages[0].content }}";
  const now = new Date(2026, 6, 4, 15);
  expect(renderChat(source, [hi], { now, variables: { enable_thinking: false } }).prompt).toBe(
    '04 Jul 2026, Saturday 3 PM|false|trueHi',
  );
});

test('generation marks, as training templates have them, are no hindrance', () => {
  expect(
    renderChat('{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}', [hi])
      .prompt,
  ).toBe('Hi');
});

test('range counts as Jinja’s does, and not without end', () => {
  const source =
    '{{ range(3) }}{{ range(1, 4) }}{{ range(5, 0, -2) }}{{ range(4, 1) }}{{ messages[0].content }}';
  expect(renderChat(source, [hi]).prompt).toBe('[0, 1, 2][1, 2, 3][5, 3, 1][]Hi');
  expect(() => renderChat('{{ range(10000000) }}', [hi])).toThrow(/at most 100000/);
});
