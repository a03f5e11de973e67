/** The loop of a conversation: lines in, replies out, commands between. */

import { createInterface, type Interface } from 'node:readline';
import { Writable } from 'node:stream';
import { isPersonaError, PersonaError } from '../../errors.ts';
import type { ChatModel } from '../../model/chat-model.ts';
import type { ChatMessage } from '../../model/template.ts';
import { parseWatch, resolveWatches, type Watch } from '../../monitor/watch.ts';
import { NO_STEERING, resolveSteering, type Steering } from '../../steer/resolve.ts';
import { parseSpec } from '../../steer/spec.ts';
import { answer, steeringText } from './answer.ts';
import type { Session } from './run.ts';
import { nextSeed, type SamplingOptions, samplingRequest } from './sampling-options.ts';
import type { SteeringPlan } from './steering-options.ts';
import { streamTo } from './stream.ts';

export const COMMANDS = `  /steer SPEC …    steer this way from now on; /steer off: not at all; /steer: how it is
  /watch VECTOR …  watch these traits; /watch off: none; /watch: which
  /system TEXT     begin anew with this system message; /system off: without one
  /reset           begin anew
  /help            this
  /quit            end; so does Ctrl-D, and Ctrl-C on an empty line
Ctrl-C during a reply ends the reply only.
`;

export interface Talk {
  model: ChatModel;
  plan: SteeringPlan;
  steering: Steering;
  watches: readonly Watch[];
  system: string | undefined;
  sampling: SamplingOptions;
  seed: number;
}

/** What a person types on and reads. */
export interface Terminal {
  input: NodeJS.ReadableStream & { isTTY?: boolean };
  output: NodeJS.WritableStream & { isTTY?: boolean };
}

const PROMPT = '> ';

/** @param given where the conversation begins; it is not changed */
export async function talk(
  session: Session,
  given: Talk,
  { input, output }: Terminal = { input: process.stdin, output: process.stdout },
): Promise<void> {
  const state = { ...given, history: [] as ChatMessage[], turn: 0, legendOf: undefined as Watch | undefined };
  const interactive = input.isTTY === true && output.isTTY === true;
  const lines = openLines(input, interactive ? output : undefined, session.signal);
  if (interactive) session.human('Talk; /help lists commands, Ctrl-D ends.');

  try {
    for (;;) {
      const line = await lines.next();
      if (line === undefined) return;
      const text = line.trim();
      if (text === '') continue;
      if (text === '/quit' || text === '/exit') return;
      try {
        if (text.startsWith('/')) await obey(text);
        else await reply(text);
      } catch (error) {
        // a slip, or a full context, ends neither the conversation nor the loop
        if (session.signal.aborted || !interactive || !isPersonaError(error)) throw error;
        session.human(`${error.message}${error.remedy === undefined ? '' : `\n  ${error.remedy}`}`);
      }
    }
  } finally {
    lines.close();
  }

  async function reply(text: string): Promise<void> {
    const { model, watches, steering, system, history } = state;
    const messages: ChatMessage[] = [
      ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
      ...history,
      { role: 'user', content: text },
    ];
    const stop = new AbortController();
    const shown = streamTo(session, watches, steering, { legend: state.legendOf !== watches[0] });
    state.legendOf = watches[0];
    let said = '';
    lines.interrupt = () => stop.abort(new PersonaError('ABORTED', 'the reply was stopped'));
    try {
      const seed = nextSeed(state.seed, state.turn++);
      const request = { prompt: model.render(messages), ...samplingRequest(state.sampling, seed) };
      const answered = await answer(model, request, steering, watches, {
        signal: AbortSignal.any([session.signal, stop.signal]),
        onEvents: (events) => {
          said += events.map((event) => event.text).join('');
          shown.events(events);
        },
      });
      shown.end(answered);
      said = answered.text;
      if (session.json) session.row({ ...answered, seed });
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      session.stream('\n');
      session.human('(stopped)');
    } finally {
      lines.interrupt = undefined;
    }
    history.push({ role: 'user', content: text }, { role: 'assistant', content: said });
  }

  async function obey(text: string): Promise<void> {
    const [command = '', rest = ''] = text.split(/\s+(.*)/s);
    const { model, plan } = state;
    switch (command) {
      case '/steer': {
        if (rest === 'off') state.steering = NO_STEERING;
        else if (rest !== '') {
          const specs = words(rest).map((word) => parseSpec(word));
          state.steering = await resolveSteering(specs, plan.find, model.identity);
          for (const note of state.steering.notes) session.human(note);
        }
        session.human(`steering: ${steeringText({ steering: state.steering.applied }) || 'off'}`);
        return;
      }
      case '/watch': {
        if (rest === 'off') state.watches = [];
        else if (rest !== '') {
          const specs = words(rest).map((word) => parseWatch(word));
          const { watches, notes } = await resolveWatches(specs, plan.find, model.identity);
          state.watches = watches;
          for (const note of notes) session.human(note);
        }
        const names = state.watches.map(({ name, layer }) => `${name} at layer ${layer}`);
        session.human(`watching: ${names.join(', ') || 'nothing'}`);
        return;
      }
      case '/system':
        if (rest === '') {
          session.human(`system message: ${state.system ?? 'none'}`);
          return;
        }
        state.system = rest === 'off' ? undefined : rest;
        state.history = [];
        session.human('A new conversation.');
        return;
      case '/reset':
        state.history = [];
        session.human('A new conversation.');
        return;
      case '/help':
        session.human(COMMANDS);
        return;
      default:
        throw new PersonaError('USAGE', `there is no command ${command}`, {
          remedy: 'Write /help for those there are.',
        });
    }
  }
}

