/**
 * Data sets of the Hugging Face hub, or a mirror of it: `hf:owner/repo[@REVISION][:PATH]`, or as other tools write it
 * `hf://datasets/owner/repo[@REVISION][/PATH]`. PATH is a file, a folder or a pattern in the repository; left out, all
 * of its Parquet files, or where it has none all of its data. REVISION `~parquet` is the hub's own copy as Parquet.
 *
 *     data/hf/OWNER/REPO/COMMIT/listing.json    what the repository held at that commit
 *     data/hf/OWNER/REPO/COMMIT/…               its files, at their paths there
 *
 * Data that is here is used without asking the hub, as models are.
 */

import { mkdir } from 'node:fs/promises';
import { join, matchesGlob } from 'node:path';
import { PersonaError } from '../../errors.ts';
import { writeWhole } from '../../files/write-whole.ts';
import { holdsFiles } from '../../model/check-file.ts';
import type { RepoFile } from '../../model/choose-file.ts';
import { requireDiskSpace } from '../../model/disk-space.ts';
import { downloadFile } from '../../model/download.ts';
import { homeFolder } from '../../model/home.ts';
import { connectHub, type HubOptions, type Listing } from '../../model/hub.ts';
import { withLock } from '../../model/lock.ts';
import type { Progress } from '../../model/progress.ts';
import { readListings, shortCommit } from '../../model/pull-hub.ts';

export interface HubDataOptions extends HubOptions {
  /** folder of the cache. @default homeFolder() */
  home?: string | undefined;
  /** only what is here already. HF_HUB_OFFLINE counts. */
  offline?: boolean | undefined;
  onNote?: ((note: string) => void) | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

export interface HubData {
  repo: string;
  revision?: string;
  /** file, folder or pattern in the repository */
  path?: string;
}

const OWNED = '[A-Za-z0-9][\\w.-]*/[A-Za-z0-9][\\w.-]*';
const FORMS = [
  new RegExp(`^hf:(?<repo>${OWNED})(?:@(?<revision>[\\w.~/-]+))?(?::(?<path>[^:]+))?$`),
  new RegExp(`^hf://datasets/(?<repo>${OWNED})(?:@(?<revision>[\\w.~-]+))?(?:/(?<path>.+))?$`),
];
/** As the hub calls the branch that it converts data sets into. */
const CONVERTED = { name: '~parquet', revision: 'refs/convert/parquet' };

export function isHubData(text: string): boolean {
  return text.startsWith('hf:');
}

/**
 * parseHubData('hf:o/r:train/*.parquet') = { repo: 'o/r', path: 'train/*.parquet' }
 * @throws PersonaError USAGE
 */
export function parseHubData(text: string): HubData {
  const found = FORMS.map((form) => form.exec(text)).find((match) => match !== null)?.groups;
  if (found === undefined)
    throw new PersonaError('USAGE', `${JSON.stringify(text)} is not of the form hf:owner/repo[:PATH]`, {
      remedy: 'For example hf:owner/data:train/*.parquet, or hf://datasets/owner/data/train.parquet.',
    });
  const { repo, revision, path } = found;
  const known = revision === CONVERTED.name ? CONVERTED.revision : revision;
  return {
    repo: repo!,
    ...(known !== undefined && { revision: known }),
    ...(path !== undefined && { path: path.replace(/\/+$/, '') }),
  };
}

/** Of a repository that is here, with the revision that was asked for. */
type Kept = Listing & { revision?: string };

/**
 * Paths on this disk, fetched where they are missing.
 * @param isData whether a name is one of data
 * @throws PersonaError NOT_FOUND, DOWNLOAD, USAGE, ABORTED
 */
export async function hubDataPaths(
  text: string,
  isData: (path: string) => boolean,
  options: HubDataOptions = {},
): Promise<string[]> {
  const data = parseHubData(text);
  const { home = homeFolder(options.env && { env: options.env }), onNote, signal } = options;
  const folder = join(home, 'data', 'hf', ...data.repo.split('/'));
  const kept = await keptPaths(folder, data, isData);
  if (kept) return kept;
  if (options.offline ?? /^(1|true|yes|on)$/i.test((options.env ?? process.env)['HF_HUB_OFFLINE'] ?? ''))
    throw new PersonaError('DOWNLOAD', `${text} is not in ${folder}, and may not be fetched offline`, {
      remedy: 'Fetch it once with a network.',
    });
  const wait = (): void => onNote?.(`another process is fetching from ${data.repo}; waiting for it`);
  return await withLock(
    join(folder, '.lock'),
    { signal, onWait: wait },
    async () =>
      (await keptPaths(folder, data, isData)) ?? (await fetchPaths(text, data, folder, isData, options)),
  );
}

async function keptPaths(
  folder: string,
  data: HubData,
  isData: (path: string) => boolean,
): Promise<string[] | undefined> {
  for (const { listing, at } of await readListings(folder)) {
    const { revision } = listing as Kept;
    if (revision !== data.revision && listing.commit !== data.revision) continue;
    const files = chosen(listing.files, data.path, isData);
    if (await holdsFiles(at, files)) return files.map(({ path }) => join(at, path));
  }
  return undefined;
}

async function fetchPaths(
  text: string,
  data: HubData,
  folder: string,
  isData: (path: string) => boolean,
  options: HubDataOptions,
): Promise<string[]> {
  const { revision } = data;
  const hub = await connectHub(data.repo, { ...options, kind: 'dataset', revision });
  const listing: Kept = { ...(await hub.list()), ...(revision !== undefined && { revision }) };
  const files = chosen(listing.files, data.path, isData);
  if (files.length === 0)
    throw new PersonaError('NOT_FOUND', `${text}: there is no data among ${listing.files.length} files`, {
      remedy: `Its own copy as Parquet may be there: hf:${data.repo}@${CONVERTED.name}`,
    });
  const at = join(folder, shortCommit(listing.commit));
  await mkdir(at, { recursive: true });
  await requireDiskSpace(
    at,
    files.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  options.onNote?.(`${data.repo} is licensed under ${listing.license ?? 'terms that its page states'}`);
  for (const [i, file] of files.entries()) {
    if (await holdsFiles(at, [file])) continue;
    const { path, bytes, sha256 } = file;
    const target = join(at, path);
    await downloadFile(hub.urlOf(listing.commit, path), target, {
      label: files.length === 1 ? path : `${path} (${i + 1} of ${files.length})`,
      bytes,
      sha256,
      headers: hub.headers,
      fetch: hub.fetch,
      remedyFor: (status) => hub.remedyFor(status),
      signal: options.signal,
      onProgress: options.onProgress,
      onNote: options.onNote,
    });
  }
  // last, so that a listing always means that somebody finished here once
  await writeWhole(join(at, 'listing.json'), JSON.stringify(listing, null, 1));
  return files.map(({ path }) => join(at, path));
}

function chosen(
  files: readonly RepoFile[],
  wanted: string | undefined,
  isData: (path: string) => boolean,
): RepoFile[] {
  const data = files.filter(({ path }) => isData(path)).sort((a, b) => (a.path < b.path ? -1 : 1));
  if (wanted !== undefined)
    return data.filter(
      ({ path }) => path === wanted || path.startsWith(`${wanted}/`) || matchesGlob(path, wanted),
    );
  const parquet = data.filter(({ path }) => /\.parquet$/i.test(path));
  return parquet.length > 0 ? parquet : data;
}
