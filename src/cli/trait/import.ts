/** `persona trait import`: a trait from the two files that the paper's reference code keeps of it. */

import type { Command } from 'commander';
import { importTrait } from '../../trait/import.ts';
import { describe } from '../kit/help.ts';
import { run, type Session } from '../kit/run.ts';
import { checkTarget, saveTrait } from './save.ts';

interface ImportOptions {
  name: string;
  description?: string;
  assistantPos?: string;
  assistantNeg?: string;
  out: string;
}

export function registerImport(trait: Command): void {
  const command = trait
    .command('import')
    .description("join the two files of a trait in the reference code's layout into one of ours")
    .argument('<extract>', 'the .json file with the questions to find the vector with')
    .argument('<eval>', 'the .json file with the questions to judge it with')
    .requiredOption('--name <name>', 'small letters, digits, - and _')
    .option(
      '--description <text>',
      'one sentence on what a model that has the trait does (default: the name)',
    )
    .option('--assistant-pos <adjective>', 'of the assistant that has it (default: the name)')
    .option('--assistant-neg <adjective>', 'of its opposite (default: helpful)')
    .requiredOption('-o, --out <file>', 'where to write it')
    .action(run(imported));
  describe(command, 'Start', [
    {
      does: 'with its adjectives',
      line: 'persona trait import extract/lazy.json eval/lazy.json --name lazy --assistant-neg eager -o lazy.json',
    },
  ]);
}

async function imported(
  session: Session,
  extract: string,
  evaluation: string,
  options: ImportOptions,
): Promise<void> {
  const { name, description, assistantPos: pos, assistantNeg: neg, out } = options;
  checkTarget(name, out);
  await saveTrait(
    session,
    out,
    await importTrait(extract, evaluation, { name, description, assistant: { pos, neg } }),
  );
}
