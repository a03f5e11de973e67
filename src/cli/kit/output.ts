/**
 * Where a command speaks. Programs read stdout: with --json exactly one JSON document, else the result as text. People
 * read stderr: words, progress, logs; a progress line there stays below everything else that is printed.
 */

import { type ColorDepth, colorDepth } from './color.ts';
import {
  type Progress,
  progressLine,
  type ProgressLine,
  type ProgressOptions,
  type Screen,
} from './progress.ts';

export interface OutputSettings {
  json: boolean;
  quiet: boolean;
  verbose: boolean;
  color: boolean;
}

export interface Output extends OutputSettings {
  /** of stdout and of stderr */
  colors: { result: ColorDepth; human: ColorDepth };
  /** Words for people. Nothing with --quiet. */
  human(text: string): void;
  /** What helps to understand a failure. Only with --verbose. */
  detail(text: string): void;
  /** The result: `value` as JSON with --json, else `text`, where there is one. Once a command. A document that people
   *  go on to edit is `indent`ed also in a file. */
  result(value: unknown, text?: string, indent?: number): void;
  /** One line of a result that is a stream of JSON lines, whatever --json says. */
  row(value: unknown): void;
  /** A part of a text that is written as it comes (generated tokens); ends open progress lines. Nothing with --json. */
  stream(text: string): void;
  /** Shown also with --json; nothing with --quiet. */
  progress(options: ProgressOptions): Progress;
  /** Ends progress lines that are still open. */
  close(): void;
}

export function openOutput(
  settings: OutputSettings,
  stdout: Screen = process.stdout,
  stderr: Screen = process.stderr,
): Output {
  const { json, quiet, verbose, color } = settings;
  const lines: ProgressLine[] = []; // the last one is on the screen
  let told = false;

  function above(screen: Screen, text: string): void {
    const line = stderr.isTTY ? lines.at(-1) : undefined;
    line?.clear();
    screen.write(text);
    line?.draw();
  }
  function result(value: unknown, text?: string, indent = stdout.isTTY ? 2 : 0): void {
    if (told) throw new Error('a command has one result');
    told = true;
    if (json) above(stdout, `${jsonText(value, indent)}\n`);
    else if (text !== undefined) above(stdout, `${text}\n`);
  }
  function progress(options: ProgressOptions): Progress {
    const screen = quiet ? { write: () => {} } : stderr;
    lines.at(-1)?.clear();
    const line = progressLine(options, screen, () => lines.splice(lines.indexOf(line), 1));
    lines.push(line);
    return line;
  }
  function stream(text: string): void {
    if (json) return;
    close(); // a redrawn line would wipe out the text before it
    stdout.write(text);
  }
  function close(): void {
    for (const line of lines.toReversed()) line.stop();
  }
  return {
    ...settings,
    colors: { result: colorDepth(stdout, color), human: colorDepth(stderr, color) },
    human: (text) => (quiet ? undefined : above(stderr, `${text}\n`)),
    detail: (text) => (verbose ? above(stderr, `${text}\n`) : undefined),
    result,
    row: (value) => above(stdout, `${jsonText(value)}\n`),
    stream,
    progress,
    close,
  };
}

/** JSON in which typed arrays are lists. jsonText({ a: Float32Array.of(1) }) = '{"a":[1]}' */
export function jsonText(value: unknown, indent = 0): string {
  return JSON.stringify(
    value,
    (_, item: unknown) => (ArrayBuffer.isView(item) ? Array.from(item as Float32Array) : item),
    indent,
  );
}

/** `persona … | head` ends without a word when head has read enough. */
export function endOnClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error; // nobody listens: the work goes on
  });
}
