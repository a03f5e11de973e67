/**
 * How many questions of general knowledge a model answers rightly, steered or not: what a steering costs beside the
 * trait that it changes.
 *
 * Two ways to see which choice a model prefers:
 * - `text`: the choice whose words are likeliest as the answer, per character; the choices are not shown. It works on
 *   models of any size: SmolLM2-135M gets four out of five of our questions.
 * - `letter`: question and lettered choices are shown, and the likeliest letter counts, as MMLU is mostly scored. A small
 *   model cannot tie letters to choices: SmolLM2-135M guesses, also when its liking for one letter is subtracted.
 */

import { inFlight } from '../engine/in-flight.ts';
import type { Edit } from '../engine/request.ts';
import type { Interval } from '../math/bootstrap.ts';
import { wilson } from '../math/wilson.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import type { ChatMessage } from '../model/template.ts';
import { inFlightLimit } from '../rollout/ask.ts';
import { LETTERS, type CapabilityItem } from './capability-items.ts';

export type Scoring = 'text' | 'letter';

export interface CapabilityOptions {
  edits?: readonly Edit[] | undefined;
  /** @default 'text' */
  scoring?: Scoring | undefined;
  /** worked examples before each question, 0 … 4; they show how short an answer is to be. @default 4 */
  shots?: number | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

export interface Capability {
  scoring: Scoring;
  correct: number;
  total: number;
  accuracy: number;
  /** Wilson's, of the accuracy; guessing is right in a quarter of the cases */
  interval: Interval;
  bySubject: Record<string, { correct: number; total: number }>;
  /** for each item in turn, to compare two measurements question by question */
  right: boolean[];
}

/** None of them is in our set; each letter is right once. */
const SHOTS: readonly Omit<CapabilityItem, 'subject'>[] = [
  { question: 'What do cows eat?', choices: ['stones', 'grass', 'paper', 'glass'], answer: 1 },
  { question: 'What color is fresh snow?', choices: ['black', 'red', 'brown', 'white'], answer: 3 },
  { question: 'How many eyes do most people have?', choices: ['two', 'five', 'nine', 'twenty'], answer: 0 },
  { question: 'Which of these is a vegetable?', choices: ['pebble', 'chair', 'carrot', 'ribbon'], answer: 2 },
];

/** The beginning of each answer, put into the model's mouth. */
const LEAD = 'Answer:';

export async function measureCapability(
  model: ChatModel,
  items: readonly CapabilityItem[],
  options: CapabilityOptions = {},
): Promise<Capability> {
  const { scoring = 'text', shots = SHOTS.length, signal, onProgress } = options;
  const right = items.map(() => false);
  const bySubject: Capability['bySubject'] = {};
  let done = 0;
  let correct = 0;
  const ask = async (index: number, stop: AbortSignal): Promise<number> => {
    const item = items[index]!;
    const scores = await scoreChoices(model, item, { scoring, shots, edits: options.edits ?? [] }, stop);
    right[index] = scores.indexOf(Math.max(...scores)) === item.answer;
    return index;
  };
  const tell = (): void =>
    onProgress?.({ label: 'asking what it knows', done, total: items.length, unit: 'questions' });
  tell();
  const atOnce = Math.ceil(inFlightLimit(model) / LETTERS.length); // each item is four requests
  for await (const index of inFlight([...items.keys()], atOnce, ask, signal)) {
    const subject = (bySubject[items[index]!.subject] ??= { correct: 0, total: 0 });
    subject.total++;
    if (right[index]) {
      subject.correct++;
      correct++;
    }
    done++;
    tell();
  }
  const total = items.length;
  const interval = wilson(correct, total);
  return { scoring, correct, total, accuracy: interval.mean, interval, bySubject, right };
}

/** Log-probability per character of each of the four choices (or of its letter). */
export async function scoreChoices(
  model: ChatModel,
  item: Omit<CapabilityItem, 'subject'>,
  { scoring, shots, edits }: { scoring: Scoring; shots: number; edits: readonly Edit[] },
  signal?: AbortSignal,
): Promise<number[]> {
  const shown: ChatMessage[] = SHOTS.slice(0, shots).flatMap((shot) => [
    { role: 'user', content: questionText(shot, scoring) },
    { role: 'assistant', content: LEAD + answers(shot, scoring)[shot.answer]! },
  ]);
  const asked = model.render([...shown, { role: 'user', content: questionText(item, scoring) }]) + LEAD;
  const texts = answers(item, scoring);
  const { prompt, continuations } = await tokensOf(model, asked, texts);
  return await Promise.all(
    continuations.map(async (answer, k) => {
      const request = { prompt, answer, topLogprobs: 0, edits };
      const { logprobs } = await model.engine.run(request, { signal });
      return logprobs!.reduce((sum, { logprob }) => sum + logprob, 0) / texts[k]!.length;
    }),
  );
}

function questionText({ question, choices }: Omit<CapabilityItem, 'subject'>, scoring: Scoring): string {
  if (scoring === 'text') return question;
  return [question, ...choices.map((choice, k) => `${LETTERS[k]}. ${choice}`)].join('\n');
}

function answers({ choices }: Omit<CapabilityItem, 'subject'>, scoring: Scoring): string[] {
  return scoring === 'letter' ? LETTERS.map((letter) => ` ${letter}`) : choices.map((choice) => ` ${choice}`);
}

/**
 * The tokens of a prompt and of its four continuations, as they come when each is tokenised as one text with the
 * prompt. Where a tokenizer runs the end of the prompt and a continuation into one token, that token is the
 * continuation's.
 */
async function tokensOf(
  model: ChatModel,
  asked: string,
  texts: readonly string[],
): Promise<{ prompt: number[]; continuations: number[][] }> {
  const [alone, ...wholes] = await Promise.all(
    [asked, ...texts.map((text) => asked + text)].map((text) => model.engine.tokenize(text, true)),
  );
  const differ = wholes.map((whole) => alone!.findIndex((token, i) => whole[i] !== token));
  const shared = Math.min(...differ.map((at) => (at < 0 ? alone!.length : at)));
  return { prompt: alone!.slice(0, shared), continuations: wholes.map((whole) => whole.slice(shared)) };
}
