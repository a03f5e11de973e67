/** `persona generate --prompts`: many prompts answered together, each steered its own way, in order. */

import { z } from 'zod';
import { PersonaError } from '../../errors.ts';
import { asGiven } from '../../files/as-given.ts';
import { type ByteSource, type JsonlRow, readJsonl } from '../../files/jsonl.ts';
import type { ChatModel } from '../../model/chat-model.ts';
import type { ChatMessage } from '../../model/template.ts';
import { parseSpec, type SteerSpec } from '../../steer/spec.ts';
import type { Steering } from '../../steer/resolve.ts';
import { answer } from './answer.ts';
import { atPlace } from './at-place.ts';
import { mapInOrder } from '../../engine/in-order.ts';
import { type ModelOptions, openModel } from './model-options.ts';
import type { Session } from './run.ts';
import { chooseSeed, nextSeed, type SamplingOptions, samplingRequest } from './sampling-options.ts';
import { type SteeringPlan, steerModel, watchModel } from './steering-options.ts';

const MAX_SEED = 2 ** 32 - 1;

interface PromptLine {
  messages?: ChatMessage[] | undefined;
  prompt?: string | undefined;
  steer?: string | string[] | null | undefined;
  seed?: number | undefined;
}

const message = z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() });

/** Other fields are the user's own, and come back in the answer. */
const schema: z.ZodType<PromptLine> = asGiven(
  z
    .object({
      messages: z.array(message).min(1).optional(),
      prompt: z.string().min(1).optional(),
      steer: z
        .union([z.string(), z.array(z.string()), z.null()], {
          error: 'expected a SPEC, a list of SPECs, or null',
        })
        .optional(),
      seed: z.int().min(0).max(MAX_SEED).optional(),
    })
    .refine(({ messages, prompt }) => (messages === undefined) !== (prompt === undefined), {
      error: 'expected either "messages" or "prompt"',
    })
    .refine(({ messages }) => messages?.at(-1)?.role !== 'assistant', {
      error: 'the last message is the assistant’s own: there is nothing to answer',
      path: ['messages'],
    }),
);

/** A line whose SPECs are understood, and whose vectors are there. */
interface Asked {
  place: string;
  line: PromptLine;
  /** absent: as the command says */
  specs: readonly SteerSpec[] | undefined;
}

interface Ready {
  place: string;
  line: PromptLine;
  prompt: string;
  steering: Steering;
  seed: number;
}

export interface PromptsOptions extends ModelOptions, SamplingOptions {
  system?: string;
}

const DEFAULT_PARALLEL = 8;

/** A file is looked through before anything is answered; standard input is answered line by line as it comes. */
export async function answerPrompts(
  session: Session,
  file: string,
  plan: SteeringPlan,
  options: PromptsOptions,
): Promise<void> {
  const parallel = options.parallel ?? DEFAULT_PARALLEL;
  const source = file === '-' ? stdin() : file;
  const asked = askedOf(source, plan, options.system);
  const whole = file === '-' ? undefined : await Array.fromAsync(asked);

  await using model = await openModel(session, options, { parallel });
  const { watches, notes } = await watchModel(plan, model.identity);
  const usual = await steerModel(plan, model.identity);
  const told = new Set<string>();
  const tell = (all: readonly string[]): void => {
    for (const note of all) if (!told.has(note)) session.human(note);
    for (const note of all) told.add(note);
  };
  tell([...usual.notes, ...notes]);
  const ready = readyOf(whole ?? asked, model, plan, usual, chooseSeed(options), options.system);
  const checked = whole === undefined ? ready : await Array.fromAsync(ready);

  const bar = session.progress({ label: 'answering', total: whole?.length, unit: 'answers' });
  const stop = new AbortController();
  const signal = AbortSignal.any([session.signal, stop.signal]);
  const answers = mapInOrder(checked, 2 * parallel, async ({ place, line, prompt, steering, seed }) => {
    tell(steering.notes);
    const request = { prompt, ...samplingRequest(options, seed) };
    const answered = await atPlace(place, () => answer(model, request, steering, watches, { signal }));
    return { ...line, ...answered, seed };
  });
  let done = 0;
  try {
    for await (const row of answers) {
      session.row(row);
      bar.update(++done);
    }
    bar.done();
  } finally {
    stop.abort();
    if (file === '-') process.stdin.destroy(); // an open one would keep the process waiting after an error
  }
}

function stdin(): ByteSource {
  return { name: 'standard input', bytes: process.stdin };
}

async function* askedOf(
  source: string | ByteSource,
  plan: SteeringPlan,
  system: string | undefined,
): AsyncGenerator<Asked> {
  const name = typeof source === 'string' ? source : source.name;
  for await (const { line, value } of readJsonl(source, schema) as AsyncIterable<JsonlRow<PromptLine>>) {
    const place = `${name}:${line}`;
    if (system !== undefined && value.prompt !== undefined)
      throw new PersonaError('USAGE', `${place}: --system cannot be put into a rendered "prompt"`, {
        remedy: 'Give "messages" instead, or leave --system out.',
      });
    const specs = await atPlace(`${place}: steer`, async () => {
      if (value.steer === undefined) return undefined;
      const parsed = [value.steer ?? []].flat().map((text) => parseSpec(text));
      for (const { vector } of parsed) await plan.find(vector);
      return parsed;
    });
    yield { place, line: value, specs };
  }
}

async function* readyOf(
  asked: Iterable<Asked> | AsyncIterable<Asked>,
  model: ChatModel,
  plan: SteeringPlan,
  usual: Steering,
  firstSeed: number,
  system: string | undefined,
): AsyncGenerator<Ready> {
  let i = 0;
  for await (const { place, line, specs } of asked) {
    const own = specs && (await atPlace(`${place}: steer`, () => steeringOf(specs, plan, model)));
    const prompt =
      line.prompt ?? (await atPlace(place, () => model.render(withSystem(line.messages!, system))));
    yield { place, line, prompt, steering: own ?? usual, seed: line.seed ?? nextSeed(firstSeed, i) };
    i++;
  }
}

/** A line's own steering replaces --steer and the control vectors. */
async function steeringOf(
  specs: readonly SteerSpec[],
  plan: SteeringPlan,
  model: ChatModel,
): Promise<Steering> {
  return await steerModel({ ...plan, controls: [] }, model.identity, specs);
}

/** --system, where the line has no system message of its own. */
function withSystem(messages: readonly ChatMessage[], system: string | undefined): readonly ChatMessage[] {
  if (system === undefined || messages[0]!.role === 'system') return messages;
  return [{ role: 'system', content: system }, ...messages];
}
