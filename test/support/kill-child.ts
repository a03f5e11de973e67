/** Runs a script of test/support in a process of its own and kills it (SIGKILL) after its n-th line of output. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The lines that it wrote until it was gone. */
export async function killAfter(lines: number, script: string, ...args: string[]): Promise<string[]> {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = once(child, 'exit');
  const seen: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    seen.push(line);
    if (seen.length === lines) setTimeout(() => child.kill('SIGKILL'), 2); // in the midst of the next one
  }
  const [, signal] = (await gone) as [number | null, string | null];
  if (signal !== 'SIGKILL') throw new Error(`expected the child to be killed, got signal ${signal}`);
  return seen;
}
