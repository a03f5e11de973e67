import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { buildApp } from '../../src/server/app.ts';
import { usePlantedServer } from '../support/planted-server.ts';
import type { Served } from '../../src/server/served.ts';
import { writeVector } from '../../src/vector/file.ts';
import { A_MODEL, aVector } from '../support/a-vector.ts';
import { folder } from '../support/folder.ts';

const server = usePlantedServer();
const metricsText = 'up 1\n';

/** A server with vectors of its own, so that tests do not see each other's. */
function own(changes: Partial<Served> = {}): Partial<Served> {
  return { vectors: new Map(server.served.vectors), ...changes };
}

async function get(path: string, changes: Partial<Served> = {}, init: RequestInit = {}): Promise<Response> {
  return await buildApp({ ...server.served, ...changes }).request(path, init);
}

interface Body {
  error: { message: string };
  openapi: string;
  paths: Record<string, { post: { responses: Record<'200', { content: object }> } }>;
  components: { schemas: Record<string, { properties: object }> };
}

async function said(response: Response): Promise<[status: number, body: Body]> {
  return [response.status, (await response.json()) as Body];
}

test('those that are loaded are told of', async () => {
  const [status, list] = await said(await get('/control-vectors'));
  expect(status).toBe(200);
  expect(list).toMatchObject([
    {
      name: 'pish',
      trait: 'pish',
      layers: 4,
      layer: 2,
      coefficient: 1.5,
      norm: expect.closeTo(3, 5),
      baseline: true,
    },
    { name: 'other', layer: null, coefficient: null, norm: null, baseline: false },
  ]);
});

test('one more from the folder, which then steers; and one less', async () => {
  const vectorsFolder = folder();
  mkdirSync(join(vectorsFolder, 'sub'));
  await writeVector(join(vectorsFolder, 'sub/mine.gguf'), { ...server.pish, trait: 'mine' });
  const changes = own({ vectorsFolder });
  const proofs = vi.spyOn(server.model.engine, 'run');
  const loaded = await server.ask('/control-vectors', { name: 'mine', path: 'sub/mine.gguf' }, changes);
  expect(await said(loaded)).toMatchObject([201, { name: 'mine', trait: 'mine', source: 'sub/mine.gguf' }]);
  expect(proofs).toHaveBeenCalledWith(expect.objectContaining({ edits: [expect.anything()] }));
  proofs.mockRestore();
  const { persona } = (await server.chat({ steering: 'mine', monitor: ['mine'] }, changes)).choices[0]!;
  expect(persona.steering).toMatchObject([{ vector: 'mine', coefficient: 1.5, layer: 2 }]);

  const again = await server.ask('/control-vectors', { name: 'mine', path: 'sub/mine.gguf' }, changes);
  expect(await said(again)).toMatchObject([409, { error: { code: 'vector_exists', param: 'name' } }]);
  expect((await get('/control-vectors/mine', changes, { method: 'DELETE' })).status).toBe(200);
  expect((await get('/control-vectors/mine', changes, { method: 'DELETE' })).status).toBe(404);
  const gone = await server.ask(
    '/v1/chat/completions',
    { messages: [{ role: 'user', content: 'a' }], steering: 'mine' },
    changes,
  );
  expect(await said(gone)).toMatchObject([400, { error: { code: 'vector_not_found' } }]);
});

test('nothing outside of the folder is read, by no way of writing it', async () => {
  const outer = folder();
  const vectorsFolder = join(outer, 'vectors');
  mkdirSync(vectorsFolder);
  await writeVector(join(outer, 'secret.gguf'), server.pish);
  await writeVector(`${vectorsFolder}-2.gguf`, server.pish);
  symlinkSync(join(outer, 'secret.gguf'), join(vectorsFolder, 'link.gguf'));
  symlinkSync(outer, join(vectorsFolder, 'up'));
  for (const path of [
    '../secret.gguf',
    join(outer, 'secret.gguf'),
    'link.gguf',
    'up/secret.gguf',
    '.',
    '..',
    '../vectors-2.gguf',
    'a/../../secret.gguf',
    'x\0y',
  ]) {
    const response = await server.ask('/control-vectors', { name: 'x', path }, own({ vectorsFolder }));
    expect(await said(response), path).toMatchObject([
      403,
      { error: { param: 'path', code: 'path_outside' } },
    ]);
  }
  const missing = await server.ask(
    '/control-vectors',
    { name: 'x', path: 'none.gguf' },
    own({ vectorsFolder }),
  );
  expect(missing.status).toBe(404);
  const closed = await server.ask('/control-vectors', { name: 'x', path: 'a.gguf' }, own());
  expect(await said(closed)).toMatchObject([403, { error: { code: 'no_vectors_folder' } }]);
});

