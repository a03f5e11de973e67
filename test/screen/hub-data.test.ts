/** Data sets of a hub: names, what is fetched of them, and that it is fetched once. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { dataFiles } from '../../src/screen/read/files.ts';
import { type HubDataOptions, parseHubData } from '../../src/screen/read/hub-data.ts';
import { type HubServer, type HubServerOptions, startHub } from '../model/hub-server.ts';
import { temporaryHome } from '../model/temporary-home.ts';

const files = {
  'README.md': Buffer.from('# d'),
  'data/train-0.parquet': Buffer.from('PAR1 train 0'),
  'data/train-1.parquet': Buffer.from('PAR1 train 1'),
  'data/test-0.parquet': Buffer.from('PAR1 test'),
  'raw/all.jsonl': Buffer.from('{}\n'),
  'odd:name.parquet': Buffer.from('PAR1 odd'),
};

async function withHub(
  options: Partial<HubServerOptions>,
  body: (read: (text: string) => Promise<string[]>, hub: HubServer, options: HubDataOptions) => Promise<void>,
): Promise<void> {
  const repos = { 'datasets/o/d': files, 'o/d': { 'model.gguf': Buffer.from('GGUF') } };
  await using hub = await startHub({ repos, ...options });
  await using home = await temporaryHome();
  const data: HubDataOptions = { home: home.path, hubUrl: hub.url, env: {} };
  const read = async (text: string): Promise<string[]> => {
    const found = await dataFiles([text], data);
    return found.map(({ path }) => readFileSync(path, 'utf8'));
  };
  await body(read, hub, data);
}

test('names are taken apart, in both spellings, and wrong ones refused', () => {
  expect(parseHubData('hf:o/d')).toEqual({ repo: 'o/d' });
  expect(parseHubData('hf:o/d:data/*.parquet')).toEqual({ repo: 'o/d', path: 'data/*.parquet' });
  expect(parseHubData('hf://datasets/o/d')).toEqual({ repo: 'o/d' });
  expect(parseHubData('hf://datasets/o/d@v1/data/')).toEqual({ repo: 'o/d', revision: 'v1', path: 'data' });
  expect(parseHubData('hf:o/d@~parquet').revision).toBe('refs/convert/parquet');
  for (const wrong of ['hf:d', 'hf:o/d/e', 'hf://o/d', 'hf:../d', 'hf:o/d:'])
    expect(() => parseHubData(wrong), wrong).toThrow(/is not of the form/);
});

test('all Parquet files, a folder, a pattern or one file; a name that no disk takes is passed over', () =>
  withHub({}, async (read) => {
    expect(await read('hf:o/d')).toEqual(['PAR1 test', 'PAR1 train 0', 'PAR1 train 1']);
    expect(await read('hf:o/d:data/train-*.parquet')).toEqual(['PAR1 train 0', 'PAR1 train 1']);
    expect(await read('hf://datasets/o/d/raw')).toEqual(['{}\n']);
    expect(await read('hf:o/d:data/test-0.parquet')).toEqual(['PAR1 test']);
    expect(await read('hf:o/d@~parquet:data/test-0.parquet')).toEqual(['PAR1 test']);
  }));

test('what is here is not asked for again, nor offline; the rest is', () =>
  withHub({}, async (read, hub, data) => {
    await read('hf:o/d:data/test-0.parquet');
    const asked = hub.requests.length;
    data.offline = true;
    expect(await read('hf://datasets/o/d/data/test-0.parquet')).toEqual(['PAR1 test']);
    expect(hub.requests).toHaveLength(asked);
    await expect(read('hf:o/d')).rejects.toThrow('may not be fetched offline');
    data.offline = false;
    await read('hf:o/d');
    expect(hub.requests.filter((one) => one.includes('test-0'))).toHaveLength(1);
  }));

test('a set that is not there, one without data, and one that needs a token say so', async () => {
  await withHub({}, async (read) => {
    await expect(read('hf:o/none')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(read('hf:o/d:*.csv')).rejects.toMatchObject({ code: 'NOT_FOUND', remedy: expect.stringContaining('hf:o/d@~parquet') }); // prettier-ignore
  });
  await withHub({ token: 'hf_x' }, async (read) => {
    await expect(read('hf:o/d')).rejects.toMatchObject({ remedy: expect.stringContaining('datasets/o/d') });
  });
});
