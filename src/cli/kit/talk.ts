/** The loop of a conversation: lines in, replies out, commands between. */

import { isPersonaError, PersonaError } from '../../errors.ts';
import type { ChatModel } from '../../model/chat-model.ts';
import type { ChatMessage } from '../../model/template.ts';
import { parseWatch, resolveWatches, type Watch } from '../../monitor/watch.ts';
import { NO_STEERING, resolveSteering, type Steering } from '../../steer/resolve.ts';
import { parseSpec } from '../../steer/spec.ts';
import { answer, steeringText } from './answer.ts';
import { openLines } from './lines.ts';
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
