/** The real command in a process group of its own, in a folder of the test's, which can be signalled as it works. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writePlantedModel } from '../tiny/planted-model.ts';
import { plantedTrait } from './planted-trait.ts';
import { type Ended, PERSONA } from './run-cli.ts';

export interface Running {
  child: ChildProcess;
  ended: Promise<Ended>;
}

/** The planted model of the folder, exact and without a crowd of threads. */
export const PLANTED: readonly string[] =
  '--model planted.gguf --threads 1 --parallel 2 --cache-type f32'.split(' ');

/** Options that keep a run on the planted model to seconds, with its steering doses. */
export const SMALL: readonly string[] = [
  ...PLANTED,
  '--max-tokens',
  '20',
  '--coefficients',
  '-0.2,0,0.2',
  '--evidence',
  '0',
];

/** Puts the planted model and its trait into a folder: planted.gguf, planted.json. */
export async function preparePlanted(cwd: string): Promise<void> {
  await writePlantedModel({ path: join(cwd, 'planted.gguf') });
  writeFileSync(join(cwd, 'planted.json'), JSON.stringify(plantedTrait()));
}

export function startPersona(cwd: string, args: readonly string[]): Running {
  const { FORCE_COLOR: _, NO_COLOR: __, ...env } = process.env;
  const child = spawn(process.execPath, [PERSONA, ...args], {
    cwd,
    env: { ...env, PERSONA_HOME: join(cwd, 'home') },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group, as a terminal makes one of each command: Ctrl-C reaches all of it
  });
  const result: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (result.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (result.stderr += text));
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ ...result, code })));
  return { child, ended };
}

export async function persona(cwd: string, ...args: string[]): Promise<Ended> {
  return startPersona(cwd, args).ended;
}

export function lineCount(path: string): number {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
}

/** Waits until a log holds so many lines, or the command is over. */
export async function linesWritten({ child }: Running, path: string, lines: number): Promise<void> {
  while (lineCount(path) < lines && child.exitCode === null && child.signalCode === null) await sleep(2);
}
