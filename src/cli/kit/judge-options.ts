/** The option that says who scores, and the opening of those judges. */

import { type Command, Option } from 'commander';
import { PersonaError } from '../../errors.ts';
import type { Calibration } from '../../judge/calibrate.ts';
import type { Judge, OpenedJudge } from '../../judge/judge.ts';
import { LIKELIHOOD } from '../../judge/likelihood.ts';
import type { ChatModel } from '../../model/chat-model.ts';
import type { Trait } from '../../trait/trait.ts';
import type { CalibrationOptions } from '../../vector/calibration-of.ts';
import { judgeFor } from '../../vector/judge-for.ts';
import type { JudgeChoice } from '../../vector/score.ts';
import type { PersonaVector } from '../../vector/vector.ts';
import { addAskingOptions, openOutside, usageText } from './judges.ts';
import type { ModelOptions } from './model-options.ts';
import { repeated } from './options.ts';
import type { Session } from './run.ts';

export interface JudgeOptions {
  judge?: string[];
  concurrency?: number;
  requestsPerMinute?: number;
  cache: boolean;
}

export function addJudgeOption(command: Command): Command {
  const option = new Option(
    '--judge <judge>',
    'who scores: likelihood (the model itself), openai:MODEL, gguf:MODEL or fn:FILE.ts; given again, another that only scores',
  );
  command.addOption(option.argParser(repeated((text) => text)));
  return addAskingOptions(command);
}

/** Judges that were chosen, open until disposed. */
export interface ChosenJudges extends AsyncDisposable {
  choices: readonly [JudgeChoice, ...JudgeChoice[]];
}

/** @throws PersonaError USAGE for a judge given twice, and what opening one throws */
export async function openJudges(
  session: Session,
  { judge = [LIKELIHOOD], ...options }: JudgeOptions & ModelOptions,
): Promise<ChosenJudges> {
  const twice = judge.find((spec, i) => judge.indexOf(spec) !== i);
  if (twice !== undefined)
    throw new PersonaError('USAGE', `the judge ${twice} is given twice`, {
      remedy: 'a second judge is there to disagree: give another one',
    });
  const opened: OpenedJudge[] = [];
  const close = async (): Promise<void> => {
    for (const one of opened) await one[Symbol.asyncDispose]();
  };
  try {
    const choices: JudgeChoice[] = [];
    for (const spec of judge) {
      if (spec === LIKELIHOOD) {
        choices.push(LIKELIHOOD);
        continue;
      }
      const one = await openOutside(session, spec, options);
      opened.push(one);
      choices.push(one);
    }
    return {
      choices: choices as [JudgeChoice, ...JudgeChoice[]],
      async [Symbol.asyncDispose]() {
        for (const one of opened) {
          const cost = usageText(one.usage());
          if (cost !== '') session.human(`${one.name}: ${cost}`);
        }
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * The judges of a trait, ready to score. The likelihood judge takes the scale of the vector, or learns one from a few
 * rollouts, which are kept in the folder.
 */
export async function judgesOf(
  choices: readonly [JudgeChoice, ...JudgeChoice[]],
  model: ChatModel,
  trait: Trait,
  vector: PersonaVector | undefined,
  options: CalibrationOptions & { pairs: number },
): Promise<{ judges: [Judge, ...Judge[]]; calibration?: Calibration }> {
  const judges: Judge[] = [];
  let calibration: Calibration | undefined;
  for (const choice of choices) {
    const made = await judgeFor(choice, () => model, trait, vector, options);
    judges.push(made.judge);
    calibration ??= made.calibration;
  }
  return { judges: judges as [Judge, ...Judge[]], ...(calibration ? { calibration } : {}) };
}
