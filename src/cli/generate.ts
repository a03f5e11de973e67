/** `persona generate`: answers, steered and watched. One streamed, two side by side, or a file of prompts. */

import type { Command } from 'commander';
import { PersonaError } from '../errors.ts';
import type { Edit, TokenEvent } from '../engine/request.ts';
import type { ChatMessage } from '../model/template.ts';
import type { Watch } from '../monitor/watch.ts';
import { NO_STEERING, type Steering } from '../steer/resolve.ts';
import { type Answer, answer, steeringText } from './kit/answer.ts';
import { columns } from './kit/columns.ts';
import { describe } from './kit/help.ts';
import { addModelOptions, type ModelOptions, openModel } from './kit/model-options.ts';
import { answerPrompts } from './kit/prompts.ts';
import { readStdin } from './kit/read-stdin.ts';
import { readingsTable } from './kit/readings-table.ts';
import { run, type Session } from './kit/run.ts';
import {
  addSamplingOptions,
  chooseSeed,
  type SamplingOptions,
  samplingRequest,
} from './kit/sampling-options.ts';
import {
  addSteeringOptions,
  planSteering,
  SPEC_HELP,
  steerModel,
  type SteeringOptions,
  type SteeringPlan,
  watchModel,
} from './kit/steering-options.ts';
import { streamTo } from './kit/stream.ts';

interface GenerateOptions extends ModelOptions, SamplingOptions, SteeringOptions {
  system?: string;
  raw?: true;
  compare?: true;
  prompts?: string;
}

export function registerGenerate(program: Command): void {
  const command = program
    .command('generate')
    .description('answer a prompt, steered and watched')
    .argument('[prompt]', 'what the user says; - reads it from standard input')
    .option('--system <text>', 'system message')
    .option('--raw', 'the prompt is rendered text already: no chat template, special tokens parsed')
    .option('--compare', 'the same without the steering beside it')
    .option(
      '--prompts <file>',
      'answer each line of a JSONL file, or of standard input (-); JSON lines on stdout',
    );
  addSteeringOptions(command);
  addSamplingOptions(command);
  addModelOptions(command);
  command.addHelpText('after', SPEC_HELP);
  command.addHelpText(
    'after',
    `
A line of --prompts has "messages" (or "prompt", rendered text) and may have "id", "seed" and "steer": SPEC, [SPEC, …],
or null for none, whatever --steer says. Its answer has all fields of the line, and text, tokens, finish_reason,
steering and, with --monitor, persona.`,
  );
  command.action(run(generate));
  describe(command, 'Watch and steer', [
    { does: 'more of a trait', line: 'persona generate "How are you?" --steer evil.gguf=1.5' },
    { does: 'watch it, token by token', line: 'persona generate "How are you?" --monitor evil.gguf' },
    {
      does: 'with and without, side by side',
      line: 'persona generate "How are you?" --steer evil=-2@14 --compare',
    },
    {
      does: 'many at once, each steered its own way',
      line: 'persona generate --prompts asks.jsonl > answers.jsonl',
    },
  ]);
}

async function generate(
  session: Session,
  prompt: string | undefined,
  options: GenerateOptions,
): Promise<void> {
  checkUsage(prompt, options);
  const plan = await planSteering(options);
  if (options.prompts !== undefined) return await answerPrompts(session, options.prompts, plan, options);
  const said = prompt === '-' ? await readStdin() : prompt!;
  const watching = options.compare ? watchWhatSteers(plan) : plan;

  await using model = await openModel(session, options, { parallel: options.compare ? 2 : 1 });
  const steering = await steerModel(plan, model.identity);
  const { watches, notes } = await watchModel(watching, model.identity);
  for (const note of new Set([...steering.notes, ...notes])) session.human(note);

  const seed = chooseSeed(options);
  const messages: ChatMessage[] = [
    ...(options.system === undefined ? [] : [{ role: 'system' as const, content: options.system }]),
    { role: 'user', content: said },
  ];
  const request = { prompt: options.raw ? said : model.render(messages), ...samplingRequest(options, seed) };
  const input = options.raw ? { prompt: said } : { messages };
  const document = (answered: Answer): object => ({
    ...input,
    ...answered,
    seed,
    model: model.identity.name,
  });

  if (!options.compare) {
    const shown = streamTo(session, watches, steering);
    const answered = await answer(model, request, steering, watches, {
      signal: session.signal,
      onEvents: shown.events,
    });
    shown.end(answered);
    session.result(document(answered));
    return;
  }
  const bar = session.progress({ label: 'answering', total: 2 * options.maxTokens, unit: 'tokens' });
  let done = 0;
  const count = (events: TokenEvent[]): void => bar.update((done += events.length));
  const ask = (how: Steering): Promise<Answer> =>
    answer(model, request, how, watches, { signal: session.signal, onEvents: count });
  const [plain, steered] = await Promise.all([ask(NO_STEERING), ask(steering)]);
  bar.done();
  session.result(
    { ...document(steered), baseline: plain },
    sideBySide(plain, steered, watches, steering.edits),
  );
}

function checkUsage(prompt: string | undefined, options: GenerateOptions): void {
  const refuse = (what: string, remedy: string): never => {
    throw new PersonaError('USAGE', what, { remedy });
  };
  if (options.prompts !== undefined) {
    if (prompt !== undefined) refuse('a prompt and --prompts exclude each other', 'Leave one of them out.');
    if (options.compare)
      refuse(
        '--compare and --prompts exclude each other',
        'Give each prompt twice, once with "steer": null.',
      );
    if (options.raw)
      refuse('--raw and --prompts exclude each other', 'A line with "prompt" instead of "messages" is raw.');
    return;
  }
  if (prompt === undefined)
    refuse('there is no prompt', 'Write persona generate "How are you?", or give --prompts FILE.');
  if (options.raw && options.system !== undefined)
    refuse('--system and --raw exclude each other', 'Write the system message into the rendered prompt.');
  const { steer, controlVector, controlVectorScaled } = options;
  if (options.compare && !(steer ?? controlVector ?? controlVectorScaled))
    refuse('--compare has nothing to compare with', 'Give a --steer too.');
}

/** A comparison without --monitor watches the vectors that steer, where they do. */
function watchWhatSteers(plan: SteeringPlan): SteeringPlan {
  if (plan.watchSpecs.length > 0) return plan;
  const watchSpecs = plan.specs.map(({ vector, layers }) => ({
    vector,
    ...(layers && { layer: layers.to }),
  }));
  return { ...plan, watchSpecs };
}

function sideBySide(
  plain: Answer,
  steered: Answer,
  watches: readonly Watch[],
  edits: readonly Edit[],
): string {
  const texts = columns(
    [
      { title: 'as it is', text: plain.text.trim() },
      { title: `steered: ${steeringText(steered)}`, text: steered.text.trim() },
    ],
    process.stdout.columns ?? 80,
  );
  if (!plain.persona || !steered.persona) return texts;
  const answers = [
    { label: 'as it is', persona: plain.persona },
    { label: 'steered', persona: steered.persona },
  ];
  return `${texts}\n\n${readingsTable(watches, answers, edits)}`;
}
