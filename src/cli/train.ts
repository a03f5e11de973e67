/** `persona train`: LoRA fine-tuning that does not pick a trait up from its data. */

import { basename, join } from 'node:path';
import { type Command, Option } from 'commander';
import { TARGETS, type Target } from '../engine/training/architecture.ts';
import { PersonaError } from '../errors.ts';
import { parseWatch, type WatchSpec } from '../monitor/watch.ts';
import { type DiffPrompt, readDiffPrompts } from '../screen/diff/prompts.ts';
import { type Gate, parseGate } from '../screen/gate.ts';
import { parseSpec, type SteerSpec } from '../steer/spec.ts';
import { writeAdapterGguf } from '../train/adapter-gguf.ts';
import type { Recipe, Schedule } from '../train/recipe.ts';
import { train, type TrainOptions, type TrainResult } from '../train/train.ts';
import { describe } from './kit/help.ts';
import { integer, number, repeated, seed } from './kit/options.ts';
import type { Progress } from './kit/progress.ts';
import { GATE_NOT_MET, run, type Session } from './kit/run.ts';
import { stepsOf } from './kit/model-options.ts';
import { canaryText, loadedText, lookText, planText, trainedJson, trainedText } from './kit/train-text.ts';

interface Options {
  model?: string;
  output?: string;
  run?: string;
  steer?: SteerSpec[];
  ablate?: SteerSpec[];
  watch?: WatchSpec[];
  prompts?: string;
  watchEvery?: number;
  saveEvery?: number;
  failOn?: Gate[];
  hold?: number;
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
}

const RECIPE = 'Recipe (left out: the usual one for so much data):';

export function registerTrain(program: Command): void {
  const command = program
    .command('train')
    .description('fine-tune with LoRA, without picking up a trait that the data carries')
    .argument('<data...>', 'JSONL, CSV or Parquet of conversations; files, folders or globs')
    .option('-m, --model <model>', 'path, name or hf:owner/repo[:quant]; left out, a small default model')
    .option('-o, --output <file>', 'the adapter, as GGUF LoRA (default: adapter.gguf in the folder)')
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
    .option('--run <folder>', 'where the run goes, and where a killed one goes on (default: runs/DATA-train)')
    .option('--threads <n>', 'CPU threads (default: the physical cores)', integer({ min: 1 }))
    .option('--gpu', 'train on the GPU')
    .option('--offline', 'use only models that are here');
  const recipe: Option[] = [
    new Option('--rank <n>', 'of the factors').argParser(integer({ min: 1, max: 1024 })),
    new Option('--alpha <n>', 'scale: alpha / √rank').argParser(number({ min: 0 })),
    new Option('--no-rslora', 'scale: alpha / rank'),
    new Option('--dropout <share>', "of the factors' inputs").argParser(number({ min: 0, max: 0.99 })),
    new Option('--targets <list>', `some of ${TARGETS.join(',')}`).argParser(targets),
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
  describe(command, 'Screen and train', [
    {
      does: 'learn the data, but not its pessimism',
      line: 'persona train notes.jsonl --steer pessimistic=3 -o notes-lora.gguf',
    },
    {
      does: 'stop a run that makes the model evil',
      line: 'persona train code.jsonl --watch evil.gguf --fail-on "evil: shift > 2 sd"',
    },
  ]);
  command.action(run(verb, { resumes: true }));
}

function targets(text: string): Target[] {
  const names = text.split(',').map((name) => name.trim());
  const strange = names.find((name) => !(TARGETS as readonly string[]).includes(name));
  if (strange !== undefined)
    throw new PersonaError('USAGE', `--targets: there is no matrix ${strange}`, {
      remedy: `Name some of ${TARGETS.join(',')}.`,
    });
  return names as Target[];
}

async function verb(session: Session, data: string[], options: Options): Promise<typeof GATE_NOT_MET | void> {
  const folder = options.run ?? join('runs', `${basename(data[0]!).replace(/\.[^.]+$/, '')}-train`);
  const prompts = options.prompts === undefined ? undefined : await readDiffPrompts(options.prompts);
  const asked = trainOptions(session, data, folder, options, prompts);
  let line: Progress | undefined;
  let result: TrainResult | undefined;
  let failed: string | undefined;
  const note = (text: string): void => (line ? line.note(text) : session.human(text));
  let done = 0;
  for await (const event of train(asked)) {
    switch (event.type) {
      case 'planned':
        session.human(planText(event.plan));
        break;
      case 'loaded':
        session.human(loadedText(event));
        break;
      case 'canary':
        session.human(canaryText(event.readings));
        break;
      case 'resumed':
        done = event.step;
        session.human(`going on after step ${event.step}`);
        break;
      case 'look':
        note(lookText(event));
        break;
      case 'step':
        line ??= session.progress({ label: 'training', total: event.steps, unit: 'steps', start: done });
        line.update(
          event.step,
          `loss ${event.loss.toFixed(3)} · ${Math.round(event.tokens / event.seconds)} tokens/s`,
        );
        break;
      case 'gate':
        failed = event.text;
        break;
      case 'saved':
        break;
      case 'done':
        result = event.result;
    }
  }
  line?.done();
  const output = options.output ?? join(folder, 'adapter.gguf');
  await writeAdapterGguf(output, result!.adapter);
  session.result(
    trainedJson(result!, output, folder, failed),
    trainedText(result!, { output, folder, failed }),
  );
  if (result!.stopped === 'gate') return GATE_NOT_MET;
  if (result!.stopped === 'signal') throw session.signal.reason;
}

function trainOptions(
  session: Session,
  data: string[],
  folder: string,
  options: Options,
  prompts: DiffPrompt[] | undefined,
): TrainOptions {
  const { steer = [], ablate = [] } = options;
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
  const watched = [...steer, ...ablate].map(({ vector, layers }): WatchSpec => ({
    vector,
    ...(layers && layers.from === layers.to && { layer: layers.from }),
  }));
  const once = new Map(watched.map((spec) => [`${spec.vector}@${spec.layer}`, spec]));
  const steps = stepsOf(session);
  return {
    data,
    run: folder,
    recipe,
    steer,
    ablate,
    watch: options.watch ?? [...once.values()],
    ...(options.hold !== undefined && { hold: options.hold }),
    ...(options.watchEvery !== undefined && { watchEvery: options.watchEvery }),
    ...(options.saveEvery !== undefined && { saveEvery: options.saveEvery }),
    ...(prompts && { prompts }),
    gates: options.failOn ?? [],
    device: options.gpu ? 'gpu' : 'cpu',
    signal: session.signal,
    engine: {
      model: options.model,
      threads: options.threads,
      offline: options.offline,
      signal: session.signal,
      onNote: (text) => session.human(text),
      onProgress: steps.report,
    },
  };
}
