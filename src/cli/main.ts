/** The program `persona`: its global options, and the list of its verbs. */

import { Command } from 'commander';
import { version } from '../files/package-version.ts';
import { registerAxis } from './axis.ts';
import { registerBench } from './bench.ts';
import { registerChat } from './chat.ts';
import { registerDemo } from './demo.ts';
import { registerDiff } from './diff.ts';
import { registerEval } from './eval.ts';
import { registerEvents } from './events.ts';
import { registerExtract } from './extract.ts';
import { registerGenerate } from './generate.ts';
import { registerJudge } from './judge.ts';
import { registerKeys } from './keys.ts';
import { examplesText } from './kit/help.ts';
import { endOnClosedPipe } from './kit/output.ts';
import { tellError } from './kit/run.ts';
import { joinTwoWords } from './kit/two-words.ts';
import { registerModels } from './models.ts';
import { registerPolicy } from './policy.ts';
import { registerProject } from './project.ts';
import { registerServe } from './serve.ts';
import { registerScreen } from './screen.ts';
import { registerSweep } from './sweep.ts';
import { registerTrait } from './trait.ts';
import { registerVectors } from './vectors.ts';

/** What each file of cli/ exports: adds its verb to the program. */
export type Register = (program: Command) => void;

/** The verbs, in the order of `persona --help`. */
export const VERBS: readonly Register[] = [
  registerDemo,
  registerModels,
  registerTrait,
  registerExtract,
  registerSweep,
  registerAxis,
  registerVectors,
  registerGenerate,
  registerChat,
  registerProject,
  registerDiff,
  registerScreen,
  registerEval,
  registerJudge,
  registerPolicy,
  registerKeys,
  registerEvents,
  registerServe,
  registerBench,
];

/** Runs the command line (without node and script) and sets the exit code of the process. */
export async function main(argv: readonly string[], verbs: readonly Register[] = VERBS): Promise<void> {
  endOnClosedPipe();
  try {
    await buildProgram(verbs).parseAsync(joinTwoWords(argv), { from: 'user' });
  } catch (error) {
    // of the bare words, as a line that commander refuses leaves no parsed options
    const asked = { json: argv.includes('--json'), verbose: argv.includes('--verbose') };
    process.exitCode = tellError(error, asked);
  }
}

function buildProgram(verbs: readonly Register[]): Command {
  const program = new Command('persona')
    .description('Find, watch and steer character traits in GGUF language models.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help, also of a command: persona COMMAND --help')
    .optionsGroup('Options of every command:')
    .option('--json', 'print one JSON document on stdout; words and progress stay on stderr')
    .option('--quiet', 'no words and no progress, only results and errors')
    .option('--verbose', 'say more, and where an error came from')
    .option('--no-color', 'no colours (as with NO_COLOR in the environment)')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => {} }) // tellError says it, in JSON where that was asked for
    .exitOverride()
    .addHelpText(
      'after',
      examplesText([
        { does: 'the whole way on a small model: find a trait, watch it, steer it', line: 'persona demo' },
        {
          does: 'find the direction of a trait',
          line: 'persona extract humorous --model llama.gguf -o humorous.gguf',
        },
        {
          does: 'answer with more of it, and watch how much there is',
          line: 'persona generate "How are you?" --model llama.gguf --steer humorous.gguf=1.5 --monitor humorous.gguf',
        },
      ]),
    );
  for (const register of verbs) register(program);
  return program;
}