/** Words between spaces; a path with spaces stands in double quotes. words('a "b c"=2') = ['a', 'b c=2'] */
function words(text: string): string[] {
  return (text.match(/(?:"[^"]*"|[^\s"])+/g) ?? []).map((word) => word.replaceAll('"', ''));
}

interface Lines {
  /** undefined when there are no more */
  next(): Promise<string | undefined>;
  /** what Ctrl-C does now; absent: it ends the lines */
  interrupt: (() => void) | undefined;
  close(): void;
}

/** Lines as they are typed; those typed during a reply wait, and are not shown in the midst of it. */
function openLines(
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream | undefined,
  signal: AbortSignal,
): Lines {
  const waiting: string[] = [];
  let ended = false;
  let asking: (() => void) | undefined;
  const shown = output && whileAsking(output, () => asking !== undefined);
  const reader: Interface = createInterface({
    input,
    terminal: shown !== undefined,
    prompt: shown === undefined ? '' : PROMPT,
    ...(shown && { output: shown }),
  });

  reader.on('line', (line) => {
    waiting.push(line);
    asking?.();
  });
  reader.on('close', () => {
    ended = true;
    output?.write('\n');
    asking?.();
  });
  reader.on('SIGINT', () => {
    if (lines.interrupt) lines.interrupt();
    else if (reader.line === '') reader.close();
    else {
      reader.write(null, { ctrl: true, name: 'e' }); // to the end of what is typed,
      reader.write(null, { ctrl: true, name: 'u' }); // and all before it away
    }
  });
  const stop = (): void => reader.close();
  signal.addEventListener('abort', stop, { once: true });

  const lines: Lines = {
    interrupt: undefined,
    async next() {
      if (waiting.length === 0 && !ended) {
        await new Promise<void>((resolve) => {
          asking = resolve;
          if (shown !== undefined) reader.prompt(true);
        });
        asking = undefined;
      }
      signal.throwIfAborted();
      return waiting.shift();
    },
    close() {
      signal.removeEventListener('abort', stop);
      reader.close();
    },
  };
  return lines;
}

/** The terminal, but only while a line is asked for: otherwise what is typed would mix with the reply. */
function whileAsking(output: NodeJS.WritableStream, asking: () => boolean): NodeJS.WritableStream {
  const gate = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (asking()) output.write(chunk);
      done();
    },
  });
  return Object.assign(gate, { columns: (output as { columns?: number }).columns ?? 80 });
}
