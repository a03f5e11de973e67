import { spawn } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { modelFileHash } from '../../src/model/identity.ts';
import { listModels } from '../../src/model/list.ts';
import { parseHubName } from '../../src/model/pull-hub.ts';
import { resolveModel } from '../../src/model/pull.ts';
import type { ResolveOptions } from '../../src/model/resolved-model.ts';
import { commit, fakeGguf, sha256Of, startHub, type HubServer, type HubServerOptions } from './hub-server.ts';
import { temporaryHome } from './temporary-home.ts';

const q8 = fakeGguf(50_000);
const parts = [fakeGguf(20_000), fakeGguf(10_000)] as const;
const files = {
  'README.md': Buffer.from('# m'),
  'm-Q8_0.gguf': q8,
  'F16/m-F16-00001-of-00002.gguf': parts[0],
  'F16/m-F16-00002-of-00002.gguf': parts[1],
};

async function withHub(
  options: Partial<HubServerOptions>,
  body: (hub: HubServer, home: string, resolveOptions: ResolveOptions & { notes: string[] }) => Promise<void>,
): Promise<void> {
  await using hub = await startHub({ repos: { 'o/r': files }, ...options });
  await using home = await temporaryHome();
  const notes: string[] = [];
  const onNote = (note: string): void => void notes.push(note);
  await body(hub, home.path, { home: home.path, hubUrl: hub.url, env: {}, onNote, notes });
}

test('hf: names are taken apart, and wrong ones refused', () => {
  expect(parseHubName('hf:o/r')).toEqual({ repo: 'o/r' });
  expect(parseHubName('hf:Org-1/r.x_y:Q8_0')).toEqual({ repo: 'Org-1/r.x_y', wanted: 'Q8_0' });
  for (const wrong of ['hf:r', 'hf:o/r:', 'hf:../r', 'hf:o/..', 'hf:o/r/s', 'hf:o/r:Q8:0']) {
    expect(() => parseHubName(wrong), wrong).toThrow(/is not of the form/);
  }
});

test('the preferred file comes once; from then on no request is made', () =>
  withHub({}, async (hub, home, options) => {
    const model = await resolveModel('hf:o/r', options);
    expect(model).toMatchObject({ name: 'hf:o/r', source: `hf:o/r@${commit.slice(0, 12)}` });
    expect(await readFile(model.path)).toEqual(q8);
    expect(options.notes).toContain('o/r is licensed under mit');
    const asked = hub.requests.length;
    expect(await resolveModel('hf:o/r', { ...options, offline: true })).toEqual(model);
    expect(hub.requests).toHaveLength(asked);
    expect(await modelFileHash(model.path, { home, onProgress: () => expect.unreachable() })).toBe(
      sha256Of(q8),
    );
  }));

test('all parts of a split model come, each checked, and the first is the path', () =>
  withHub({}, async (_hub, home, options) => {
    const labels = new Set<string>();
    const { path } = await resolveModel('hf:o/r:f16', {
      ...options,
      onProgress: ({ label }) => labels.add(label),
    });
    expect(path).toMatch(/F16\/m-F16-00001-of-00002\.gguf$/);
    expect(await readFile(path.replace('00001-of', '00002-of'))).toEqual(parts[1]);
    expect([...labels]).toEqual(
      Object.keys(files)
        .slice(2)
        .map((file, i) => `${file} (${i + 1} of 2)`),
    );
    const hashes = parts.map(sha256Of).join('\n');
    expect(await modelFileHash(path, { home })).toBe(sha256Of(Buffer.from(hashes)));
  }));

test('the cache lists what can be named, and leaves out a split model that lacks a part', () =>
  withHub({}, async (_hub, home, options) => {
    await resolveModel('hf:o/r', options);
    const { path } = await resolveModel('hf:o/r:F16', options);
    const split = {
      name: 'hf:o/r:F16',
      file: 'm-F16-00001-of-00002.gguf',
      bytes: 30_000,
      parts: 2,
      quantization: 'F16',
      license: 'mit',
      path,
    };
    const listed = await listModels(home);
    expect(listed).toEqual([
      { ...split, source: `hf:o/r@${commit.slice(0, 12)}` },
      expect.objectContaining({ name: 'hf:o/r:Q8_0', bytes: q8.length, parts: 1 }),
    ]);
    for (const { name, path: at } of listed)
      expect((await resolveModel(name, { ...options, offline: true })).path).toBe(at);
    await rm(path.replace('00001-of', '00002-of'));
    expect((await listModels(home)).map(({ name }) => name)).toEqual(['hf:o/r:Q8_0']);
  }));

