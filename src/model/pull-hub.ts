/**
 * Models from the Hugging Face hub, or a mirror of it: `hf:owner/repo[:quant]`.
 *
 *     models/hf/OWNER/REPO/COMMIT/listing.json    what the repository held at that commit
 *     models/hf/OWNER/REPO/COMMIT/…               its files, at their paths there
 *
 * A model that is here is used without asking the hub: the same name gives the same weights tomorrow, online or not.
 * To have a newer upload, remove the folder.
 */

import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isPersonaError, PersonaError } from '../errors.ts';
import { writeWhole } from '../files/write-whole.ts';
import { holdsFiles } from './check-file.ts';
import { chooseFiles, type RepoFile } from './choose-file.ts';
import { requireDiskSpace } from './disk-space.ts';
import { downloadFile } from './download.ts';
import { connectHub, type Listing } from './hub.ts';
import { rememberHash } from './identity.ts';
import { withLock } from './lock.ts';
import type { ResolvedModel, ResolveOptions } from './resolved-model.ts';
import { partialPath } from './write-verified.ts';

/** Enough of a commit's name to be one of a kind in a repository; keeps paths short. */
const commitLength = 12;

export interface HubName {
  repo: string;
  /** A quantisation, or a file of the repository. */
  wanted?: string;
}

/** @throws PersonaError USAGE */
export function parseHubName(name: string): HubName {
  const match = /^hf:([A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*)(?::([^:]+))?$/.exec(name);
  if (!match) {
    throw new PersonaError('USAGE', `${JSON.stringify(name)} is not of the form hf:owner/repo[:quant]`, {
      remedy: 'For example hf:owner/model-GGUF:Q8_0.',
    });
  }
  const [, repo, wanted] = match;
  return { repo: repo!, ...(wanted && { wanted }) };
}

/** The name of a commit's folder. */
export function shortCommit(commit: string): string {
  return commit.slice(0, commitLength);
}

/** The models folder's part that belongs to one repository. */
export function repoFolder(models: string, repo: string): string {
  return join(models, 'hf', ...repo.split('/'));
}

/** Finds the model in `models`, or brings it there. */
export async function pullFromHub(
  name: string,
  models: string,
  options: ResolveOptions,
): Promise<ResolvedModel> {
  const hubName = parseHubName(name);
  const folder = repoFolder(models, hubName.repo);
  const cached = await findCached(folder, hubName, name);
  if (cached) return cached;
  const env = options.env ?? process.env;
  if (options.offline ?? /^(1|true|yes|on)$/i.test(env['HF_HUB_OFFLINE'] ?? '')) {
    throw new PersonaError('DOWNLOAD', `${name} is not in ${folder}, and may not be fetched offline`, {
      remedy: 'Fetch it once with a network: persona models pull NAME.',
    });
  }
  const wait = (): void =>
    options.onNote?.(`another process is fetching from ${hubName.repo}; waiting for it`);
  return await withLock(join(folder, '.lock'), { signal: options.signal, onWait: wait }, async () => {
    const arrived = await findCached(folder, hubName, name);
    return arrived ?? (await fetchModel(hubName, name, folder, options));
  });
}

async function findCached(
  folder: string,
  { wanted }: HubName,
  name: string,
): Promise<ResolvedModel | undefined> {
  for (const { listing, at } of await readListings(folder)) {
    try {
      const files = chooseFiles(listing.files, wanted);
      if (await holdsFiles(at, files)) {
        return { path: join(at, files[0]!.path), name, source: describeSource(listing) };
      }
    } catch (error) {
      if (!isPersonaError(error)) throw error; // that commit has no such model; an older one may
    }
  }
  return undefined;
}

export function describeSource(listing: Pick<Listing, 'repo' | 'commit'>): string {
  return `hf:${listing.repo}@${shortCommit(listing.commit)}`;
}

/** The commits of one repository that are here, the last asked for first. */
export async function readListings(folder: string): Promise<{ listing: Listing; at: string }[]> {
  const commits = await readdir(folder).catch(() => []);
  const found: { listing: Listing; at: string }[] = [];
  for (const commit of commits) {
    const at = join(folder, commit);
    const text = await readFile(join(at, 'listing.json'), 'utf8').catch(() => undefined);
    if (text !== undefined) found.push({ listing: JSON.parse(text) as Listing, at });
  }
  return found.sort((a, b) => b.listing.listed.localeCompare(a.listing.listed));
}

async function fetchModel(
  { repo, wanted }: HubName,
  name: string,
  folder: string,
  options: ResolveOptions,
): Promise<ResolvedModel> {
  const { signal, onProgress, onNote } = options;
  const hub = await connectHub(repo, options);
  const listing = await hub.list();
  const files = chooseFilesOf(repo, listing.files, wanted);
  const at = join(folder, shortCommit(listing.commit));
  await mkdir(at, { recursive: true });
  await requireDiskSpace(at, await missingBytes(at, files));
  onNote?.(`${repo} is licensed under ${listing.license ?? 'terms that its page states'}`);
  for (const [i, file] of files.entries()) {
    const target = join(at, file.path);
    if (await holdsFiles(at, [file])) continue;
    const label = files.length === 1 ? file.path : `${file.path} (${i + 1} of ${files.length})`;
    const got = await downloadFile(hub.urlOf(listing.commit, file.path), target, {
      label,
      bytes: file.bytes,
      sha256: file.sha256,
      headers: hub.headers,
      fetch: hub.fetch,
      remedyFor: (status) => hub.remedyFor(status),
      signal,
      onProgress,
      onNote,
    });
    await rememberHash(target, got.sha256, options.home);
  }
  // Last, so that a listing always means that somebody finished here once.
  await writeWhole(join(at, 'listing.json'), JSON.stringify(listing, null, 1));
  return { path: join(at, files[0]!.path), name, source: describeSource(listing) };
}

function chooseFilesOf(repo: string, files: RepoFile[], wanted: string | undefined): RepoFile[] {
  try {
    return chooseFiles(files, wanted);
  } catch (error) {
    if (!(error instanceof PersonaError)) throw error;
    const remedy = error.remedy ? { remedy: error.remedy } : {};
    throw new PersonaError(error.code, `hf:${repo}: ${error.message}`, remedy);
  }
}

/** What is yet to come, counting what an earlier run left as come. */
async function missingBytes(at: string, files: readonly RepoFile[]): Promise<number> {
  let missing = 0;
  for (const file of files) {
    if (await holdsFiles(at, [file])) continue;
    const partial = await stat(partialPath(join(at, file.path))).catch(() => undefined);
    missing += Math.max(0, file.bytes - (partial?.size ?? 0));
  }
  return missing;
}
