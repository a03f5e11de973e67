/** `persona serve`: the model behind OpenAI's HTTP interface, steered and watched request by request. */

import { once } from 'node:events';
import { statSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { PersonaError } from '../errors.ts';
import { parseWatch, watchedLayer, type WatchSpec } from '../monitor/watch.ts';
import { buildApp } from '../server/app.ts';
import { listen } from '../server/listen.ts';
import { served, type Served } from '../server/served.ts';
import { loadVector } from '../server/vectors.ts';
import { formatSpec, parseSpec, type SteerSpec } from '../steer/spec.ts';
import { steeringOf } from '../steer/resolve.ts';
import { readVector } from '../vector/file.ts';
import { isFile, vectorName, vectorPath } from '../vector/find.ts';
import { describe } from './kit/help.ts';
import { addModelOptions, type ModelOptions, openModel } from './kit/model-options.ts';
import { integer, repeated } from './kit/options.ts';
import { run, type Session } from './kit/run.ts';
import { SPEC_HELP } from './kit/steering-options.ts';

interface ServeOptions extends ModelOptions {
  vector?: string[];
  steer?: SteerSpec[];
  monitor?: WatchSpec[];
  host: string;
  port: number;
  alias?: string[];
  vectorsFolder?: string;
  cors?: string;
}

/** Answers written together, where --parallel is left out. */
const PARALLEL = 8;

export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .description("serve the model by OpenAI's HTTP interface, steered and watched");
  const options = [
    new Option(
      '--vector <vector>',
      'load PATH, or a name in the vectors folder, or NAME=PATH; may be repeated',
    ).argParser(repeated(String)),
    new Option('--steer <spec>', 'how requests are steered that say nothing; may be repeated').argParser(
      repeated((text) => parseSpec(text)),
    ),
    new Option(
      '--monitor <vector>',
      'what is watched where a request says nothing; may be repeated',
    ).argParser(repeated((text) => parseWatch(text))),
    new Option('--host <host>', 'address to listen on').default('127.0.0.1'),
    new Option('--port <n>', '0 for any free one').argParser(integer({ min: 0, max: 65_535 })).default(8080),
    new Option('--alias <name>', 'another name for the model in requests; may be repeated').argParser(
      repeated(String),
    ),
    new Option('--vectors-folder <folder>', 'requests may load vectors from here (default: from nowhere)'),
    new Option('--cors <origin>', 'let pages of this origin ask (default: none)'),
  ];
  for (const option of options) command.addOption(option.helpGroup('Serving:'));
  addModelOptions(command);
  command.addHelpText('after', SPEC_HELP);
  command.action(run(serve));
  describe(command, 'Serve and show', [
    { does: 'a model, and a vector to steer and watch it with', line: 'persona serve --vector evil.gguf' },
    {
      does: 'every answer steered and watched, unless its request says otherwise',
      line: 'persona serve --steer evil=-1 --monitor evil --port 9000',
    },
  ]);
}

async function serve(session: Session, options: ServeOptions): Promise<void> {
  const folder = options.vectorsFolder;
  if (folder !== undefined && !statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new PersonaError('USAGE', `--vectors-folder ${folder}: there is no such folder`);
  const wanted = await wantedVectors(options);

  await using model = await openModel(session, options, { parallel: PARALLEL });
  const all = served(model, {
    aliases: options.alias ?? [],
    vectorsFolder: folder,
    cors: options.cors,
  });
  for (const [name, path] of wanted.files) {
    const { note } = await loadVector(all, name, await readVector(path), path);
    if (note !== undefined) session.human(note);
  }
  all.defaults = defaultsOf(options, wanted, all);
  await using server = await listen(buildApp(all), all, options);

  const names = [...all.vectors.keys()];
  const { steering, monitor } = all.defaults;
  session.result(
    { url: server.url, port: server.port, model: model.identity.name, vectors: names, steering, monitor },
    [
      `${model.identity.name} at ${server.url}/v1`,
      `vectors: ${names.join(', ') || 'none'}`,
      ...(steering.length > 0 ? [`steering: ${steering.join(' ')}`] : []),
      ...(monitor.length > 0 ? [`watching: ${monitor.join(' ')}`] : []),
      `operations: ${server.url}/docs`,
    ].join('\n'),
  );
  if (!isLoopback(options.host))
    session.human(`warning: ${options.host} can be reached from other machines, and no key is asked for`);
  if (!session.signal.aborted) await once(session.signal, 'abort');
  await server.close();
}

interface Wanted {
  /** name → file */
  files: Map<string, string>;
  /** what --steer and --monitor call a vector → its name */
  names: Map<string, string>;
}

/** The vectors that --vector, --steer and --monitor name. */
async function wantedVectors({ vector = [], steer = [], monitor = [] }: ServeOptions): Promise<Wanted> {
  const files = new Map<string, string>();
  const names = new Map<string, string>();
  for (const given of vector) {
    const at = isFile(given) ? -1 : given.indexOf('=');
    const path = await vectorPath(given.slice(at + 1));
    add(at < 0 ? vectorName(path) : given.slice(0, at), path, `--vector ${given}`);
  }
  for (const { vector: given } of [...steer, ...monitor]) {
    const path = files.has(given) ? files.get(given)! : await vectorPath(given);
    const known = [...files].find(([, file]) => file === path)?.[0];
    names.set(given, files.has(given) ? given : (known ?? vectorName(path)));
    if (known === undefined) add(vectorName(path), path, given);
  }
  return { files, names };

  function add(name: string, path: string, given: string): void {
    const other = files.get(name);
    if (other !== undefined)
      throw new PersonaError('USAGE', `${given}: ${other} is called ${name} too`, {
        remedy: `Give it another name: --vector ${name}-2=${path}`,
      });
    files.set(name, path);
  }
}

/** @throws PersonaError of a default that could never be honoured */
function defaultsOf(
  { steer = [], monitor = [] }: ServeOptions,
  { names }: Wanted,
  { vectors, model }: Served,
): Served['defaults'] {
  const of = (given: string): string => names.get(given)!;
  const specs = steer.map((spec) => ({ ...spec, vector: of(spec.vector) }));
  for (const spec of specs) steeringOf(spec, vectors.get(spec.vector)!.vector, model.identity);
  const watches = monitor.map((spec) => ({ ...spec, vector: of(spec.vector) }));
  for (const spec of watches) watchedLayer(spec, vectors.get(spec.vector)!.vector);
  return {
    steering: specs.map(formatSpec),
    monitor: watches.map(({ vector, layer }) => (layer === undefined ? vector : `${vector}@${layer}`)),
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
