/** What is measured: each line sets one way of working against another, with the goal that their ratio has to meet. */

import type { BareLoop } from '../../engine/bare-loop.ts';
import type { Edit, EngineRequest, ProjectionRead } from '../../engine/request.ts';
import { random } from '../../math/random.ts';
import { pairedRatio, type PairedRatio } from '../../math/paired-ratio.ts';
import { quantile } from '../../math/statistics.ts';
import type { ChatModel } from '../../model/chat-model.ts';
import { systemPrompt } from '../../trait/instruction.ts';
import type { Trait } from '../../trait/trait.ts';
import { decodeRate, GREEDY, wholeRate } from './measure.ts';

export const GROUPS = ['decode', 'watch', 'steer', 'read', 'rollouts', 'serve', 'wait'] as const;
export type Group = (typeof GROUPS)[number];

export interface Line {
  group: Group;
  what: string;
  against: string;
  unit: string;
  /** the ratio that is to be reached; lines without one only inform */
  goal?: number;
  repeats: number;
  measured(): Promise<number>;
  reference(): Promise<number>;
}

export interface Figure extends Pick<Line, 'group' | 'what' | 'against' | 'unit' | 'goal'> {
  /** medians; `values` in the order of the pairs */
  measured: { median: number; values: number[] };
  reference: { median: number; values: number[] };
  ratio: PairedRatio;
  met?: boolean;
}

/** Sizes of one run: how many tokens are written or read, and how often each pair is measured. */
export interface Size {
  tokens: number;
  readTokens: number;
  repeats: number;
  rolloutRepeats: number;
  questions: number;
  samples: number;
}

export const FULL: Size = {
  tokens: 96,
  readTokens: 384,
  repeats: 9,
  rolloutRepeats: 2,
  questions: 2,
  samples: 4,
};
export const QUICK: Size = {
  tokens: 48,
  readTokens: 192,
  repeats: 3,
  rolloutRepeats: 1,
  questions: 1,
  samples: 2,
};

/** Sequences that the engine of the benchmark decodes together at most. */
export const PARALLEL = 16;
/** Tokens of context of each: enough for every request below. */
export const CONTEXT = 1024;

const ROLLOUT_TOKENS = 64;
/** An edit of this share of a typical residual norm of a small model: it moves the text and does not break it. */
export const EDIT_COEFFICIENT = 0.5;
const READ_TEXTS = 4;

export interface Bench {
  chat: ChatModel;
  bare: BareLoop;
  trait: Trait;
  size: Size;
  signal: AbortSignal;
}

/** The lines of the engine, in the order in which they are measured and shown. */
export async function benchLines(bench: Bench): Promise<Line[]> {
  return [
    ...(await decodeLines(bench)),
    ...watchLines(bench),
    ...steerLines(bench),
    ...(await readLines(bench)),
    ...rolloutLines(bench),
  ];
}

/** Measures the pairs of a line in the order AB BA AB …, so that a drift of the machine falls on both alike. */
export async function measureLine(line: Line, onPair: () => void, signal: AbortSignal): Promise<Figure> {
  const { group, what, against, unit, goal, repeats } = line;
  await line.measured(); // both once for nothing: what is built and proved on first use is not counted
  await line.reference();
  onPair();
  const measured: number[] = [];
  const reference: number[] = [];
  for (let i = 0; i < repeats; i++) {
    signal.throwIfAborted(); // the bare loop does not look
    if (i % 2 === 0) measured.push(await line.measured());
    reference.push(await line.reference());
    if (i % 2 === 1) measured.push(await line.measured());
    onPair();
  }
  const ratio = pairedRatio(measured, reference);
  return {
    group,
    what,
    against,
    unit,
    measured: { median: quantile(measured, 0.5), values: measured },
    reference: { median: quantile(reference, 0.5), values: reference },
    ratio,
    ...(goal === undefined ? {} : { goal, met: ratio.median >= goal }),
  };
}

async function decodeLines({ chat, bare, trait, size, signal }: Bench): Promise<Line[]> {
  const { engine } = chat;
  const prompts: number[][] = [];
  for (const text of questionPrompts(chat, trait, 8)) prompts.push(await engine.tokenize(text, true));
  return [1, 8].map((sequences) => ({
    group: 'decode',
    what: `decoding, ${many(sequences)}`,
    against: 'a bare loop over the same library',
    unit: 'tokens/s',
    goal: 0.97,
    repeats: size.repeats,
    measured: () =>
      decodeRate(
        engine,
        prompts.slice(0, sequences).map((prompt) => writing(prompt, size.tokens)),
        signal,
      ),
    async reference() {
      const { seconds } = await bare.decode(prompts.slice(0, sequences), size.tokens);
      return (sequences * (size.tokens - 1)) / seconds;
    },
  }));
}

function watchLines({ chat, trait, size, signal }: Bench): Line[] {
  const { engine } = chat;
  const layer = middle(chat);
  const projections: ProjectionRead[] = [{ name: trait.name, layer, direction: someDirection(chat, 0) }];
  return [1, 8].map((sequences) => {
    const plain = questionPrompts(chat, trait, sequences).map((prompt) => writing(prompt, size.tokens));
    return {
      group: 'watch',
      what: `one trait watched per token, ${many(sequences)}`,
      against: 'unwatched',
      unit: 'tokens/s',
      goal: 0.97,
      repeats: size.repeats,
      measured: () =>
        decodeRate(
          engine,
          plain.map((request) => ({ ...request, projections })),
          signal,
        ),
      reference: () => decodeRate(engine, plain, signal),
    };
  });
}

