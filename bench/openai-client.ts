/**
 * Python's official client against a server that this starts.
 *
 *   PY=python node bench/openai-client.ts [--vector VECTOR.gguf] [--model M]
 *
 * PY is a Python with `openai`. Without a vector the tiny model of the tests is served. Ends as openai-client.py does.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startServer, tinyFolder } from './start-server.ts';

const { values } = parseArgs({ options: { vector: { type: 'string' }, model: { type: 'string' } } });
const given =
  values.vector === undefined
    ? await tinyFolder()
    : { path: mkdtempSync(join(tmpdir(), 'persona-serve-')), tiny: [], vector: resolve(values.vector) };
const model = values.model === undefined ? given.tiny : ['--model', values.model];
await using server = await startServer(given, [...model, '--vector', `trait=${given.vector}`, '--no-events']);
const script = fileURLToPath(new URL('openai-client.py', import.meta.url));
const child = spawn(process.env['PY'] ?? 'python3', [script, `${server.url}/v1`, 'trait'], {
  stdio: 'inherit',
});
const [code] = (await once(child, 'exit')) as [number | null];
process.exitCode = code ?? 1;
