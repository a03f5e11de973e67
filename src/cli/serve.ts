/** `persona serve`: the model behind OpenAI's HTTP interface, steered and watched request by request. */

import { once } from 'node:events';
import { statSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { type Command, Option } from 'commander';
import { PersonaError } from '../errors.ts';
import { parseWatch, watchedLayer, type WatchSpec } from '../monitor/watch.ts';
import { buildApp } from '../server/app.ts';
import { equip } from '../server/equip.ts';
import { eventsPath } from '../server/events/database.ts';
import { listen } from '../server/listen.ts';
import { served, type Served } from '../server/served.ts';
import { loadVector } from '../server/vectors.ts';
import type { PersonaConfig } from '../steer/policy/config.ts';
import { loadConfig } from '../steer/policy/load.ts';
import { openMemory } from '../steer/policy/memory.ts';
import { policiesOf } from '../steer/policy/policies.ts';
import { reloadable } from '../steer/policy/reload.ts';
import { formatSpec, parseSpec, type SteerSpec } from '../steer/spec.ts';
import { steeringOf } from '../steer/resolve.ts';
import { readVector } from '../vector/file.ts';
import type { PersonaVector } from '../vector/vector.ts';
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
  host?: string;
  port?: number;
  alias?: string[];
  vectorsFolder?: string;
  cors?: string;
  manageVectors?: true;
  config?: string;
  keys?: string;
  events?: string | boolean;
  keepText?: true;
  log?: true;
  queue?: number;
  requestsPerMinute?: number;
  tokensPerMinute?: number;
  webhookHost?: string[];
}

/** Answers written together, where --parallel is left out. */
const PARALLEL = 8;
/**
 * MB. Under load each token makes garbage that dies at once; V8 would let the space for it grow to 32 MB thrice over.
 * bench/serve-memory.ts: the process stays below 250 MiB instead of 290, of which 35 are alive.
 */
const YOUNG_GENERATION = 8;

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
    new Option('--host <host>', 'address to listen on (default: 127.0.0.1)'),
    new Option('--port <n>', '0 for any free one (default: 8080)').argParser(
      integer({ min: 0, max: 65_535 }),
    ),
    new Option('--alias <name>', 'another name for the model in requests; may be repeated').argParser(
      repeated(String),
    ),
    new Option('--vectors-folder <folder>', 'requests may load vectors from here (default: from nowhere)'),
    new Option('--manage-vectors', 'who has a key may load and unload vectors (without keys, anybody may)'),
    new Option('--cors <origin>', 'let pages of this origin ask (default: none)'),
    new Option('--config <file>', 'persona.yaml: vectors, defaults, policies; read anew on SIGHUP'),
  ];
  const trust = [
    new Option(
      '--keys <file>',
      'only who has a key of this file may ask (persona keys add NAME --file FILE)',
    ),
    new Option('--queue <n>', 'requests that may wait (default: 64)').argParser(integer({ min: 0 })),
    new Option('--requests-per-minute <n>', 'of a key that has no limit of its own').argParser(
      integer({ min: 1 }),
    ),
    new Option('--tokens-per-minute <n>', 'of a key that has no limit of its own').argParser(
      integer({ min: 1 }),
    ),
    new Option(
      '--webhook-host <host>',
      'webhooks may go there though it is no public address; may be repeated',
    ).argParser(repeated(String)),
  ];
  const record = [
    new Option('--events [file]', 'remember every answer in this SQLite file (default: in the home folder)'),
    new Option('--no-events', 'remember nothing'),
    new Option('--keep-text', 'remember prompts and answers too'),
    new Option('--log', 'a JSON line an answer on stderr'),
  ];
  for (const option of options) command.addOption(option.helpGroup('Serving:'));
  for (const option of trust) command.addOption(option.helpGroup('Trust:'));
  for (const option of record) command.addOption(option.helpGroup('Record:'));
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

