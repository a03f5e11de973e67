/** The options that say how text is sampled. */

import { randomInt } from 'node:crypto';
import { type Command, Option } from 'commander';
import type { EngineRequest } from '../../engine/request.ts';
import { integer, number, repeated, seed } from './options.ts';

export interface SamplingOptions {
  temperature: number;
  topP: number;
  topK: number;
  minP: number;
  repeatPenalty: number;
  maxTokens: number;
  seed?: number;
  stop?: string[];
  ignoreEos?: true;
}

const GROUP = 'Sampling:';
const SEEDS = 2 ** 32; // llama.cpp's sampler takes so many

export function addSamplingOptions(command: Command): Command {
  const share = number({ min: 0, max: 1 });
  const options = [
    new Option('--max-tokens <n>', 'longest answer').argParser(integer({ min: 1 })).default(256),
    new Option('--temperature <t>', '0 always takes the likeliest token')
      .argParser(number({ min: 0, max: 10 }))
      .default(0.7),
    new Option('--top-p <p>', 'only the likeliest tokens that make up this share')
      .argParser(share)
      .default(0.95),
    new Option('--top-k <k>', 'only the k likeliest tokens, 0 for any')
      .argParser(integer({ min: 0 }))
      .default(0),
    new Option('--min-p <p>', "only tokens with this share of the likeliest one's chance")
      .argParser(share)
      .default(0),
    new Option('--repeat-penalty <x>', 'against repetition, 1 for none')
      .argParser(number({ min: 0.1, max: 10 }))
      .default(1),
    new Option(
      '--seed <n>',
      'the same seed gives the same answer (default: another one each time)',
    ).argParser(seed),
    new Option('--stop <text>', 'end before this text; may be repeated').argParser(repeated(String)),
    new Option('--ignore-eos', 'do not end where the model would'),
  ];
  for (const option of options) command.addOption(option.helpGroup(GROUP));
  return command;
}

/** The seed that was given, or one by chance. */
export function chooseSeed(options: SamplingOptions): number {
  return options.seed ?? randomInt(SEEDS);
}

/** The seed of the i-th of several answers: equal prompts get different ones. */
export function nextSeed(first: number, i: number): number {
  return (first + i) % SEEDS;
}

/** The part of a request that these options decide. */
export function samplingRequest(
  options: SamplingOptions,
  seedOfAnswer: number,
): Pick<EngineRequest, 'maxTokens' | 'sampling' | 'stop' | 'ignoreEnd'> {
  const { temperature, topP, topK, minP, repeatPenalty, maxTokens, stop = [], ignoreEos } = options;
  return {
    maxTokens,
    sampling: { temperature, topP, topK, minP, repeatPenalty, seed: seedOfAnswer },
    stop,
    ignoreEnd: ignoreEos ?? false,
  };
}
