/** Starts the training process and hands on what it tells. */

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PersonaError, type ErrorCode } from '../errors.ts';
import type { FromTrainer, Job, ToTrainer } from './job.ts';

const workerPath = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url),
);

/** Last words kept of a process that died. Characters. */
const KEPT_LOG = 4000;

export type Told = Exclude<FromTrainer, { type: 'failed' }>;

/**
 * Runs a job and yields what it tells, until it is done. Once `signal` is aborted the step under way is finished and
 * saved, and `done` says so. Leaving the loop early ends the process.
 * @throws PersonaError as the job's own; ENGINE_CRASHED where the process died
 */
export async function* runJob(job: Job, signal?: AbortSignal): AsyncGenerator<Told> {
  const child = fork(workerPath, [], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: [],
    env: { ...process.env, GGML_NO_BACKTRACE: '1' },
  });
  const waiting: FromTrainer[] = [];
  let [log, wake, ended] = ['', () => {}, undefined as string | undefined];
  child.stderr!.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-KEPT_LOG)));
  child.on('message', (message: FromTrainer) => {
    waiting.push(message);
    wake();
  });
  const end = (how: string): void => {
    ended ??= how;
    wake();
  };
  child.on('error', (error) => end(error.message));
  child.on('close', (code, killed) => end(killed ?? `exit ${code}`));
  const send = (message: ToTrainer): void => {
    if (child.connected) child.send(message);
  };
  const stop = (): void => send({ type: 'stop' });
  send({ type: 'job', job });
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop);
  try {
    for (;;) {
      const message = waiting.shift();
      if (message === undefined) {
        if (ended !== undefined) {
          const words = log.trim().split('\n').slice(-3).join('; ');
          throw new PersonaError(
            'ENGINE_CRASHED',
            `the training process died (${ended}): ${words || 'no last words'}`,
            {
              remedy:
                'Run the same command again: it goes on from the last checkpoint. If it dies again, add --pass-tokens 1: one row at a time takes the least memory.',
            },
          );
        }
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      if (message.type === 'failed')
        throw new PersonaError(message.code as ErrorCode, message.message, {
          ...(message.remedy !== undefined && { remedy: message.remedy }),
        });
      yield message;
      if (message.type === 'done') return;
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    child.kill('SIGKILL');
  }
}
