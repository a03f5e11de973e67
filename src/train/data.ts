/**
 * From rows of conversations to what is trained on: tokens, and which of them are learnt. An answer and the mark that
 * ends it are learnt, what was asked before is not. Each answer of a conversation is a sample of its own, after what
 * was said before it: chat templates may write an earlier answer otherwise than the last one.
 */

import { PersonaError } from '../errors.ts';
import { throwIfAborted } from '../model/abort.ts';
import type { ChatModel } from '../model/chat-model.ts';
import { chatTokens } from '../model/chat-tokens.ts';
import type { Progress } from '../model/progress.ts';
import { renderChat, type RenderOptions } from '../model/template.ts';
import { dataFiles } from '../screen/read/files.ts';
import type { HubDataOptions } from '../screen/read/hub-data.ts';
import { readSamples, type SampleOptions } from '../screen/samples.ts';

export interface TrainingSample {
  /** `file:line` */
  place: string;
  tokens: Int32Array;
  /** 1 where a token is learnt */
  learnt: Uint8Array;
  /** tokens before the answer */
  promptLength: number;
}

export interface TrainingData {
  samples: TrainingSample[];
  /** samples that were longer than allowed */
  cut: number;
  /** left out: the prompt alone fills the length, so that nothing would be learnt */
  tooLong: string[];
}

export interface DataOptions extends SampleOptions {
  maxLength: number;
  signal?: AbortSignal | undefined;
  /** of data sets on a hub */
  hub?: HubDataOptions;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** @throws PersonaError BAD_FILE naming file and line: no answer, an empty one, no JSON, too many bad rows */
export async function readTrainingData(
  paths: readonly string[],
  model: ChatModel,
  { maxLength, signal, hub = {}, onProgress, ...options }: DataOptions,
): Promise<TrainingData> {
  const files = await dataFiles(paths, { ...hub, signal, onProgress });
  const end = await endOfAnswer(model);
  const data: TrainingData = { samples: [], cut: 0, tooLong: [] };
  for await (const { record, asked, answer } of readSamples(files, options)) {
    throwIfAborted(signal);
    const { place } = record;
    if (answer.trim() === '')
      throw new PersonaError('BAD_FILE', `${place}: the answer is empty`, {
        remedy: 'Take the row out: there is nothing in it to learn.',
      });
    const { tokens: prompt } = await chatTokens(model, asked);
    const words = await model.engine.tokenize(answer, false);
    const whole = [...prompt, ...words, ...end];
    if (prompt.length >= maxLength) {
      data.tooLong.push(place);
      continue;
    }
    if (whole.length > maxLength) data.cut++;
    const tokens = Int32Array.from(whole.slice(0, maxLength));
    const learnt = new Uint8Array(tokens.length).fill(1, prompt.length);
    data.samples.push({ place, tokens, learnt, promptLength: prompt.length });
    onProgress?.({ label: 'reading the data', done: data.samples.length, unit: 'answers' });
  }
  if (data.samples.length === 0)
    throw new PersonaError('BAD_FILE', `${paths.join(', ')}: no row is left to train on`, {
      remedy: `All ${data.tooLong.length} prompts are longer than --max-length ${maxLength}.`,
    });
  return data;
}

/** A text that no template writes by itself. */
const MARK = 'xANSWERx';

/**
 * The tokens by which the chat template ends an answer (`<|im_end|>`), without the white space behind them: what the
 * model has to say to be done. A template without any, or none at all: the model's own end of text.
 * @throws PersonaError UNSUPPORTED where there is neither
 */
export async function endOfAnswer({
  engine,
  chatTemplate,
}: Pick<ChatModel, 'engine' | 'chatTemplate'>): Promise<number[]> {
  const { bos, eos } = engine.info;
  const options: RenderOptions = {
    addGenerationPrompt: false,
    ...(bos !== undefined && { bos }),
    ...(eos !== undefined && { eos }),
  };
  const { prompt } = renderChat(
    chatTemplate,
    [
      { role: 'user', content: 'x' },
      { role: 'assistant', content: MARK },
    ],
    options,
  );
  const at = prompt.lastIndexOf(MARK);
  const after = at < 0 ? '' : prompt.slice(at + MARK.length).trimEnd();
  const text = after === '' ? (eos ?? '') : after;
  if (text === '')
    throw new PersonaError('UNSUPPORTED', 'neither the chat template nor the model says how an answer ends', {
      remedy: 'Use a model with a chat template.',
    });
  return engine.tokenize(text, true);
}
