/** Runs a verb: gives it its output and a signal to stop, and turns what it throws into words and an exit code. */

import { type Command, CommanderError } from 'commander';
import { inspect } from 'node:util';
import { isPersonaError, PersonaError } from '../../errors.ts';
import { jsonText, openOutput, type Output, type OutputSettings } from './output.ts';

export const DONE = 0;
/** thrown errors; also returned by a verb whose result is itself that something is wrong */
export const FAILED = 1;
export const WRONG_USAGE = 2;
/** returned by a verb whose user set a gate that was not met */
export const GATE_NOT_MET = 100;
export const STOPPED = 130; // as shells say it: 128 + SIGINT

/** What a verb works with. */
export interface Session extends Output {
  /** Aborts at the first Ctrl-C (or SIGTERM): keep what is done, then throw `signal.reason`, or return if all is well. */
  signal: AbortSignal;
}

export interface RunOptions {
  /** Whether the same command goes on where it was stopped. @default false */
  resumes?: boolean;
}

/**
 * A commander action of a verb: `.action(run(async (session, trait: string, options: Options) => { … }))`.
 * The verb gets the arguments that commander gives, without the command itself.
 */
export function run<A extends unknown[]>(
  verb: (session: Session, ...args: A) => Promise<void | typeof GATE_NOT_MET | typeof FAILED>,
  options: RunOptions = {},
): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const command = args.pop() as Command;
    const output = openOutput(globalOptions(command));
    const stop = new AbortController();
    const release = stopOnSignals(stop, options.resumes ?? false);
    try {
      const code = await verb({ ...output, signal: stop.signal }, ...(args as A));
      process.exitCode = code ?? DONE;
    } catch (error) {
      throw stop.signal.aborted && isBareAbort(error) ? stop.signal.reason : error;
    } finally {
      release();
      output.close();
    }
  };
}

/** A flag that was not given is absent in commander's options; colours are there unless --no-color. */
function globalOptions(command: Command): OutputSettings {
  const {
    json = false,
    quiet = false,
    verbose = false,
    color = true,
  } = command.optsWithGlobals<Partial<OutputSettings>>();
  return { json, quiet, verbose, color };
}

/** The first signal asks, the second one does not. */
function stopOnSignals(stop: AbortController, resumes: boolean): () => void {
  const remedy = resumes ? 'What was done is kept: run the same command again to go on.' : undefined;
  function onSignal(): void {
    if (stop.signal.aborted) process.exit(STOPPED);
    process.stderr.write('\nStopping. Press Ctrl-C again to quit at once.\n');
    stop.abort(new PersonaError('ABORTED', 'stopped', remedy === undefined ? {} : { remedy }));
  }
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return () => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
}

/** An abort that does not say how to go on: ours, from deep below, or that of Node's timers and streams. */
function isBareAbort(error: unknown): boolean {
  if (isPersonaError(error)) return error.code === 'ABORTED' && error.remedy === undefined;
  return error instanceof Error && error.name === 'AbortError';
}

/** Says what went wrong: on stderr in words, with --json as one document on stdout. Returns the exit code. */
export function tellError(error: unknown, settings: { json: boolean; verbose: boolean }): number {
  if (error instanceof CommanderError && error.exitCode === 0) return DONE; // help or version was asked for
  if (error instanceof CommanderError && error.code === 'commander.help') return WRONG_USAGE; // and help was shown
  const { code, message, remedy } = plainError(error);
  if (settings.json) process.stdout.write(`${jsonText({ error: { code, message, remedy } })}\n`);
  process.stderr.write(`error: ${message}\n${remedy === undefined ? '' : `  ${remedy}\n`}`);
  if (settings.verbose || process.env.DEBUG) process.stderr.write(`${inspect(error)}\n`);
  return code === 'USAGE' ? WRONG_USAGE : code === 'ABORTED' ? STOPPED : FAILED;
}

interface PlainError {
  code: string;
  message: string;
  remedy: string | undefined;
}

function plainError(error: unknown): PlainError {
  if (isPersonaError(error)) return { code: error.code, message: error.message, remedy: error.remedy };
  if (error instanceof CommanderError) {
    const [message = '', ...hint] = error.message.replace(/^error: /, '').split('\n');
    return { code: 'USAGE', message, remedy: hint.join(' ') || undefined };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'INTERNAL', message, remedy: 'Run the command with --verbose for more.' };
}
