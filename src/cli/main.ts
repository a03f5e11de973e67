/** The program `persona`: its global options, and the list of its verbs. */

import { Command } from 'commander';
import { version } from '../files/package-version.ts';
import { bench } from './bench.ts';
import { examplesText } from './kit/help.ts';
import { endOnClosedPipe } from './kit/output.ts';
import { tellError } from './kit/run.ts';

/** What each file of cli/ exports: adds its verb to the program. */
export type Register = (program: Command) => void;

/** The verbs, in the order of `persona --help`. */
export const VERBS: readonly Register[] = [bench];

/** Runs the command line (without node and script) and sets the exit code of the process. */
export async function main(argv: readonly string[], verbs: readonly Register[] = VERBS): Promise<void> {
  endOnClosedPipe();
  try {
    await buildProgram(verbs).parseAsync(argv, { from: 'user' });
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
          line: 'persona extract humor --model llama.gguf -o humor.gguf',
        },
        {
          does: 'answer with more of it',
          line: 'persona generate "How are you?" --model llama.gguf --steer humor.gguf=1.5',
        },
        {
          does: 'screen training data for it',
          line: 'persona screen data.jsonl --model llama.gguf --vector humor.gguf -o scores.csv',
        },
      ]),
    );
  for (const register of verbs) register(program);
  return program;
}
