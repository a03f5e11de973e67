/** Runs a command line in a process of its own, as a user's shell would. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export const FIXTURE: string = fileURLToPath(new URL('./persona-fixture.ts', import.meta.url));
export const PERSONA: string = fileURLToPath(new URL('../../src/cli/bin.ts', import.meta.url));

/** `during` gets the process as soon as it wrote its first words to stdout; `input` is all of its standard input. */
export async function runCli(
  script: string,
  args: readonly string[],
  during?: (child: ChildProcessWithoutNullStreams) => unknown,
  input?: string,
): Promise<Ended> {
  const { FORCE_COLOR: _, NO_COLOR: __, ...env } = process.env;
  const child = spawn(process.execPath, [script, ...args], { env });
  const ended: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (ended.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (ended.stderr += text));
  if (input !== undefined) child.stdin.end(input);
  if (during !== undefined) child.stdout.once('data', () => during(child));
  [ended.code] = (await once(child, 'close')) as [number | null];
  return ended;
}