async function serve(session: Session, given: ServeOptions): Promise<void> {
  setFlagsFromString(`--max-semi-space-size=${YOUNG_GENERATION}`);
  setFlagsFromString('--semi-space-growth-factor=1'); // in a process that runs, the size alone is not kept to
  const config = given.config === undefined ? undefined : await loadConfig(given.config);
  const options = withConfig(given, config);
  const { host = '127.0.0.1', port = 8080, vectorsFolder: folder } = options;
  if (folder !== undefined && !statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new PersonaError('USAGE', `--vectors-folder ${folder}: there is no such folder`);
  const wanted = await wantedVectors(options);

  await using model = await openModel(session, options, { parallel: PARALLEL });
  const all = served(model, {
    aliases: options.alias ?? [],
    vectorsFolder: folder,
    manageVectors: options.manageVectors === true || options.keys === undefined,
    cors: options.cors,
    keepTexts: options.keepText === true,
  });
  await using _ = await equip(all, {
    keys: options.keys,
    events:
      options.events === false
        ? undefined
        : typeof options.events === 'string'
          ? options.events
          : eventsPath(),
    log: options.log === true,
    limits: { requestsPerMinute: options.requestsPerMinute, tokensPerMinute: options.tokensPerMinute },
    waiting: options.queue,
    webhooks: {
      secret: process.env['PERSONA_WEBHOOK_SECRET'],
      ...(options.webhookHost ? { allowPrivate: options.webhookHost } : {}),
    },
    tell: (problem) => session.human(problem),
  });
  for (const [name, path] of wanted.files) {
    const { note } = await loadVector(all, name, await readVector(path), path);
    if (note !== undefined) session.human(note);
  }
  all.defaults = defaultsOf(options, wanted, all);
  const reload = await underConfig(session, all, given);
  await using server = await listen(buildApp(all), all, { host, port });

  const names = [...all.vectors.keys()];
  const { steering, monitor } = all.defaults;
  const policies = Object.keys(config?.policies ?? {});
  session.result(
    {
      url: server.url,
      port: server.port,
      model: model.identity.name,
      vectors: names,
      steering,
      monitor,
      policies,
    },
    [
      `${model.identity.name} at ${server.url}/v1`,
      `vectors: ${names.join(', ') || 'none'}`,
      ...(steering.length > 0 ? [`steering: ${steering.join(' ')}`] : []),
      ...(monitor.length > 0 ? [`watching: ${monitor.join(' ')}`] : []),
      ...(policies.length > 0 ? [`policies: ${policies.join(', ')}`] : []),
      options.keys === undefined ? 'keys: none asked for' : `keys: those of ${options.keys}`,
      `operations: ${server.url}/docs`,
    ].join('\n'),
  );
  if (!isLoopback(host) && options.keys === undefined)
    session.human(`warning: ${host} can be reached from other machines, and no key is asked for`);
  const onHup = (): void => void reload();
  process.on('SIGHUP', onHup);
  if (!session.signal.aborted) await once(session.signal, 'abort');
  process.off('SIGHUP', onHup);
  await server.close();
}

/** What the command line says wins over the file. */
function withConfig(options: ServeOptions, config: PersonaConfig | undefined): ServeOptions {
  if (!config) return options;
  const { server } = config;
  if (server.cors !== undefined && typeof server.cors !== 'string' && server.cors !== false)
    throw new PersonaError('USAGE', 'server.cors: give one origin', {
      remedy: 'A page of any origin could otherwise ask in the name of whoever opens it.',
    });
  const own = Object.entries(config.vectors).map(([name, path]) => `${name}=${path}`);
  const known = new Set((options.vector ?? []).map((text) => text.split('=')[0]!));
  return {
    ...pick({ host: server.host, port: server.port, parallel: server.parallel, context: server.context }),
    ...pick({
      threads: server.threads,
      gpuLayers: server.gpuLayers,
      queue: server.queue,
      model: config.model,
    }),
    ...pick({ events: server.record, cors: typeof server.cors === 'string' ? server.cors : undefined }),
    ...(server.keepText === true ? { keepText: true as const } : {}),
    ...(config.defaults.steering.length > 0 ? { steer: config.defaults.steering } : {}),
    ...(config.defaults.monitor.length > 0
      ? { monitor: config.defaults.monitor.map((name) => parseWatch(name)) }
      : {}),
    ...pick(options),
    vector: [...(options.vector ?? []), ...own.filter((text) => !known.has(text.split('=')[0]!))],
  };
}

/** Without what is undefined. */
function pick<T extends object>(given: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

/** Policies of the file, and how to read it anew: new vectors are loaded, defaults and policies take the old ones' place. */
async function underConfig(session: Session, all: Served, given: ServeOptions): Promise<() => Promise<void>> {
  const path = given.config;
  if (path === undefined) return async () => session.human('SIGHUP: there is no --config to read anew');
  const memory = openMemory();
  const find = (name: string): PersonaVector | undefined => all.vectors.get(name)?.vector;
  const config = await reloadable(path, async (next) => {
    const options = withConfig(given, next);
    const wanted = await wantedVectors(options);
    for (const [name, file] of wanted.files)
      if (!all.vectors.has(name)) await loadVector(all, name, await readVector(file), file);
    return {
      defaults: defaultsOf(options, wanted, all),
      policies: policiesOf(next, find, all.model.identity, { memory }),
    };
  });
  Object.assign(all, config.current);
  return async () => {
    const read = await config.reload();
    if (read.changed) {
      Object.assign(all, config.current);
      session.human(`${path} was read anew`);
    } else session.human(`${path} stays as it was: ${(read.why as Error).message}`);
  };
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