test('an upload, as it is or in a form, and only so large', async () => {
  const path = join(folder(), 'v.gguf');
  await writeVector(path, server.pish);
  const bytes = new Uint8Array(await readFile(path));
  const changes = own();
  const raw = { body: bytes, headers: { 'content-type': 'application/octet-stream' } };
  expect((await server.ask('/control-vectors?name=raw', '', changes, raw)).status).toBe(201);
  const form = new FormData();
  form.set('name', 'form');
  form.set('file', new Blob([bytes]));
  expect((await server.ask('/control-vectors', '', changes, { body: form, headers: {} })).status).toBe(201);
  expect([...changes.vectors!.keys()]).toEqual(['pish', 'other', 'raw', 'form']);
  expect(changes.vectors!.get('raw')!.vector.directions).toEqual(server.pish.directions);

  const limits = { ...server.served.limits, upload: 100 };
  expect((await server.ask('/control-vectors?name=y', '', { ...changes, limits }, raw)).status).toBe(413);
  expect((await server.ask('/control-vectors', '', changes, raw)).status).toBe(400);
  const broken = { ...raw, body: bytes.slice(0, -8) };
  const [status, { error }] = await said(await server.ask('/control-vectors?name=y', '', changes, broken));
  expect(status).toBe(400);
  expect(error.message).toContain('the upload');
  expect(error.message).not.toContain('/tmp');
});

test('what cannot be served is not taken', async () => {
  const vectorsFolder = folder();
  await writeVector(
    join(vectorsFolder, 'wide.gguf'),
    aVector({
      model: { ...A_MODEL, width: 32, layers: 2 },
      directions: new Float32Array(64).fill(1),
      layer: 1,
      baseline: undefined as never,
      residualNorms: undefined as never,
    }),
  );
  await writeVector(join(vectorsFolder, 'zero.gguf'), {
    ...server.pish,
    directions: new Float32Array(server.pish.directions.length),
  });
  writeFileSync(join(vectorsFolder, 'text.gguf'), 'no vector');
  for (const [path, code] of [
    ['wide.gguf', 'wrong_model'],
    ['zero.gguf', 'bad_vector'],
    ['text.gguf', 'bad_file'],
  ]) {
    const response = await server.ask('/control-vectors', { name: 'x', path }, own({ vectorsFolder }));
    expect(await said(response), path).toMatchObject([400, { error: { code } }]);
  }
  for (const name of ['a=b', '../x', 'a/b', 'a@1', ''])
    expect(
      (await server.ask('/control-vectors', { name, path: 'zero.gguf' }, own({ vectorsFolder }))).status,
    ).toBe(400);
  const limits = { ...server.served.limits, vectors: 2 };
  expect(
    (await server.ask('/control-vectors', { name: 'x', path: 'zero.gguf' }, own({ vectorsFolder, limits })))
      .status,
  ).toBe(409);
});

test('what the server does by default stays loaded', async () => {
  const defaults = { steering: ['pish=1@2'], monitor: ['other@1'] };
  for (const name of ['pish', 'other'])
    expect((await get(`/control-vectors/${name}`, own({ defaults }), { method: 'DELETE' })).status).toBe(409);
});

test('status, description and the page', async () => {
  expect(await said(await get('/health'))).toMatchObject([200, { status: 'ok' }]);
  expect(await said(await get('/ready'))).toEqual([200, { status: 'ready' }]);
  expect((await get('/ready', { state: { draining: true } })).status).toBe(503);
  const [, description] = await said(await get('/openapi.json'));
  expect(description.openapi).toBe('3.1.0');
  const chat = description.paths['/v1/chat/completions']!.post.responses['200'].content;
  expect(Object.keys(chat)).toEqual(['application/json', 'text/event-stream']);
  const { properties } = description.components.schemas.ChatRequest!;
  expect(Object.keys(properties)).toEqual(
    expect.arrayContaining(['messages', 'steering', 'monitor', 'response_format']),
  );
  const refs = [...JSON.stringify(description).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
    ([, name]) => name!,
  );
  for (const name of refs) expect(description.components.schemas, name).toHaveProperty(name);
  const page = await (await get('/docs')).text();
  expect(page).toContain('/v1/chat/completions');
  expect(page.match(/(?:src|href)="(?!#)[^"]*"/g)).toEqual(['href="openapi.json"']); // nothing from elsewhere
  expect((await get('/metrics')).status).toBe(404);
  const metrics = (): string => metricsText;
  expect(await (await get('/metrics', { metrics })).text()).toBe(metricsText);
});

test('pages of other origins are not let in, but one that is named', async () => {
  const init = { headers: { origin: 'http://a.example' } };
  expect((await get('/v1/models', {}, init)).headers.get('access-control-allow-origin')).toBeNull();
  const cors = 'http://a.example';
  expect((await get('/v1/models', { cors }, init)).headers.get('access-control-allow-origin')).toBe(cors);
  const other = { headers: { origin: 'http://b.example' } };
  expect((await get('/v1/models', { cors }, other)).headers.get('access-control-allow-origin')).not.toBe(
    'http://b.example',
  );
});
