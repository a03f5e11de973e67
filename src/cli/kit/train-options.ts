/** The options of a training run: what is done while training, the recipe, and the scores at the end. */

import { type Command, Option } from 'commander';
import { TARGETS, type Target } from '../../engine/training/architecture.ts';
import { parseWatch, type WatchSpec } from '../../monitor/watch.ts';
import { type DiffPrompt, readDiffPrompts } from '../../screen/diff/prompts.ts';
import { type Gate, parseGate } from '../../screen/gate.ts';
import { parseSpec, type SteerSpec } from '../../steer/spec.ts';
import type { Progress } from '../../model/progress.ts';
import type { BadLimit } from '../../screen/samples.ts';
import type { Recipe, Schedule } from '../../train/recipe.ts';
import type { TrainOptions } from '../../train/train.ts';
import { loadTrait } from '../../trait/load.ts';
import { addJudgeOption, type JudgeOptions } from './judge-options.ts';
import { badLimit, integer, number, numbers, repeated, seed, someOf } from './options.ts';
import { chatTemplateOption, type GivenTemplate } from './model-options.ts';
import type { Session } from './run.ts';

export interface TrainVerbOptions extends JudgeOptions {
  model?: string;
  output?: string;
  peft?: string;
  merge?: string;
  run?: string;
  steer?: SteerSpec[];
  ablate?: SteerSpec[];
  watch?: WatchSpec[];
  trait?: string[];
  prompts?: string;
  watchEvery?: number;
  saveEvery?: number;
  failOn?: Gate[];
  hold?: number;
  turns?: 'last' | 'all';
  maxBad?: BadLimit;
  rank?: number;
  alpha?: number;
  rslora: boolean;
  dropout?: number;
  targets?: Target[];
  lr?: number;
  schedule?: Schedule;
  warmup?: number;
  weightDecay?: number;
  clip?: number;
  batch?: number;
  epochs?: number;
  maxLength?: number;
  passTokens?: number;
  seed?: number;
  threads?: number;
  gpu?: true;
  offline?: true;
  chatTemplate?: GivenTemplate;
  scores: boolean;
  capability: boolean;
  questions: number;
  samples: number;
  maxTokens: number;
  study?: WatchSpec;
  coefficients?: number[];
  inference?: number[];
  caft?: 'layer' | 'all' | 'both' | 'none';
}

const RECIPE = 'Recipe (left out: the usual one for so much data):';
const SCORES = 'Scores at the end, of the base and the adapter, both unsteered:';
const STUDY = 'Study:';

