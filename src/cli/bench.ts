/** persona bench: what the engine costs on this machine, beside the library it stands on and beside itself. */

import { type Command, InvalidArgumentError } from 'commander';
import { openBareLoop } from '../engine/bare-loop.ts';
import { loadTrait } from '../trait/load.ts';
import {
  benchLines,
  CONTEXT,
  type Figure,
  FULL,
  GROUPS,
  type Group,
  measureLine,
  PARALLEL,
  QUICK,
} from './bench/lines.ts';
import { serveForBench, serveLines } from './bench/serve-lines.ts';
import { describeMachine, type Machine, systemLoad } from './bench/machine.ts';
import { describe } from './kit/help.ts';
import { openModel } from './kit/model-options.ts';
import { integer } from './kit/options.ts';
import { GATE_NOT_MET, run, type Session } from './kit/run.ts';
import { table } from './kit/table.ts';
import { count } from './kit/text.ts';

interface BenchOptions {
  model?: string;
  threads: number;
  quick?: boolean;
  only?: Group[];
  gate?: boolean;
}

/** The trait whose instructions and questions are the texts of the measurement. */
const TRAIT = 'optimistic';

/** A system load from which on others visibly take part in the measurement. */
const BUSY = 0.5;

export function registerBench(program: Command): void {
  const command = program
    .command('bench')
    .description(
      'measure this machine: the engine beside a bare decode loop, watched, steered, reading, extracting, serving',
    )
    .option('--model <model>', 'path, name or hf:owner/repo; left out: the default model')
    .option('--threads <n>', 'threads of the engine and of the bare loop', integer({ min: 1, max: 512 }), 2)
    .option('--quick', 'fewer tokens and repeats: a first look, with more noise')
    .option('--only <groups>', `some of ${GROUPS.join(', ')}`, groups)
    .option('--gate', 'exit with 100 when a goal is not met')
    .action(run(measure));
  describe(command, 'Measure', [
    { does: 'all of it on the default model, about an hour', line: 'persona bench' },
    {
      does: 'a first look at a model of yours',
      line: 'persona bench --model llama.gguf --threads 8 --quick',
    },
    { does: 'hold a machine to the goals', line: 'persona bench --only decode,watch --gate --json' },
  ]);
}

async function measure(session: Session, options: BenchOptions): Promise<void | typeof GATE_NOT_MET> {
  const { threads, only = GROUPS } = options;
  const { signal } = session;
  const size = options.quick ? QUICK : FULL;
  const loadBefore = systemLoad();
  if (loadBefore > BUSY)
    session.human(`other programs are at work here (load ${loadBefore.toFixed(1)}): expect noise`);
  const trait = await loadTrait(TRAIT);
  const settings = { threads, parallel: PARALLEL, context: CONTEXT };
  await using chat = await openModel(session, { ...options, ...settings });
  await using bare = await openBareLoop({ ...settings, modelPath: chat.path });
  session.detail(
    `the bare loop finds its tokens by ${bare.picksBy === 'view' ? 'a loop over the logits' : "llama.cpp's sampler"}`,
  );

  const bench = { chat, bare, trait, size, signal };
  await using server = only.some((group) => group === 'serve' || group === 'wait')
    ? await serveForBench(chat, (problem) => session.human(problem))
    : undefined;
  const lines = [...(await benchLines(bench)), ...(server ? serveLines(bench, server) : [])].filter(
    ({ group }) => only.includes(group),
  );
  const total = lines.reduce((sum, { repeats }) => sum + repeats + 1, 0);
  const progress = session.progress({ label: 'bench', total, unit: 'pairs' });
  const figures: Figure[] = [];
  let done = 0;
  for (const line of lines) {
    figures.push(await measureLine(line, () => progress.update(++done, line.group), signal));
  }
  progress.done();

  const machine = describeMachine(chat, threads, loadBefore);
  session.result(
    { machine, quick: options.quick ?? false, bareLoopPicksBy: bare.picksBy, size, figures },
    report(machine, figures),
  );
  if (options.gate && figures.some(({ met }) => met === false)) return GATE_NOT_MET;
}

/** What people read. */
export function report(machine: Machine, figures: readonly Figure[]): string {
  const { cpu, cores, threads, model, devices, loadBefore } = machine;
  const rows = figures.map(({ what, against, unit, measured, reference, ratio, goal, met }) => [
    what,
    count(measured.median),
    against,
    count(reference.median),
    unit,
    ratio.median.toFixed(3),
    `${ratio.low.toFixed(3)}–${ratio.high.toFixed(3)}`,
    goal === undefined ? '–' : `≥ ${goal}`,
    met === undefined ? '–' : met ? 'met' : 'NOT MET',
  ]);
  return [
    `${model.name} ${model.quantization} (${count(model.parameters / 1e6)} M parameters), ${threads} threads of ${cores} cores, ${cpu}`,
    ...devices.map((line) => `  ${line}`),
    `  load before the run ${loadBefore.toFixed(2)}`,
    '',
    table(['measured', 'rate', 'against', 'rate', 'unit', 'ratio', 'quartiles', 'goal', ''], rows),
    '',
    'Rates are medians; the ratio is the median of neighbouring pairs, with its quartiles.',
  ].join('\n');
}

function groups(text: string): Group[] {
  return text.split(',').map((part) => {
    const found = GROUPS.find((group) => group === part.trim());
    if (found === undefined) throw new InvalidArgumentError(`"${part}" is none of ${GROUPS.join(', ')}.`);
    return found;
  });
}
