/**
 * Screening at scale, killed on the way: rows that are all different, `persona screen` killed with SIGKILL at random
 * rows and started again, until it is done; then every row has to be in log and output once, in order. What the host and
 * its engine hold in memory is sampled and told by tenths of the rows: it should be flat.
 *
 *     node bench/screen-scale.ts --run FOLDER [--rows 100000] [--kills 5] [--method prompt] [--seconds 300]
 *       [--model M --vector V] [--parallel 32] [--threads 2]
 *
 * Without a model the tiny planted one of the tests is used. Ends after so many seconds by one more kill (exit code 75);
 * the same command goes on.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { table } from '../src/cli/kit/table.ts';
import { writeWhole } from '../src/files/write-whole.ts';
import { random } from '../src/math/random.ts';
import { preparePlanted } from '../test/support/start-persona.ts';
import { writePlantedVector } from '../test/support/planted-vector.ts';

const TENTHS = 10;
const POLL_MS = 250;
/** Beside the model. MiB */
const MOST_MEMORY = 1024;
/** To be gone on with, as sysexits.h has it. */
const GO_ON = 75;

const { values } = parseArgs({
  options: {
    run: { type: 'string' },
    rows: { type: 'string', default: '100000' },
    kills: { type: 'string', default: '5' },
    method: { type: 'string', default: 'prompt' },
    seconds: { type: 'string', default: '300' },
    model: { type: 'string' },
    vector: { type: 'string' },
    parallel: { type: 'string', default: '32' },
    threads: { type: 'string', default: '2' },
  },
});
if (values.run === undefined) throw new Error('the first lines of bench/screen-scale.ts say what it takes');
const run = resolve(values.run);
const at = (name: string): string => join(run, name);
const rows = Number(values.rows);
const wanted = Number(values.kills);
const log = at('out.jsonl.screen/rows.jsonl');
const deadline = performance.now() + 1000 * Number(values.seconds);

/** What is known so far, also by the next command. */
interface State {
  killedAt: number[];
  /** seconds of work, restarts included */
  seconds: number;
  /** most MiB of host and engine, by the tenth of the rows that was being screened; the last is the writing */
  host: number[];
  engine: number[];
}

const state: State = existsSync(at('state.json'))
  ? (JSON.parse(readFileSync(at('state.json'), 'utf8')) as State)
  : { killedAt: [], seconds: 0, host: [], engine: [] };

async function writeRows(): Promise<void> {
  const file = createWriteStream(at('rows.jsonl'));
  for (let i = 0; i < rows; i++) {
    const row = { id: i, prompt: `what comes after ${i}.`, completion: `after ${i} comes ${i + 1}.` };
    if (!file.write(`${JSON.stringify(row)}\n`)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
}

/** Counts the lines of a log as it grows, from where it was last looked at. */
function lineCounter(path: string): () => Promise<number> {
  let [bytes, lines] = [0, 0];
  return async () => {
    if (!existsSync(path)) return 0;
    for await (const block of createReadStream(path, { start: bytes }) as AsyncIterable<Buffer>) {
      bytes += block.length;
      for (const byte of block) if (byte === 0x0a) lines++;
    }
    return lines;
  };
}

function memoryOf(pid: string | number): number {
  try {
    return Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0; // it has just ended
  }
}

function childrenOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
    );
  } catch {
    return [];
  }
}

function start(): ChildProcess {
  const bin = new URL('../src/cli/bin.ts', import.meta.url).pathname;
  const { model = 'planted.gguf', vector = 'v.gguf', method, parallel, threads } = values;
  const given = { '--model': model, '--vector': vector, '--method': method, '--parallel': parallel };
  const own = values.model === undefined ? { PERSONA_HOME: at('home') } : {};
  return spawn(
    process.execPath,
    [bin, 'screen', 'rows.jsonl', '-o', 'out.jsonl', '--context', '256', '--threads', threads, ...Object.entries(given).flat()],
    { cwd: run, env: { ...process.env, ...own }, stdio: ['ignore', 'ignore', 'pipe'] },
  ); // prettier-ignore
}

async function work(): Promise<'done' | 'killed' | 'late'> {
  const begun = performance.now();
  const child = start();
  let told = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (told = (told + text).slice(-2000)));
  const ended = once(child, 'close');
  const lines = lineCounter(log);
  const before = await lines();
  const chance = random(state.killedAt.length);
  const left = wanted - state.killedAt.length;
  const killAt = left > 0 ? before + Math.ceil(((rows - before) / (left + 1)) * (0.5 + chance.uniform())) : Infinity; // prettier-ignore
  let why: 'done' | 'killed' | 'late' = 'done';
  while (child.exitCode === null && child.signalCode === null) {
    await sleep(POLL_MS);
    const done = await lines();
    const tenth = Math.min(TENTHS, Math.floor((TENTHS * done) / rows));
    const engine = childrenOf(child.pid!).reduce((sum, pid) => sum + memoryOf(pid), 0);
    state.host[tenth] = Math.max(state.host[tenth] ?? 0, memoryOf(child.pid!));
    state.engine[tenth] = Math.max(state.engine[tenth] ?? 0, engine);
    if (done >= killAt && done < rows) why = 'killed';
    else if (performance.now() > deadline) why = 'late';
    if (why === 'done') continue;
    child.kill('SIGKILL');
    if (why === 'killed') state.killedAt.push(done);
    break;
  }
  const [code] = (await ended) as [number | null];
  state.seconds += (performance.now() - begun) / 1000;
  await writeWhole(at('state.json'), JSON.stringify(state));
  process.stderr.write(`${why} at row ${await lines()}\n`);
  if (why === 'done' && code !== 0) throw new Error(`persona screen ended with ${code}: ${told}`);
  return why;
}

/** The numbers in the order of a file's lines have to be 0, 1, 2, … */
async function inOrder(path: string, numberOf: (row: Record<string, number>) => number): Promise<number> {
  let next = 0;
  for await (const line of createInterface({ input: createReadStream(path) }))
    if (numberOf(JSON.parse(line) as Record<string, number>) !== next++)
      throw new Error(`${path}:${next}: not row ${next - 1}`);
  return next;
}

mkdirSync(run, { recursive: true });
if (!existsSync(at('state.json'))) {
  if (values.model === undefined) {
    await preparePlanted(run);
    await writePlantedVector(run);
  }
  await writeRows();
}
for (;;) {
  const why = await work();
  if (why === 'done') break;
  if (why === 'late') process.exit(GO_ON);
}
const logged = await inOrder(log, ({ row }) => row! - 1);
const written = await inOrder(at('out.jsonl'), ({ id }) => id!);
const total = state.host.map((host, tenth) => host + (state.engine[tenth] ?? 0));
console.log(
  table(
    ['rows', 'host, MiB at most', 'engine, MiB at most'],
    state.host.map((host, tenth) => [
      tenth === TENTHS ? 'writing' : `${tenth * TENTHS}–${(tenth + 1) * TENTHS} %`,
      host.toFixed(0),
      (state.engine[tenth] ?? 0).toFixed(0),
    ]),
  ),
);
console.log(
  `${rows} rows by ${values.method}, killed ${state.killedAt.length} times (after rows ${state.killedAt.join(', ')}): ` +
    `${logged} in the log and ${written} in the output, each once and in order; ${state.seconds.toFixed(0)} s in all`,
);
process.exit(Math.max(...total) < MOST_MEMORY && logged === rows && written === rows ? 0 : 100);
