/** The training process: takes one job, tells what comes of it, and ends. */

import { isPersonaError } from '../errors.ts';
import type { FromTrainer, Job, ToTrainer } from './job.ts';
import { trainLoop } from './loop.ts';

let stopping = false;
/** What was told last must have left the process before it ends. */
let told: Promise<void> = Promise.resolve();

function tell(message: FromTrainer): void {
  told = new Promise((resolve) => process.send!(message, undefined, undefined, () => resolve()));
}

process.on('message', (message: ToTrainer) => {
  if (message.type === 'stop') stopping = true;
  else void work(message.job);
});

async function work(job: Job): Promise<void> {
  try {
    await trainLoop(job, tell, () => stopping);
  } catch (error) {
    const known = isPersonaError(error) ? error : undefined;
    tell({
      type: 'failed',
      code: known?.code ?? 'ENGINE_FAILED',
      message: error instanceof Error ? error.message : String(error),
      ...(known?.remedy !== undefined && { remedy: known.remedy }),
    });
  }
  await told;
  process.disconnect();
}
// whoever started it is gone: what is saved is saved
process.on('disconnect', () => process.exit());
// Ctrl-C reaches the whole group; who started it decides
process.on('SIGINT', () => {});
