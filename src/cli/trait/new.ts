/** `persona trait new`: has a language model write the texts of a trait. */

import type { Command } from 'commander';
import { PersonaError } from '../../errors.ts';
import { openOpenAiClient } from '../../model/openai-client.ts';
import { openAiWriter } from '../../trait/openai-writer.ts';
import { writeTrait } from '../../trait/write.ts';
import type { TraitBrief } from '../../trait/write-prompts.ts';
import { ggufWriter, type TraitWriter } from '../../trait/writer.ts';
import { describe } from '../kit/help.ts';
import { addEngineOptions, type ModelOptions, openModel, stepsOf } from '../kit/model-options.ts';
import { run, type Session } from '../kit/run.ts';
import { checkTarget, saveTrait } from './save.ts';

interface NewOptions extends Omit<ModelOptions, 'model'> {
  description: string;
  writer: string;
  out?: string;
  questionGuidance?: string;
}

/** Room for forty questions as seen and ten new ones. */
const CONTEXT = 4096;

export function registerNew(trait: Command): void {
  const command = trait
    .command('new')
    .description('have a language model write a trait: instructions, questions, rubric, graded steps')
    .argument('<name>', 'small letters, digits, - and _')
    .requiredOption('--description <text>', 'one sentence on what a model that has the trait does')
    .requiredOption('--writer <model>', 'openai:MODEL, or gguf:MODEL (a path, name or hf:…; a capable one)')
    .option('-o, --out <file>', 'where to write it (default: NAME.json)')
    .option('--question-guidance <text>', 'what the questions should be like beyond the usual')
    .action(run(written));
  addEngineOptions(command);
  describe(command, 'Start', [
    {
      does: 'a trait of your own',
      line: 'persona trait new stubborn --description "Never changes its mind." --writer gguf:hf:owner/repo',
    },
  ]);
}

async function written(session: Session, name: string, options: NewOptions): Promise<void> {
  const { description, questionGuidance, writer, out = `${name}.json` } = options;
  checkTarget(name, out);
  const [, kind, named] = writer.match(/^(openai|gguf):(.*)$/s) ?? [];
  if (kind === undefined) {
    throw new PersonaError(
      'USAGE',
      `--writer: expected openai:MODEL or gguf:MODEL, got ${JSON.stringify(writer)}`,
    );
  }
  if (named === '' && kind === 'openai')
    throw new PersonaError('USAGE', '--writer openai: needs the name of a model');
  const brief = { name, description, questionGuidance };
  if (kind === 'openai') {
    const client = openOpenAiClient({
      model: named!,
      signal: session.signal,
      onNote: (note) => session.human(note),
    });
    return await write(session, openAiWriter(writer, client), brief, out);
  }
  const { description: _, writer: __, questionGuidance: ___, out: ____, ...engine } = options;
  const opened = { ...engine, ...(named === '' ? {} : { model: named! }) };
  await using model = await openModel(session, opened, { parallel: 1, context: CONTEXT });
  await write(session, ggufWriter(model), brief, out);
}

async function write(session: Session, writer: TraitWriter, brief: TraitBrief, out: string): Promise<void> {
  const steps = stepsOf(session);
  try {
    const { trait, notes } = await writeTrait(writer, brief, {
      signal: session.signal,
      onProgress: steps.report,
    });
    steps.end();
    for (const note of notes) session.human(note);
    await saveTrait(session, out, trait, ' Or name a larger model as the writer.');
  } finally {
    steps.end();
  }
}
