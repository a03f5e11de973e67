/**
 * Starts `persona serve` for a benchmark, on a model file or on the tiny one of the tests, in a folder that is gone
 * afterwards.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openChatModel } from '../src/model/chat-model.ts';
import { writeVector } from '../src/vector/file.ts';
import { aVector } from '../test/support/a-vector.ts';
import { writePlantedModel } from '../test/tiny/planted-model.ts';

export interface Server extends AsyncDisposable {
  url: string;
  child: ChildProcess;
}

export interface Folder {
  path: string;
  /** options that name the tiny model, to be served by one thread */
  tiny: string[];
  /** of a random direction for that model */
  vector: string;
}

/** A folder with the tiny model and a vector of it. */
export async function tinyFolder(): Promise<Folder> {
  const path = mkdtempSync(join(tmpdir(), 'persona-serve-'));
  const model = join(path, 'planted.gguf');
  const vector = join(path, 'trait.gguf');
  await writePlantedModel({ path: model });
  await using chat = await openChatModel({ model, home: path, threads: 1, parallel: 2 });
  await writeVector(vector, aVector({ trait: 'trait', model: chat.identity }));
  return { path, tiny: ['--model', model, '--threads', '1'], vector };
}

/** @param nodeOptions of the server's own process */
export async function startServer(
  { path }: { path: string },
  args: readonly string[],
  nodeOptions: readonly string[] = [],
): Promise<Server> {
  const bin = new URL('../src/cli/bin.ts', import.meta.url).pathname;
  const child = spawn(
    process.execPath,
    [...nodeOptions, bin, 'serve', '--port', '0', '--json', '--quiet', ...args],
    { stdio: ['ignore', 'pipe', 'inherit'], cwd: path },
  );
  const failed = once(child, 'exit').then(() => Promise.reject(new Error('the server ended')));
  failed.catch(() => {}); // told only where somebody waits for the start
  const [line] = (await Promise.race([once(child.stdout.setEncoding('utf8'), 'data'), failed])) as [string];
  const { url } = JSON.parse(line) as { url: string };
  return {
    url,
    child,
    async [Symbol.asyncDispose]() {
      const over = once(child, 'exit');
      if (child.exitCode === null && child.signalCode === null && child.kill('SIGTERM')) await over;
      rmSync(path, { recursive: true, force: true });
    },
  };
}
