/** `persona models`: fetch models, and see which are here. */

import type { Command } from 'commander';
import { modelsFolder } from '../model/home.ts';
import { modelFileHash } from '../model/identity.ts';
import { listModels } from '../model/list.ts';
import { resolveModel } from '../model/pull.ts';
import { describe } from './kit/help.ts';
import { stepsOf } from './kit/model-options.ts';
import { run, type Session } from './kit/run.ts';
import { table } from './kit/table.ts';
import { bytes } from './kit/text.ts';

export function registerModels(program: Command): void {
  const models = program.command('models').description('fetch models, and see which are here');
  describe(models, 'Start', [
    { does: 'the small default model', line: 'persona models pull' },
    { does: 'what is here', line: 'persona models ls' },
  ]);

  const pull = models
    .command('pull')
    .description('fetch a model; the last line of stdout is the path of its file')
    .argument('[model]', 'name, hf:owner/repo[:quant], or the path of a file to check')
    .option('--offline', 'only look at what is here')
    .action(run(pullModel, { resumes: true }));
  describe(pull, 'Start', [
    { does: 'the small default model', line: 'persona models pull' },
    { does: 'one from the hub, in a quantisation', line: 'persona models pull hf:owner/repo:Q4_K_M' },
    { does: 'use it from a script', line: 'MODEL=$(persona models pull --quiet)' },
  ]);

  const list = models.command('ls').description('list the models that are here').action(run(listed));
  describe(list, 'Start', [
    { does: 'with paths and licences, for programs', line: 'persona models ls --json' },
  ]);
}

async function pullModel(
  session: Session,
  wish: string | undefined,
  options: { offline?: true },
): Promise<void> {
  const steps = stepsOf(session);
  const how = {
    signal: session.signal,
    onNote: (note: string) => session.human(note),
    onProgress: steps.report,
    offline: options.offline,
  };
  const { path, name, source } = await resolveModel(wish, how);
  const sha256 = await modelFileHash(path, how);
  steps.end();
  session.result({ path, name, source, sha256 }, path);
}

async function listed(session: Session): Promise<void> {
  const models = await listModels();
  const rows = models.map(({ name, quantization, bytes: size, source, license }) => [
    name,
    quantization,
    bytes(size),
    source,
    license,
  ]);
  const text =
    models.length === 0
      ? `No models yet in ${modelsFolder()}: persona models pull`
      : table(['model', 'quantisation', 'size', 'source', 'licence'], rows);
  session.result({ models }, text);
}