test('a file that somebody put into the cache is listed by its path', async () => {
  await using home = await temporaryHome();
  expect(await listModels(home.path)).toEqual([]);
  await withHub({}, async (_hub, at, options) => {
    const { path } = await resolveModel('hf:o/r', options);
    await writeFile(join(at, 'models', 'own.gguf'), q8);
    await rm(join(dirname(path), 'listing.json'));
    const listed = await listModels(at);
    expect(listed.map(({ name, source }) => [name, source])).toEqual([
      [path, 'file'],
      [join(at, 'models', 'own.gguf'), 'file'],
    ]);
  });
});

test('HF_TOKEN and HF_ENDPOINT of the environment count; a hub that wants a token says so', () =>
  withHub({ token: 'hf_secret' }, async (hub, home, given) => {
    const options = { ...given, hubUrl: undefined };
    const env = { HF_ENDPOINT: `${hub.url}/`, HF_TOKEN: 'hf_secret' };
    const refused = resolveModel('hf:o/r', { ...options, env: { HF_ENDPOINT: hub.url } });
    await expect(refused).rejects.toMatchObject({
      code: 'DOWNLOAD',
      remedy: expect.stringContaining('HF_TOKEN'),
    });
    await expect(
      resolveModel('hf:o/r', { ...options, env: { ...env, HF_TOKEN: 'x' } }),
    ).rejects.toMatchObject({ code: 'USAGE' });
    expect((await resolveModel('hf:o/r', { ...options, home, env })).path).toContain('Q8_0');
    expect(hub.authorizations.at(-1)).toBe('Bearer hf_secret');
  }));

test('a missing repository, a missing quantisation, an unreachable hub', () =>
  withHub({}, async (_hub, _home, options) => {
    await expect(resolveModel('hf:o/none', options)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(resolveModel('hf:o/r:Q2_K', options)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('hf:o/r: there is none called Q2_K; there are m-Q8_0.gguf'),
    });
    const nobody = { ...options, hubUrl: 'http://127.0.0.1:9' };
    await expect(resolveModel('hf:o/r', nobody)).rejects.toMatchObject({
      code: 'DOWNLOAD',
      remedy: expect.stringContaining('HF_ENDPOINT'),
    });
    await expect(resolveModel('hf:o/r', { ...options, env: { HF_HUB_OFFLINE: '1' } })).rejects.toThrow(
      /offline/,
    );
  }));

test('a file that is not what the hub listed is refused, and not left in the cache', () =>
  withHub({ claimedSha256: 'b'.repeat(64) }, async (_hub, home, options) => {
    await expect(resolveModel('hf:o/r', options)).rejects.toThrow(/expected sha256 b{64}, got/);
    expect(await listModels(home)).toEqual([]);
  }));

test('a hub cannot make us write outside of the cache', () =>
  withHub({ repos: { 'o/r': { '../../../evil-Q8_0.gguf': q8 } } }, async (_hub, _home, options) => {
    await expect(resolveModel('hf:o/r', options)).rejects.toThrow(/unsafe path/);
  }));

test('a stop before the listing is a stop', () =>
  withHub({}, async (_hub, _home, options) => {
    await expect(resolveModel('hf:o/r', { ...options, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  }));

test('two processes that pull the same model at once fetch it once, and both have it', () =>
  withHub({ delayMs: 600, cuts: 1 }, async (hub, home) => {
    const env = { ...process.env, PERSONA_HOME: home, HF_ENDPOINT: hub.url };
    const pull = async () => {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'pull-child.ts'), 'hf:o/r'], { env });
      const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
      return { path: out.trim(), err };
    };
    const [one, two] = await Promise.all([pull(), pull()]);
    expect(one.path, one.err + two.err).toBe(two.path);
    expect(await readFile(one.path)).toEqual(q8);
    expect(
      hub.requests.filter((line) => line.includes('Q8_0.gguf') && !line.includes('bytes=')),
    ).toHaveLength(1);
    expect((one.err + two.err).match(/another process is fetching/g)).toHaveLength(1);
  }));
