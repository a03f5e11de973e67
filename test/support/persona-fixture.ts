/** The program `persona` with verbs that do what the tests of cli/kit ask about. Run by run-cli.ts. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { describe } from '../../src/cli/kit/help.ts';
import { integer, numbers, range, repeated, seed } from '../../src/cli/kit/options.ts';
import { GATE_NOT_MET, run } from '../../src/cli/kit/run.ts';
import { main } from '../../src/cli/main.ts';
import { PersonaError } from '../../src/errors.ts';

function register(program: Command): void {
  const say = program
    .command('say')
    .description('say something')
    .argument('<text>', 'what to say')
    .option('--times <n>', 'how often', integer({ min: 1, max: 3 }), 1)
    .option('--layers <list>', 'layers', range)
    .option('--coefficients <list>', 'coefficients', numbers)
    .option('--vector <file>', 'a vector, may be repeated', repeated(String), [])
    .option('--seed <n>', 'seed', seed, 0)
    .action(
      run(async (session, text: string, options: { times: number }) => {
        session.human('speaking');
        session.detail('in detail');
        const bar = session.progress({ label: 'say', total: options.times, unit: 'words' });
        bar.update(options.times);
        bar.done();
        session.result({ text, ...options }, Array(options.times).fill(text).join(' '));
      }),
    );
  describe(say, 'Start', [{ does: 'say it twice', line: 'persona say hello --times 2' }]);

  program.command('gate').action(
    run(async (session) => {
      session.result({ met: false }, 'not met');
      return GATE_NOT_MET;
    }),
  );
  program.command('fail').action(
    run(async () => {
      throw new PersonaError('WRONG_MODEL', 'made on another model', { remedy: 'Extract it again.' });
    }),
  );
  program.command('misuse').action(
    run(async () => {
      throw new PersonaError('USAGE', '--layer and --layers exclude each other');
    }),
  );
  program.command('break').action(
    run(async () => {
      throw new TypeError('x is not a function');
    }),
  );
  program.command('work').action(
    run(
      async (session) => {
        session.progress({ label: 'work', total: 100, unit: 'steps' }).update(3);
        session.row({ started: true });
        await sleep(60_000, undefined, { signal: session.signal });
      },
      { resumes: true },
    ),
  );
  program.command('deaf').action(
    run(async (session) => {
      session.row({ started: true });
      session.signal.addEventListener('abort', () => session.row({ asked: true }));
      await sleep(60_000);
    }),
  );
  program.command('listen').action(
    run(async (session) => {
      session.row({ started: true });
      await new Promise((resolve) => {
        const open = setInterval(() => {}, 1000);
        session.signal.addEventListener('abort', () => resolve(clearInterval(open)));
      });
      session.row({ ended: true });
    }),
  );
  program.command('flood').action(
    run(async (session) => {
      for (let row = 0; row < 1_000_000; row++) {
        session.row({ row, filling: 'x'.repeat(1000) });
        if (row % 100 === 0) await sleep(0);
      }
    }),
  );
}

await main(process.argv.slice(2), [register]);
