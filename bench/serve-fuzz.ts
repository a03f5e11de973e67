/**
 * Schemathesis against `persona serve`: requests made from /openapi.json, good ones and broken ones. None may be
 * answered by 500, hang, or answer otherwise than the document says; and the server is well afterwards.
 *
 *   PY=python node bench/serve-fuzz.ts [--examples 700] [--seed 1]
 *
 * PY is a Python that has `schemathesis`. Serves the tiny model of the tests, since what is tried is the server. Ends
 * with 100 when schemathesis finds something.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startServer, tinyFolder } from './start-server.ts';

const { values } = parseArgs({
  options: { examples: { type: 'string', default: '700' }, seed: { type: 'string', default: '1' } },
});
/** A request of any kind is answered by then, s: an answer may fill its context. */
const TIMEOUT = '20';
/**
 * What the document promises. Not asked: whether each request that fits the schema is taken, since it may name a vector
 * that is not loaded; nor whether each that does not fit is refused, since fields that nobody knows pass.
 */
const CHECKS =
  'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance';

const folder = await tinyFolder();
const vectors = join(folder.path, 'vectors');
mkdirSync(vectors);
copyFileSync(folder.vector, join(vectors, 'trait.gguf'));
await using server = await startServer(folder, [
  ...folder.tiny,
  ...`--vector ${folder.vector} --vectors-folder ${vectors} --manage-vectors --parallel 4 --context 128 --events e.sqlite`.split(
    ' ',
  ),
]);
const fuzz = spawn(
  process.env['PY'] ?? 'python3',
  [
    '-m',
    'schemathesis.cli',
    'run',
    `${server.url}/openapi.json`,
    `--checks=${CHECKS}`,
    `--seed=${values.seed}`,
    `--max-examples=${values.examples}`,
    '--mode=all',
    '--phases=coverage,fuzzing',
    `--request-timeout=${TIMEOUT}`,
    '--continue-on-failure',
    '--no-color',
  ],
  { stdio: 'inherit', cwd: folder.path },
);
const [code] = (await once(fuzz, 'exit')) as [number | null];

const healthy = (await fetch(`${server.url}/ready`)).status;
const answer = await fetch(`${server.url}/v1/chat/completions`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ messages: [{ role: 'user', content: 'a' }], max_tokens: 3 }),
});
console.log(`afterwards: /ready ${healthy}, an answer ${answer.status}`);
const metrics = await (await fetch(`${server.url}/metrics`)).text();
console.log(
  metrics
    .split('\n')
    .filter((line) => /^persona_(answers|engine_restarts|events_lost|requests_refused)_total/.test(line))
    .join('\n'),
);
process.exitCode = code === 0 && healthy === 200 && answer.status === 200 ? 0 : 100;
