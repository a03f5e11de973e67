/** `/control-vectors`: which are loaded, one more from a file or an upload, one less. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { isPersonaError, PersonaError } from '../errors.ts';
import { readVector } from '../vector/file.ts';
import type { PersonaVector } from '../vector/vector.ts';
import { ApiError, refuse } from './errors.ts';
import { readBytes, readJson } from './read-body.ts';
import type { Served } from './served.ts';
import { checkName, describeVector, loadVector, readFromFolder } from './vectors.ts';

export const loadBody: z.ZodType<{ name: string; path: string }> = z
  .strictObject({
    name: z.string().min(1),
    path: z.string().min(1).describe('a file in the vectors folder of the server'),
  })
  .openapi('LoadVector');

export function addVectorRoutes(app: OpenAPIHono, served: Served): void {
  app.get('/control-vectors', async (c) => {
    await served.caller(c);
    return c.json([...served.vectors].map(([name, loaded]) => describeVector(name, loaded)));
  });
  app.post('/control-vectors', async (c) => {
    await served.caller(c);
    checkManaged(served);
    const { name, vector, source } = await vectorOf(c, served);
    const { loaded, note } = await loadVector(served, name, vector, source);
    return c.json({ ...describeVector(name, loaded), ...(note !== undefined && { note }) }, 201);
  });
  app.delete('/control-vectors/:name', async (c) => {
    await served.caller(c);
    checkManaged(served);
    const name = c.req.param('name');
    if (!served.vectors.has(name))
      throw new ApiError(`no vector ${JSON.stringify(name)} is loaded`, {
        status: 404,
        param: 'name',
        code: 'vector_not_found',
      });
    const { steering, monitor } = served.defaults;
    const user = [...steering, ...monitor].find((text) => nameIn(text, served) === name);
    if (user !== undefined)
      throw new ApiError(`${name} is part of what this server does by default (${user})`, {
        status: 409,
        param: 'name',
        code: 'vector_in_use',
      });
    if (served.policies.vectors?.().has(name))
      throw new ApiError(`${name} is part of a policy`, {
        status: 409,
        param: 'name',
        code: 'vector_in_use',
      });
    served.vectors.delete(name);
    return c.json({ name, unloaded: true });
  });
}

function checkManaged({ manageVectors }: Served): void {
  if (manageVectors) return;
  throw new ApiError('vectors of this server are not loaded and unloaded over HTTP (--manage-vectors)', {
    status: 403,
    code: 'forbidden',
  });
}

/** The vector's name in a SPEC or WATCH: the longest name of a loaded one that it begins with. */
function nameIn(text: string, { vectors }: Served): string | undefined {
  return [...vectors.keys()]
    .filter((name) => text === name || (/^[=@:/]/.test(text.slice(name.length)) && text.startsWith(name)))
    .toSorted((a, b) => b.length - a.length)[0];
}

interface Given {
  name: string;
  vector: PersonaVector;
  source: string;
}

async function vectorOf(c: Context, served: Served): Promise<Given> {
  const request = c.req.raw;
  const type = request.headers.get('content-type') ?? '';
  if (/^multipart\/form-data/i.test(type)) {
    const bytes = await readBytes(request, served.limits.upload);
    const form = await new Response(new Uint8Array(bytes), { headers: { 'content-type': type } })
      .formData()
      .catch(() => Promise.reject(new ApiError('the body is not multipart/form-data')));
    const [name, file] = [form.get('name'), form.get('file')];
    if (typeof name !== 'string') throw refuse('name', 'absent', 'missing_required_parameter');
    if (!(file instanceof Blob))
      throw refuse('file', 'absent: expected a file', 'missing_required_parameter');
    checkName(name, served);
    return { name, vector: await fromBytes(await file.bytes()), source: 'upload' };
  }
  if (/^application\/octet-stream/i.test(type)) {
    const name = c.req.query('name');
    if (name === undefined) throw refuse('name', 'absent: ?name=…', 'missing_required_parameter');
    checkName(name, served);
    return {
      name,
      vector: await fromBytes(await readBytes(request, served.limits.upload)),
      source: 'upload',
    };
  }
  const { name, path } = await readJson(request, loadBody, served.limits.body);
  checkName(name, served);
  return { name, vector: await readFromFolder(served.vectorsFolder, path), source: path };
}

async function fromBytes(bytes: Uint8Array): Promise<PersonaVector> {
  const folder = await mkdtemp(join(tmpdir(), 'persona-upload-'));
  const path = join(folder, 'vector.gguf');
  try {
    await writeFile(path, bytes);
    return await readVector(path);
  } catch (error) {
    if (!isPersonaError(error)) throw error;
    throw new PersonaError(error.code, error.message.replaceAll(path, 'the upload'), { cause: error });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
