/** `persona demo`: the whole way on a small model, from nothing to a steered, watched model and a page about it. */

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Command, Option } from 'commander';
import { loadTrait } from '../trait/load.ts';
import { usualLayers } from '../vector/choose.ts';
import { verdictLine } from '../vector/evidence/verdict.ts';
import type { ExtractOptions } from '../vector/extract.ts';
import { doseTable } from './kit/dose-table.ts';
import { contextFor, extractWithReport } from './extract.ts';
import { describe } from './kit/help.ts';
import { addModelOptions, openModel, type ModelOptions } from './kit/model-options.ts';
import { run, type Session } from './kit/run.ts';
import { harmless } from './kit/text.ts';

interface Options extends ModelOptions {
  run: string;
}

/** Small enough for some minutes on two cores, large enough for a figure with a trend. */
const SIZES: Omit<ExtractOptions, 'run'> = {
  questions: 8,
  samples: 1,
  maxTokens: 56,
  seed: 0,
  judgePairs: 1,
  filter: { threshold: 50, coherence: 50, paired: true },
  tune: {
    layers: [10, 13, 16, 19],
    layerDose: 2,
    layerQuestions: 5,
    coefficients: [-2, -1, 0, 1, 2],
    questions: 8,
    samples: 1,
    temperature: 0,
    judgePairs: 1,
  },
  evidence: 4,
  capability: { most: 36 },
};

export function registerDemo(program: Command): void {
  const command = program
    .command('demo')
    .argument('[trait]', 'a shipped trait, or the path of a trait file', 'optimistic')
    .description('the whole way on a small model, in a few minutes: find a trait, steer it, watch it')
    .addOption(new Option('--run <folder>', 'where rows, vector and report go').default('demo-run'));
  addModelOptions(command);
  describe(command, 'Start', [{ does: 'the default model and trait', line: 'persona demo' }]);
  command.action(run(verb, { resumes: true }));
}

async function verb(session: Session, name: string, options: Options): Promise<void> {
  const begun = performance.now();
  const trait = await loadTrait(name);
  session.human('1  The model');
  await using model = await openModel(session, options, {
    parallel: 'many',
    context: contextFor(SIZES.maxTokens),
  });
  const { identity, engine } = model;
  session.human(
    `   ${identity.name}: ${identity.layers} layers of width ${identity.width}, ${identity.quantization}; ${engine.info.devices[0]}`,
  );
  if (engine.canary) {
    session.human(
      `   edits reach it: a test push at layer ${engine.canary.layer} moved its stream as it should (off by ${(100 * engine.canary.error).toFixed(2)} %)`,
    );
  }
  const asked = 2 * trait.instruction.length * SIZES.questions;
  session.human(
    `\n2  The vector of "${trait.name}"\n   ${asked} answers under instructions to be ${trait.assistant.pos} or ${trait.assistant.neg}; the model itself judges which show it;\n` +
      '   the mean difference of their activations is the vector; steering with it shows at which layer it works',
  );
  const own = SIZES.tune.layers.filter((layer) => layer < identity.layers);
  const layers = own.length > 0 ? own : usualLayers(identity.layers);
  const { extraction, report, examples } = await extractWithReport(session, model, trait, {
    ...SIZES,
    run: options.run,
    tune: { ...SIZES.tune, layers },
  });
  const { vector, counts, doses, why } = extraction;
  const seconds = (performance.now() - begun) / 1000;
  const link = pathToFileURL(resolve(report)).href;
  session.result(
    {
      vector: extraction.path,
      trait: trait.name,
      layer: vector.layer,
      coefficient: vector.coefficient ?? null,
      kept: counts.kept.pos + counts.kept.neg,
      dropped: counts.asked - counts.kept.pos - counts.kept.neg,
      doses,
      report,
      seconds,
    },
    [
      `\n3  What it does\n   kept ${counts.kept.pos} + ${counts.kept.neg} of ${counts.asked} answers. Layer ${vector.layer}: ${why}.\n`,
      indent(doseTable(doses, vector.coefficient)),
      ...(vector.quality.verdict ? [`\n   ${verdictLine(vector.quality.verdict)}`] : []),
      '\n4  Three questions it has not seen, with less of it, as usual, with more',
      ...examples.map(({ question, answers }) =>
        [
          `\n   ${question}`,
          ...answers.map(
            ({ coefficient, text, z }) =>
              `   ${signed(coefficient).padStart(4)}  ${harmless(oneLine(text))}  [${signed(Number(z.toFixed(1)))} σ]`,
          ),
        ].join('\n'),
      ),
      `\n5  Done in ${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`,
      `   the vector   ${extraction.path}`,
      `   the page     ${link}`,
      `   use it       npm run persona -- generate "How will my week go?" --steer ${extraction.path}=${vector.coefficient ?? 1} --monitor ${extraction.path}`,
    ].join('\n'),
  );
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

function signed(value: number): string {
  return value > 0 ? `+${value}` : String(value);
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `   ${line}`)
    .join('\n');
}
