/**
 * From messages to the text that a chat model was trained on, by the template in its own file (Jinja).
 *
 * The text may begin with the model's BOS token and holds other special tokens by name: whoever tokenises it parses
 * special tokens and adds none. A system message always reaches the model: a template that refuses or drops it gets
 * it in front of the first user message, and a note says so.
 */

import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { PersonaError } from '../errors.ts';
import { strftime } from './strftime.ts';

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface RenderOptions {
  /** Text of the beginning-of-sequence token, which some templates write. @default '' */
  bos?: string;
  /** @default '' */
  eos?: string;
  /** End with the head of an assistant's turn, for the model to go on from. @default true */
  addGenerationPrompt?: boolean;
  /** More for the template, e.g. `{ enable_thinking: false }`. */
  variables?: Record<string, unknown>;
  /** Today, for templates that write the date. @default the present */
  now?: Date;
}

export interface RenderedChat {
  prompt: string;
  /** What was done to the messages that a reader would not expect. */
  notes: string[];
}

/** Turns between `<|im_start|>` and `<|im_end|>`, for models that bring no template. */
export const CHATML: string =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const joinNote = 'the chat template takes no system message: it was put in front of the first user message';

/** A run renders one template thousands of times; two or three models are the most that are used together. */
const maxCompiled = 16;
const compiled = new Map<string, Program>();

/** A template comes out of a file: it may loop over a long chat, not without end. */
const maxRange = 100_000;

type Program = ReturnType<typeof parse>;

/** What a template is given: contents as text, or as the list of parts that templates for several media expect. */
type TemplateMessage = { role: string; content: string | { type: 'text'; text: string }[] };

/**
 * @param template the file's `tokenizer.chat_template`
 * @throws PersonaError UNSUPPORTED without a template, or with one that cannot be run; USAGE when it refuses the messages
 */
export function renderChat(
  template: string | undefined,
  messages: readonly ChatMessage[],
  options: RenderOptions = {},
): RenderedChat {
  const program = compile(templateOf(template));
  const joined = joinSystem(messages);
  const forms: { messages: readonly ChatMessage[]; parts: boolean }[] = [
    { messages, parts: false },
    ...(joined ? [{ messages: joined, parts: false }] : []),
    { messages, parts: true },
    ...(joined ? [{ messages: joined, parts: true }] : []),
  ];
  let incomplete: string | undefined;
  let failure: unknown;
  for (const form of forms) {
    try {
      const prompt = render(program, form.parts ? form.messages.map(asParts) : form.messages, options);
      if (holdsAll(prompt, form.messages))
        return { prompt, notes: form.messages === joined ? [joinNote] : [] };
      incomplete ??= prompt;
    } catch (error) {
      if (!form.parts) failure = error; // the last plain form's refusal is about the messages themselves
    }
  }
  if (incomplete === undefined) throw explain(failure);
  return { prompt: incomplete, notes: ['the chat template leaves out or rewrites some of the messages'] };
}

/** As Jinja spells them, and as Python does. */
const constants = { true: true, false: false, none: null, True: true, False: false, None: null };

/** A template's own `raise_exception`, apart from errors of the interpreter. */
class Refusal extends Error {}

function render(program: Program, messages: readonly TemplateMessage[], options: RenderOptions): string {
  const { bos = '', eos = '', addGenerationPrompt = true, now = new Date(), variables } = options;
  const scope = new Environment();
  const given: Record<string, unknown> = {
    ...constants,
    range,
    tools: null, // templates ask whether these are none, not whether they are defined
    documents: null,
    ...variables,
    messages,
    bos_token: bos,
    eos_token: eos,
    add_generation_prompt: addGenerationPrompt,
    strftime_now: (format: string) => strftime(format, now),
    raise_exception: (message: string) => {
      throw new Refusal(message);
    },
  };
  for (const [name, value] of Object.entries(given)) scope.set(name, value);
  return String(new Interpreter(scope).run(program).value);
}

/** Jinja's: `range(stop)` or `range(start, stop, step)`. */
function range(first: number, second?: number | null, step: number | null = 1): number[] {
  const [start, stop] = second == null ? [0, first] : [first, second];
  const length = Math.max(0, Math.ceil((stop - start) / (step ?? 1)));
  if (!(length <= maxRange)) throw new Error(`range of ${length} numbers, expected at most ${maxRange}`);
  return Array.from({ length }, (_, i) => start + i * (step ?? 1));
}

function compile(template: string): Program {
  const known = compiled.get(template);
  if (known) return known;
  let program: Program;
  try {
    program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
  } catch (error) {
    throw explain(error);
  }
  if (compiled.size >= maxCompiled) compiled.delete(compiled.keys().next().value!);
  compiled.set(template, program);
  return program;
}

function templateOf(template: string | undefined): string {
  if (template?.trim()) return template;
  throw new PersonaError('UNSUPPORTED', 'this model file has no chat template: it may be a base model', {
    remedy:
      'Use an instruction-tuned model, or say how it is to be talked to: --chat-template chatml, or a file.',
  });
}

/** The leading system text, a blank line, the first user text. @returns undefined without a leading system message */
function joinSystem(messages: readonly ChatMessage[]): ChatMessage[] | undefined {
  const [first, ...rest] = messages;
  if (first?.role !== 'system') return undefined;
  const at = rest.findIndex(({ role }) => role === 'user');
  if (at < 0) return [{ role: 'user', content: first.content }, ...rest];
  return rest.map((message, i) =>
    i === at ? { ...message, content: `${first.content}\n\n${message.content}` } : message,
  );
}

function asParts({ role, content }: ChatMessage): TemplateMessage {
  return { role, content: [{ type: 'text', text: content }] };
}

/** Earlier answers may be shortened rightly (a model's thoughts); what people say may not. */
function holdsAll(prompt: string, messages: readonly ChatMessage[]): boolean {
  return messages.every(({ role, content }) => role === 'assistant' || prompt.includes(content.trim()));
}

function explain(error: unknown): PersonaError {
  const { message } = error as Error;
  if (error instanceof Refusal) {
    return new PersonaError('USAGE', `the model's chat template refuses these messages: ${message}`, {
      remedy: 'Send one optional system message, then user and assistant in turn, the user first.',
      cause: error,
    });
  }
  return new PersonaError('UNSUPPORTED', `the model's chat template cannot be run: ${message}`, {
    remedy: 'Report it with the model’s name; meanwhile give prompts as rendered text.',
    cause: error,
  });
}