function steerLines({ chat, trait, size, signal }: Bench): Line[] {
  const { engine } = chat;
  const { layers } = engine.info;
  const plain = questionPrompts(chat, trait, PARALLEL).map((prompt) => writing(prompt, size.tokens));
  const edit = (i: number, layer: number): Edit => ({
    op: 'add',
    layer,
    direction: someDirection(chat, i),
    coefficient: EDIT_COEFFICIENT * (i % 2 === 0 ? 1 : -1),
  });
  const line = (where: string, layerOf: (i: number) => number): Omit<Line, 'goal'> => {
    const steered = plain.map((request, i) => ({ ...request, edits: [edit(i, layerOf(i))] }));
    return {
      group: 'steer',
      what: `${PARALLEL} sequences, each steered its own way, ${where}`,
      against: 'unsteered',
      unit: 'tokens/s',
      repeats: size.repeats,
      measured: () => decodeRate(engine, steered, signal),
      reference: () => decodeRate(engine, plain, signal),
    };
  };
  return [
    { ...line('at one layer', () => middle(chat)), goal: 0.95 },
    line('at layers of their own', (i) => Math.floor((i * layers) / PARALLEL)),
  ];
}

async function readLines({ chat, trait, size, signal }: Bench): Promise<Line[]> {
  const { engine } = chat;
  const text = await engine.tokenize([...trait.questions, ...trait.evaluation].join(' '), false);
  // each text starts at another place: nothing to share
  const texts = Array.from({ length: READ_TEXTS }, (_, i) =>
    Array.from({ length: size.readTokens }, (_unused, at) => text[(i * 7 + at) % text.length]!),
  );
  const layer = middle(chat);
  const tokens = READ_TEXTS * size.readTokens;
  const reading = texts.map((prompt): EngineRequest => ({
    prompt,
    sharePrefix: false,
    means: { layers: [layer], kinds: ['prompt_avg'] },
  }));
  const filling = texts.map((prompt): EngineRequest => ({
    prompt,
    sharePrefix: false,
    maxTokens: 1,
    sampling: GREEDY,
  }));
  return [
    {
      group: 'read',
      what: `reading at layer ${layer} of ${engine.info.layers}, ending there`,
      against: 'a full prefill',
      unit: 'tokens/s',
      goal: 1.7,
      repeats: size.repeats,
      measured: () => wholeRate(engine, reading, tokens, signal),
      reference: () => wholeRate(engine, filling, tokens, signal),
    },
  ];
}

function rolloutLines({ chat, trait, size, signal }: Bench): Line[] {
  const { engine } = chat;
  return [1, size.samples].map((samples) => {
    const rollouts = rolloutRequests(chat, trait, size.questions, samples);
    const alone = rollouts.map((request) => ({ ...request, sharePrefix: false }));
    const perMinute = 60 * rollouts.length;
    return {
      group: 'rollouts',
      what: `rollouts with means of all layers, ${samples} per prompt, prompts shared`,
      against: 'not shared',
      unit: 'rollouts/min',
      repeats: size.rolloutRepeats,
      measured: () => wholeRate(engine, rollouts, perMinute, signal),
      reference: () => wholeRate(engine, alone, perMinute, signal),
    };
  });
}

/** The work of an extraction: every question under both sides of every instruction pair. */
function rolloutRequests(chat: ChatModel, trait: Trait, questions: number, samples: number): EngineRequest[] {
  const requests: EngineRequest[] = [];
  for (let pair = 0; pair < trait.instruction.length; pair++) {
    for (const side of ['pos', 'neg'] as const) {
      for (const question of trait.questions.slice(0, questions)) {
        const prompt = chat.render([
          { role: 'system', content: systemPrompt(trait, side, pair) },
          { role: 'user', content: question },
        ]);
        for (let sample = 0; sample < samples; sample++) {
          requests.push({
            prompt,
            maxTokens: ROLLOUT_TOKENS,
            ignoreEnd: true, // the same work on both sides
            sampling: { temperature: 1, seed: requests.length },
            means: { layers: 'all', kinds: ['response_avg', 'prompt_avg', 'prompt_last'] },
          });
        }
      }
    }
  }
  return requests;
}

function questionPrompts(chat: ChatModel, trait: Trait, count: number): string[] {
  return trait.evaluation.slice(0, count).map((content) => chat.render([{ role: 'user', content }]));
}

function writing(prompt: EngineRequest['prompt'], maxTokens: number): EngineRequest {
  return { prompt, maxTokens, sampling: GREEDY, ignoreEnd: true };
}

export function middle({ engine }: ChatModel): number {
  return Math.floor(engine.info.layers / 2);
}

/** A random direction of length 1: what it points to costs no time. */
export function someDirection({ engine }: ChatModel, seed: number): Float32Array {
  const source = random(seed);
  const row = Float32Array.from({ length: engine.info.width }, () => source.normal());
  const length = Math.hypot(...row);
  return row.map((x) => x / length);
}

function many(sequences: number): string {
  return sequences === 1 ? '1 sequence' : `${sequences} sequences`;
}
