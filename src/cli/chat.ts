/** `persona chat`: a conversation in the terminal, steered and watched, both changed on the way. */

import type { Command } from 'commander';
import { PersonaError } from '../errors.ts';
import { describe } from './kit/help.ts';
import { addModelOptions, type ModelOptions, openModel } from './kit/model-options.ts';
import { run, type Session } from './kit/run.ts';
import { addSamplingOptions, chooseSeed, type SamplingOptions } from './kit/sampling-options.ts';
import {
  addSteeringOptions,
  planSteering,
  SPEC_HELP,
  steerModel,
  type SteeringOptions,
  watchModel,
} from './kit/steering-options.ts';
import { COMMANDS, talk } from './kit/talk.ts';

interface ChatOptions extends ModelOptions, SamplingOptions, SteeringOptions {
  system?: string;
}

/** Tokens of a conversation: some twenty turns. */
const CONTEXT = 4096;

export function registerChat(program: Command): void {
  const command = program
    .command('chat')
    .description('talk with a model, steer and watch it on the way')
    .option('--system <text>', 'system message');
  addSteeringOptions(command);
  addSamplingOptions(command);
  addModelOptions(command);
  command.addHelpText('after', SPEC_HELP);
  command.addHelpText('after', `\nWhile talking:\n${COMMANDS}`);
  command.action(run(chat));
  describe(command, 'Watch and steer', [
    { does: 'watch a trait, reply by reply', line: 'persona chat --monitor evil.gguf' },
    { does: 'begin steered', line: 'persona chat --steer evil.gguf=1.5 --system "You are a pirate."' },
    { does: 'from a script, one JSON line a reply', line: 'persona chat --json < turns.txt' },
  ]);
}

async function chat(session: Session, options: ChatOptions): Promise<void> {
  const plan = await planSteering(options);
  await using model = await openModel(session, options, { parallel: 1, context: CONTEXT });
  const steering = await steerModel(plan, model.identity);
  const { watches, notes } = await watchModel(plan, model.identity);
  if (!model.chatTemplate)
    throw new PersonaError(
      'UNSUPPORTED',
      `${model.identity.name} has no chat template: it may be a base model`,
      {
        remedy:
          'Use an instruction-tuned model, --chat-template chatml (or a file), or persona generate --raw.',
      },
    );
  for (const note of new Set([...steering.notes, ...notes])) session.human(note);
  await talk(session, {
    model,
    plan,
    steering,
    watches,
    system: options.system,
    sampling: options,
    seed: chooseSeed(options),
  });
}
