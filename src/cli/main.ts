/** The program `persona`: its global options, and the list of its verbs. */

import { Command } from 'commander';
import { version } from '../files/package-version.ts';
import { examplesText } from './kit/help.ts';
import { endOnClosedPipe } from './kit/output.ts';
import { tellError } from './kit/run.ts';
import { joinTwoWords } from './kit/two-words.ts';

/** What each file of cli/ exports: adds its verb to the program. */
export type Register = (program: Command) => void;

/** The verbs, in the order of `persona --help`. Each is loaded when it is asked for: all of them take a second. */
export const VERBS: Readonly<Record<string, () => Promise<Register>>> = {
  demo: async () => (await import('./demo.ts')).registerDemo,
  models: async () => (await import('./models.ts')).registerModels,
  trait: async () => (await import('./trait.ts')).registerTrait,
  extract: async () => (await import('./extract.ts')).registerExtract,
  sweep: async () => (await import('./sweep.ts')).registerSweep,
  axis: async () => (await import('./axis.ts')).registerAxis,
  vectors: async () => (await import('./vectors.ts')).registerVectors,
  generate: async () => (await import('./generate.ts')).registerGenerate,
  chat: async () => (await import('./chat.ts')).registerChat,
  project: async () => (await import('./project.ts')).registerProject,
  diff: async () => (await import('./diff.ts')).registerDiff,
  screen: async () => (await import('./screen.ts')).registerScreen,
  train: async () => (await import('./train.ts')).registerTrain,
  eval: async () => (await import('./eval.ts')).registerEval,
  judge: async () => (await import('./judge.ts')).registerJudge,
  policy: async () => (await import('./policy.ts')).registerPolicy,
  keys: async () => (await import('./keys.ts')).registerKeys,
  events: async () => (await import('./events.ts')).registerEvents,
  serve: async () => (await import('./serve.ts')).registerServe,
  bench: async () => (await import('./bench.ts')).registerBench,
};

/** Loads the verb that the first word names; all of them where it names none. */
async function verbsFor(argv: readonly string[]): Promise<Register[]> {
  const word = argv.find((text) => !text.startsWith('-')) ?? '';
  const load = Object.hasOwn(VERBS, word) ? VERBS[word] : undefined;
  return load ? [await load()] : await Promise.all(Object.values(VERBS).map((each) => each()));
}

/** Runs the command line (without node and script) and sets the exit code of the process. */
export async function main(argv: readonly string[], verbs?: readonly Register[]): Promise<void> {
  endOnClosedPipe();
  try {
    const program = buildProgram(verbs ?? (await verbsFor(argv)));
    await program.parseAsync(joinTwoWords(argv), { from: 'user' });
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
