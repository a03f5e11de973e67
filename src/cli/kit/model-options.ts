/** The options by which a verb opens a model, and the opening itself, told to people as it goes on. */

import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type ChatModel, openChatModel, type OpenChatModelOptions } from '../../model/chat-model.ts';
import type { LoraFile } from '../../engine/request.ts';
import type { Progress as Report } from '../../model/progress.ts';
import { parseLora } from '../../model/lora-file.ts';
import { CHATML } from '../../model/template.ts';
import { integer, repeated } from './options.ts';
import type { Progress } from './progress.ts';
import type { Session } from './run.ts';

export interface ModelOptions {
  model?: string;
  parallel?: number;
  context?: number;
  threads?: number;
  gpuLayers?: number;
  cacheType?: 'f16' | 'f32';
  offline?: true;
  lora?: LoraFile[];
  chatTemplate?: GivenTemplate;
}

/** How turns are written, as the user gave it. */
export interface GivenTemplate {
  /** `chatml`, or the path of a file */
  name: string;
  /** Jinja */
  text: string;
}

const GROUP = 'Model:';

export function addModelOptions(command: Command): Command {
  const model = new Option(
    '-m, --model <model>',
    'path, name or hf:owner/repo[:quant]; left out, a small default model',
  );
  return addEngineOptions(command.addOption(model.helpGroup(GROUP)));
}

/** How a model is run, for verbs that name it otherwise. */
export function addEngineOptions(command: Command): Command {
  const options = [
    new Option('--parallel <n>', 'texts worked on together').argParser(integer({ min: 1, max: 256 })),
    new Option('--context <tokens>', 'room for one text, prompt and answer').argParser(integer({ min: 16 })),
    new Option('--threads <n>', 'CPU threads (default: the physical cores)').argParser(integer({ min: 1 })),
    new Option('--gpu-layers <n>', 'layers on the GPU, -1 for all').argParser(integer({ min: -1 })),
    new Option('--cache-type <type>', 'precision of the KV cache').choices(['f16', 'f32']),
    new Option(
      '--lora <file>',
      'a LoRA adapter over the model, FILE or FILE:SCALE; may be repeated',
    ).argParser(repeated(parseLora)),
    chatTemplateOption(),
    new Option('--offline', 'use only models that are here'),
  ];
  for (const option of options) command.addOption(option.helpGroup(GROUP));
  return command;
}

/** `chatml`, or a Jinja file: for base models, which bring no template, and files with a wrong one. */
export function chatTemplateOption(): Option {
  return new Option(
    '--chat-template <file>',
    "how turns are written: a Jinja file, or chatml (default: the model's own)",
  ).argParser((name): GivenTemplate => {
    if (name === 'chatml') return { name, text: CHATML };
    try {
      return { name, text: readFileSync(name, 'utf8') };
    } catch (error) {
      throw new InvalidArgumentError(`It cannot be read: ${(error as Error).message}`);
    }
  });
}

/** Shorter work is over before a line about it could be read. */
const WORTH_TELLING_MS = 500;

/**
 * Opens the model that the options name.
 * @param defaults where the user said nothing
 */
export async function openModel(
  session: Session,
  options: ModelOptions,
  defaults: Pick<OpenChatModelOptions, 'parallel' | 'context'> = {},
): Promise<ChatModel> {
  const { model, threads, gpuLayers, cacheType, offline, lora, chatTemplate } = options;
  const steps = stepsOf(session);
  try {
    return await openChatModel({
      model,
      parallel: options.parallel ?? defaults.parallel,
      context: options.context ?? defaults.context,
      threads,
      gpuLayers,
      cacheType,
      offline,
      loras: lora,
      chatTemplate: chatTemplate?.text,
      signal: session.signal,
      onNote: (note) => session.human(note),
      onProgress: steps.report,
      onLoadProgress: (share) =>
        steps.report({ label: 'loading the model', done: Math.round(share * 100), total: 100, unit: '%' }),
    });
  } finally {
    steps.end();
  }
}

/** Shows reports of progress: one line a step, and none for a step that is over at once. */
export function stepsOf(session: Session): { report: (report: Report) => void; end: () => void } {
  let label = '';
  let begun = 0;
  let start = 0;
  let line: Progress | undefined;
  let counted = false; // a share of the whole has no rate worth telling

  function end(): void {
    line?.done(counted ? undefined : `${label}: done`);
    line = undefined;
    label = '';
  }
  function report(step: Report): void {
    if (step.label !== label) {
      end();
      label = step.label;
      counted = step.unit !== '%';
      begun = performance.now();
      start = step.done;
    }
    if (line === undefined && performance.now() - begun < WORTH_TELLING_MS) return;
    line ??= session.progress({
      label,
      total: step.total,
      unit: step.unit === 'B' ? 'bytes' : step.unit,
      start,
      begun,
    });
    line.update(step.done);
  }
  return { report, end };
}
