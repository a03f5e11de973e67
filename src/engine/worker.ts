/**
 * The engine process: one model, one loop. Decoding is synchronous and fills the process; between two steps it reads
 * its messages, so requests join, leave and are aborted at step boundaries.
 */

import { isPersonaError } from '../errors.ts';
import { openNative, type Native } from './ffi.ts';
import { GraphTap } from './graph-tap.ts';
import { NativeModel } from './native-model.ts';
import { FAULTS_VARIABLE, type FromEngine, type ToEngine } from './protocol.ts';
import { Scheduler } from './scheduler.ts';

/** llama.cpp's levels: 2 info, 3 warning, 4 error, 5 continuation of the line before. */
const LOG_ERROR = 4;
/**
 * Between two messages of events, ms. Each wakes the host, which takes a core from the threads that compute: a token a
 * message cost 4 % of decoding on two cores. Nobody reads faster than this. The host's work grows with the requests
 * that it is told of (a tenth of a millisecond each, most of it in sockets), so the wait does too, up to a bound at
 * which text still seems to flow.
 */
const TELL_MS = { least: 25, each: 4, most: 64 };
/** Native error lines kept for messages. */
const KEPT_LINES = 5;

let native: Native | undefined;
let tap: GraphTap | undefined;
let model: NativeModel | undefined;
let scheduler: Scheduler | undefined;
let running = false;
let told = 0; // when events were sent last
let urgent = false; // somebody waits for a sign of life, or decides by each token
/** by request: what is told of several steps at once is one piece for whoever reads it */
const events = new Map<number, Extract<FromEngine, { type: 'events' }>['batches'][number]>();
const lastErrors: string[] = [];

function send(message: FromEngine): void {
  process.send?.(message);
}

function fail(id: number | undefined, error: unknown): void {
  const code = isPersonaError(error) ? error.code : 'ENGINE_FAILED';
  const remedy = isPersonaError(error) ? error.remedy : undefined;
  send({ type: 'failed', id, code, message: error instanceof Error ? error.message : String(error), remedy });
}

function load(options: Extract<ToEngine, { type: 'load' }>['options']): void {
  native = openNative((text, level) => {
    if (level !== LOG_ERROR) return;
    lastErrors.push(text.trim());
    if (lastErrors.length > KEPT_LINES) lastErrors.shift();
    process.stderr.write(text); // kept by the host: the last words when the process aborts
  });
  tap = new GraphTap();
  model = new NativeModel(options, tap.callback, {
    last: () => lastErrors.join('; ') || 'no reason given',
    progress: (fraction) => send({ type: 'progress', fraction }),
  });
  tap.attach(model);
  scheduler = new Scheduler(model, tap);
  send({ type: 'loaded', info: model.info });
}

function loop(): void {
  scheduler!.step();
  if (urgent || !scheduler!.busy || performance.now() - told >= tellAfter(events.size)) tell();
  if (scheduler!.busy) setImmediate(loop);
  else running = false;
}

/** ms after the last message, with events of so many requests */
function tellAfter(requests: number): number {
  return Math.min(Math.max(TELL_MS.least, TELL_MS.each * requests), TELL_MS.most);
}

/** Sends the events there are. */
function tell(): void {
  if (events.size > 0) send({ type: 'events', batches: [...events.values()] });
  events.clear();
  urgent = false;
  told = performance.now();
}

function receive(message: ToEngine): void {
  switch (message.type) {
    case 'load':
      return load(message.options);
    case 'submit': {
      const { id } = message;
      scheduler!.submit(id, message.request, {
        onEvents(batch, prompt) {
          urgent ||= message.request.tellAtOnce === true || batch[0]?.index === 0;
          const untold = events.get(id);
          if (untold) untold.events.push(...batch);
          else events.set(id, { id, events: batch, prompt }); // the prompt's come before any token's
        },
        onDone: (result) => {
          // events of the same step come first
          tell();
          send({ type: 'result', id, result });
        },
        onError: (error) => fail(id, error),
      });
      if (!running) {
        running = true;
        setImmediate(loop);
      }
      return;
    }
    case 'edit':
      return scheduler!.addEdits(message.id, message.edits);
    case 'abort':
      return scheduler!.abort(message.id);
    case 'tokenize':
      return send({
        type: 'tokens',
        id: message.id,
        tokens: model!.tokenize(message.text, message.parseSpecial),
      });
    case 'detokenize': {
      model!.checkTokens('tokens', message.tokens);
      const bytes = message.tokens.map((token) => Buffer.from(model!.pieceBytes(token, true)));
      const text = Buffer.concat(bytes).toString();
      return send({ type: 'text', id: message.id, text, pieces: bytes.map((piece) => piece.toString()) });
    }
    case 'control_vector': {
      model!.setControlVector(message.data, message.firstLayer, message.lastLayer);
      tap!.forget(); // the graph gets other nodes
      scheduler!.forgetPrefixes();
      return send({ type: 'done', id: message.id });
    }
    case 'memory':
      return send({ type: 'memory', id: message.id, residentBytes: process.memoryUsage.rss() });
    case 'fault':
      if (!process.env[FAULTS_VARIABLE]) return;
      if (message.fault === 'native_abort') native!.ggml_abort('worker.ts', 0, 'asked to abort');
      tap!.writes = false;
      return;
  }
}

process.on('message', (message: ToEngine) => {
  try {
    receive(message);
  } catch (error) {
    fail('id' in message ? message.id : undefined, error);
    if (message.type === 'load') process.disconnect();
  }
});
// The host is gone: nobody wants the rest.
process.on('disconnect', () => process.exit(0));
// Ctrl-C goes to the whole group; the host decides what ends.
process.on('SIGINT', () => {});
