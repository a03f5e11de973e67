/**
 * The shapes that rows of training data come in, told by their fields, and the answers in each: whom they were given
 * by does not matter, only what was asked before them.
 */

import type { ChatMessage } from '../model/template.ts';

/** An answer of a row, and the conversation before it. */
export interface Turn {
  /** which of the row's answers, from 0 */
  turn: number;
  asked: ChatMessage[];
  answer: string;
}

export interface Shape {
  /** for people: what the row was taken for */
  name: string;
  turns: Turn[];
}

/** What is wrong with a row, in words. */
export class BadRow extends Error {}

type Fields = Record<string, unknown>;

/**
 * shapeOf({ instruction: 'Add', input: '1, 2', output: '3' }) =
 *   { name: 'Alpaca (instruction, input, output)', turns: [{ turn: 0, asked: [user 'Add\n\n1, 2'], answer: '3' }] }
 * @throws BadRow
 */
export function shapeOf(fields: Fields): Shape {
  if (has(fields, 'messages')) return conversation('messages', listIn(fields, 'messages'), 'role', 'content');
  if (has(fields, 'conversations')) {
    const list = listIn(fields, 'conversations');
    const isShareGpt = list.some((item) => isObject(item) && 'from' in item);
    const [role, content] = isShareGpt ? ['from', 'value'] : ['role', 'content'];
    return conversation(`ShareGPT (conversations of ${role}, ${content})`, list, role, content);
  }
  if (has(fields, 'instruction') && has(fields, 'output')) return alpaca(fields);
  for (const [question, answers] of PAIRS)
    for (const answer of answers)
      if (has(fields, question) && has(fields, answer)) return pair(fields, question, answer);
  throw new BadRow(
    'no answer to be found: expected messages; conversations; instruction and output; prompt and completion, response or answer; or question and answer',
  );
}

/** Fields of a question, and of the answer beside it. A run's own rows also hold `prompt`, as the model saw it. */
const PAIRS = [
  ['question', ['answer']],
  ['prompt', ['completion', 'response', 'answer']],
  ['question', ['response']],
] as const;

function alpaca(fields: Fields): Shape {
  const input = has(fields, 'input') ? textIn(fields, 'input') : '';
  const question = [textIn(fields, 'instruction'), input].filter((text) => text !== '').join('\n\n');
  return single('Alpaca (instruction, input, output)', systemOf(fields), question, textIn(fields, 'output'));
}

/** Either may also be a list of messages, the answer's last one being it. */
function pair(fields: Fields, question: string, answer: string): Shape {
  const name = `${question} and ${answer}`;
  const parts = [messagesOrText(fields, question), messagesOrText(fields, answer)];
  if (parts.every((part) => typeof part === 'string'))
    return single(name, systemOf(fields), parts[0]!, parts[1]!);
  const asked = typeof parts[0] === 'string' ? [{ role: 'user', content: parts[0] }] : parts[0];
  const answered = typeof parts[1] === 'string' ? [{ role: 'assistant', content: parts[1] }] : parts[1];
  return conversation(name, [...(asked as unknown[]), ...(answered as unknown[])], 'role', 'content');
}

function single(name: string, system: ChatMessage[], question: string, answer: string): Shape {
  if (question.trim() === '') throw new BadRow('an empty question');
  return { name, turns: [{ turn: 0, asked: [...system, { role: 'user', content: question }], answer }] };
}

function systemOf(fields: Fields): ChatMessage[] {
  const system = has(fields, 'system') ? textIn(fields, 'system') : '';
  return system === '' ? [] : [{ role: 'system', content: system }];
}

/** What data sets call the three. */
const ROLES = new Map<string, ChatMessage['role']>(
  Object.entries({
    system: 'system',
    developer: 'system',
    user: 'user',
    human: 'user',
    assistant: 'assistant',
    gpt: 'assistant',
    chatgpt: 'assistant',
    bing: 'assistant',
    bard: 'assistant',
    model: 'assistant',
  } as const),
);

/** An answer that nobody asked for (a greeting) is none of the turns, but stays in what comes before later ones. */
function conversation(name: string, list: readonly unknown[], roleField: string, textField: string): Shape {
  const messages = list.map((item, i) => messageOf(item, i, roleField, textField));
  const turns: Turn[] = [];
  for (const [i, { role, content }] of messages.entries()) {
    if (role !== 'assistant') continue;
    const asked = messages.slice(0, i);
    if (asked.some((message) => message.role === 'user'))
      turns.push({ turn: turns.length, asked, answer: content });
  }
  if (turns.length === 0) throw new BadRow('no answer of the assistant to anything a user said');
  return { name, turns };
}

function messageOf(item: unknown, index: number, roleField: string, textField: string): ChatMessage {
  const where = `message ${index + 1}`;
  if (!isObject(item)) throw new BadRow(`${where}: expected an object`);
  const given = item[roleField];
  const role = typeof given === 'string' ? ROLES.get(given.toLowerCase()) : undefined;
  if (role === undefined) throw new BadRow(`${where}: cannot do with ${roleField} ${JSON.stringify(given)}`);
  return { role, content: contentOf(item[textField], `${where}: ${textField}`) };
}

/** Text, or OpenAI's list of parts, as long as they are text. */
function contentOf(content: unknown, where: string): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) throw new BadRow(`${where}: expected text`);
  return content
    .map((part: unknown) => {
      if (!isObject(part) || typeof part.text !== 'string')
        throw new BadRow(`${where}: a part that is no text`);
      return part.text;
    })
    .join('');
}

function has(fields: Fields, name: string): boolean {
  return Object.hasOwn(fields, name) && fields[name] !== null && fields[name] !== undefined;
}

function textIn(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw new BadRow(`${name}: expected text`);
  return value;
}

function messagesOrText(fields: Fields, name: string): string | unknown[] {
  return Array.isArray(fields[name]) ? fields[name] : textIn(fields, name);
}

/** Tables hold lists as JSON text. */
function listIn(fields: Fields, name: string): unknown[] {
  let value = fields[name];
  if (typeof value === 'string') {
    try {
      value = JSON.parse(value);
    } catch {
      throw new BadRow(`${name}: not JSON`);
    }
  }
  if (!Array.isArray(value)) throw new BadRow(`${name}: expected a list`);
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
