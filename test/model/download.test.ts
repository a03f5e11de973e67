import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { downloadFile, type DownloadOptions } from '../../src/model/download.ts';
import type { Progress } from '../../src/model/progress.ts';
import { commit, fakeGguf, sha256Of, startHub, type HubServerOptions } from './hub-server.ts';
import { temporaryHome } from './temporary-home.ts';

const content = fakeGguf(300_000);
const sha256 = sha256Of(content);

/** Downloads `content` from a hub that behaves as told. */
async function attempt(
  server: Omit<HubServerOptions, 'repos'>,
  options: Partial<DownloadOptions> = {},
  kept?: Buffer,
) {
  await using hub = await startHub({ repos: { 'o/r': { 'm.gguf': content } }, ...server });
  await using home = await temporaryHome();
  const target = join(home.path, 'm.gguf');
  if (kept) await writeFile(join(home.path, '.m.gguf.part'), kept);
  const notes: string[] = [];
  const progress: Progress[] = [];
  const error = await downloadFile(`${hub.url}/o/r/resolve/${commit}/m.gguf`, target, {
    label: 'm.gguf',
    bytes: content.length,
    sha256,
    retryMs: 1,
    onNote: (note) => notes.push(note),
    onProgress: (step) => progress.push(step),
    ...options,
  }).then(
    () => undefined,
    (reason: Error & { code?: string; remedy?: string }) => reason,
  );
  const left = await readdir(home.path);
  const got = left.includes('m.gguf')
    ? createHash('sha256')
        .update(await readFile(target))
        .digest('hex')
    : undefined;
  return { error, left, got, notes, progress, requests: hub.requests };
}

test('a file comes whole, with progress, and no other file stays', async () => {
  const { error, got, left, progress } = await attempt({});
  expect(error).toBeUndefined();
  expect(got).toBe(sha256);
  expect(left).toEqual(['m.gguf']);
  expect(progress.at(-1)).toEqual({
    label: 'm.gguf',
    done: content.length,
    total: content.length,
    unit: 'B',
  });
});

test('a cut connection is taken up where it ended', async () => {
  const { got, notes, requests } = await attempt({ cuts: 3 });
  expect(got).toBe(sha256);
  expect(notes).toHaveLength(3);
  expect(requests.slice(1).every((line) => /bytes=\d+-$/.test(line))).toBe(true);
});

test('what an earlier process left is not fetched again', async () => {
  const { got, requests } = await attempt({}, {}, content.subarray(0, 200_000));
  expect(got).toBe(sha256);
  expect(requests).toEqual([`GET /o/r/resolve/${commit}/m.gguf bytes=200000-`]);
});

test('a complete partial file needs no request; one that is too long is fetched anew', async () => {
  expect(await attempt({}, {}, content)).toMatchObject({ got: sha256, requests: [] });
  expect(await attempt({}, {}, Buffer.concat([content, content]))).toMatchObject({
    got: sha256,
    error: undefined,
  });
});

test('a server that ignores Range gives the whole file from its beginning', async () => {
  expect((await attempt({ noRange: true, cuts: 1 })).got).toBe(sha256);
});

test('without a known size the server’s is used', async () => {
  expect((await attempt({ cuts: 1 }, { bytes: undefined, sha256: undefined })).got).toBe(sha256);
});

test('other content is an error that names both hashes and leaves nothing', async () => {
  const other = 'a'.repeat(64);
  const { error, left } = await attempt({}, { sha256: other });
  expect(error).toMatchObject({ code: 'DOWNLOAD' });
  expect(error!.message).toContain(`expected sha256 ${other}, got ${sha256}`);
  expect(left).toEqual([]);
});

test('a wrong beginning from an earlier process is found out, and the next run is free of it', async () => {
  const { error, left } = await attempt({}, {}, Buffer.alloc(1000, 7));
  expect(error!.message).toMatch(/expected sha256/);
  expect(left).toEqual([]);
});

test('a file of another size is an error with both sizes', async () => {
  const { error, left } = await attempt({}, { bytes: 1000, sha256: undefined });
  expect(error!.message).toMatch(/expected 1000 bytes/);
  expect(left).toEqual([]);
});

test('a busy server is asked again; a final answer is final', async () => {
  expect((await attempt({ failures: { status: 503, times: 2 } })).got).toBe(sha256);
  expect((await attempt({ failures: { status: 429, times: 1 } })).got).toBe(sha256);
  const { error, requests } = await attempt(
    { failures: { status: 403, times: 9 } },
    { remedyFor: () => 'Ask.' },
  );
  expect(error).toMatchObject({ code: 'DOWNLOAD', remedy: 'Ask.' });
  expect(requests).toHaveLength(1);
});

test('a server that stays broken ends in an error that says how to go on', async () => {
  const { error, left } = await attempt({ failures: { status: 500, times: 99 } });
  expect(error).toMatchObject({ code: 'DOWNLOAD', remedy: expect.stringContaining('goes on after 0 bytes') });
  expect(left).toEqual(['.m.gguf.part']);
});

test('a silent connection is given up', async () => {
  const { error, notes } = await attempt({ silent: true }, { stallMs: 60 });
  expect(error).toBeInstanceOf(Error);
  expect(notes[0]).toMatch(/no data for 0.06 s/);
});

test('a stop keeps what has come', async () => {
  const stop = new AbortController();
  const { error, left } = await attempt(
    { silent: true },
    { signal: stop.signal, onProgress: () => stop.abort() },
  );
  expect(error).toMatchObject({ code: 'ABORTED' });
  expect(left).toEqual(['.m.gguf.part']);
});

test('nobody listening is a download error', async () => {
  await using home = await temporaryHome();
  const options = { label: 'm', retryMs: 1 };
  await expect(downloadFile('http://127.0.0.1:9/m', join(home.path, 'm'), options)).rejects.toMatchObject({
    code: 'DOWNLOAD',
  });
});