export function addTrainOptions(command: Command): void {
  command
    .option('-m, --model <model>', 'path, name or hf:owner/repo[:quant]; left out, a small default model')
    .option('-o, --output <file>', 'the adapter, as GGUF LoRA (default: adapter.gguf in the folder)')
    .option('--peft <folder>', 'the adapter also as PEFT has it')
    .option('--merge <file>', 'also the whole model with the adapter worked in, as GGUF')
    .addOption(
      new Option(
        '--steer <spec>',
        'VECTOR[=COEFFICIENT][@LAYERS][:inc]: added at all positions while training, gone afterwards; may be repeated',
      ).argParser(repeated((text) => parseSpec(text))),
    )
    .addOption(
      new Option(
        '--ablate <vector>',
        'VECTOR[@LAYERS]: removed from all layers while training (CAFT); may be repeated',
      ).argParser(repeated((text) => parseSpec(text))),
    )
    .addOption(
      new Option(
        '--watch <vector>',
        'VECTOR[@LAYER]: its projection on held-out prompts, now and then (default: those of --steer and --ablate)',
      ).argParser(repeated((text) => parseWatch(text))),
    )
    .option(
      '--trait <trait>',
      "the texts of a vector's trait, where neither the vector holds them nor we ship them; may be repeated",
      repeated((text) => text),
    )
    .option(
      '--prompts <file>',
      'watch on these: JSONL with "messages" or "prompt" (default: the traits\' evaluation questions)',
    )
    .option('--watch-every <steps>', 'default: a twentieth of the run', integer({ min: 1 }))
    .option(
      '--save-every <steps>',
      'checkpoints (default: a tenth of the run, at most 50)',
      integer({ min: 1 }),
    )
    .addOption(
      new Option(
        '--fail-on <gate>',
        'stop and exit with 100 when it is so, as in "evil: shift > 2 sd"; may be repeated',
      ).argParser(repeated((text) => parseGate(text))),
    )
    .option(
      '--hold <share>',
      'of the rows: held out, their loss measured (default: none)',
      number({ min: 0, max: 0.9 }),
    )
    .addOption(
      new Option('--turns <which>', 'of a conversation: its last answer, or each (default: all)').choices([
        'last',
        'all',
      ]),
    )
    .option('--max-bad <rows>', 'bad rows to leave out: 20, or 2% (default: 0.1%, at least 10)', badLimit)
    .option('--run <folder>', 'where the run goes, and where a killed one goes on (default: runs/DATA-train)')
    .option('--threads <n>', 'CPU threads (default: the physical cores)', integer({ min: 1 }))
    .option('--gpu', 'train on the GPU')
    .option('--offline', 'use only models that are here')
    .addOption(chatTemplateOption());
  const recipe = [
    new Option('--rank <n>', 'of the factors').argParser(integer({ min: 1, max: 1024 })),
    new Option('--alpha <n>', 'scale: alpha / √rank').argParser(number({ min: 0 })),
    new Option('--no-rslora', 'scale: alpha / rank'),
    new Option('--dropout <share>', "of the factors' inputs").argParser(number({ min: 0, max: 0.99 })),
    new Option('--targets <list>', `some of ${TARGETS.join(',')}`).argParser(someOf(TARGETS)),
    new Option('--lr <rate>', 'learning rate').argParser(number({ min: 0 })),
    new Option('--schedule <schedule>', 'of the rate').choices(['linear', 'cosine', 'constant']),
    new Option('--warmup <steps>', 'over which the rate rises').argParser(integer({ min: 0 })),
    new Option('--weight-decay <rate>', 'AdamW').argParser(number({ min: 0 })),
    new Option('--clip <length>', 'longest gradient').argParser(number({ min: 0 })),
    new Option('--batch <rows>', 'of one step').argParser(integer({ min: 1 })),
    new Option('--epochs <n>', 'times through the data').argParser(integer({ min: 1 })),
    new Option('--max-length <tokens>', 'longer rows are cut').argParser(integer({ min: 2 })),
    new Option('--pass-tokens <n>', 'computed together; less takes less memory').argParser(
      integer({ min: 1 }),
    ),
    new Option('--seed <n>', 'of the order, the first factors and dropout').argParser(seed),
  ];
  for (const option of recipe) command.addOption(option.helpGroup(RECIPE));
  const scores = [
    new Option('--no-scores', 'none: neither answers nor capability'),
    new Option('--no-capability', 'only answers'),
    new Option('--questions <n>', 'evaluation questions of each trait')
      .argParser(integer({ min: 1, max: 20 }))
      .default(10),
    new Option('--samples <n>', 'answers to each').argParser(integer({ min: 1, max: 1000 })).default(1),
    new Option('--max-tokens <n>', 'longest answer').argParser(integer({ min: 1 })).default(64),
  ];
  for (const option of scores) command.addOption(option.helpGroup(SCORES));
  const study = [
    new Option(
      '--study <vector>',
      'VECTOR[@LAYER]: train plainly, preventatively and by CAFT, steer the plain one, and compare them',
    ).argParser((text) => parseWatch(text)),
    new Option('--coefficients <list>', 'added while training (default: 1,3)').argParser(numbers),
    new Option('--inference <list>', 'taken from the plain one while it answers (default: 1,2)').argParser(
      numbers,
    ),
    new Option(
      '--caft <where>',
      "at the vector's layer, at all, both ways, or not at all (default: all)",
    ).choices(['layer', 'all', 'both', 'none']),
  ];
  for (const option of study) command.addOption(option.helpGroup(STUDY));
  addJudgeOption(command);
}

/** What the library is asked, without what is done to the stream while training. */
export async function trainOptionsOf(
  session: Session,
  data: string[],
  run: string,
  options: TrainVerbOptions,
  onProgress: (progress: Progress) => void,
): Promise<Omit<TrainOptions, 'steer' | 'ablate' | 'watch'>> {
  const prompts: DiffPrompt[] | undefined =
    options.prompts === undefined ? undefined : await readDiffPrompts(options.prompts);
  const recipe: Partial<Recipe> = Object.fromEntries(
    Object.entries({
      rank: options.rank,
      alpha: options.alpha,
      rslora: options.rslora ? undefined : false,
      dropout: options.dropout,
      targets: options.targets,
      learningRate: options.lr,
      schedule: options.schedule,
      warmup: options.warmup,
      weightDecay: options.weightDecay,
      clip: options.clip,
      batch: options.batch,
      epochs: options.epochs,
      maxLength: options.maxLength,
      passTokens: options.passTokens,
      seed: options.seed,
    }).filter(([, value]) => value !== undefined),
  );
  return {
    data,
    run,
    recipe,
    traits: await Promise.all((options.trait ?? []).map((one) => loadTrait(one))),
    ...(prompts && { prompts }),
    ...(options.hold !== undefined && { hold: options.hold }),
    ...(options.turns !== undefined && { turns: options.turns }),
    ...(options.maxBad && { maxBad: options.maxBad }),
    ...(options.watchEvery !== undefined && { watchEvery: options.watchEvery }),
    ...(options.saveEvery !== undefined && { saveEvery: options.saveEvery }),
    gates: options.failOn ?? [],
    device: options.gpu ? 'gpu' : 'cpu',
    signal: session.signal,
    engine: {
      model: options.model,
      threads: options.threads,
      offline: options.offline,
      chatTemplate: options.chatTemplate?.text,
      signal: session.signal,
      onNote: (text) => session.human(text),
      onProgress,
    },
  };
}

/** --watch, or what is done to the stream anyway. */
export function watchesOf({ watch, steer = [], ablate = [] }: TrainVerbOptions): WatchSpec[] {
  if (watch !== undefined) return watch;
  const specs = [...steer, ...ablate].map(({ vector, layers }): WatchSpec => ({
    vector,
    ...(layers && layers.from === layers.to && { layer: layers.from }),
  }));
  return [...new Map(specs.map((spec) => [`${spec.vector}@${spec.layer}`, spec])).values()];
}
