/** What a Hugging Face hub, or a mirror of it, says of one repository: its files at one commit, and where each lies. */

import { isPersonaError, PersonaError } from '../errors.ts';
import { abortedError } from './abort.ts';
import { modelFiles, type RepoFile } from './choose-file.ts';

/** No repository of models, and hardly one of data, is larger; keeps a broken hub from filling the memory. */
const maxFiles = 20_000;

export interface HubOptions {
  signal?: AbortSignal | undefined;
  /** HF_TOKEN and HF_ENDPOINT count. @default process.env */
  env?: Record<string, string | undefined> | undefined;
  /** @default $HF_ENDPOINT, else the public hub */
  hubUrl?: string | undefined;
  /** @default global fetch */
  fetch?: typeof fetch | undefined;
}

export interface Listing {
  repo: string;
  commit: string;
  /** ISO time at which the hub was asked. */
  listed: string;
  license?: string;
  files: RepoFile[];
}

/** What is in a repository; data sets have addresses of their own. */
export interface RepoKind {
  /** @default 'model' */
  kind?: 'model' | 'dataset' | undefined;
  /** branch, tag or commit. @default the hub's own */
  revision?: string | undefined;
}

/** A repository as seen with this user's address and token. */
export interface HubConnection {
  list(): Promise<Listing>;
  urlOf(commit: string, path: string): string;
  headers: Record<string, string>;
  fetch: typeof fetch;
  remedyFor(status: number): string | undefined;
}

export async function connectHub(repo: string, options: HubOptions & RepoKind): Promise<HubConnection> {
  // slow to load
  const { HUB_URL, HubApiError, datasetInfo, listFiles, modelInfo } = await import('@huggingface/hub');
  const isData = options.kind === 'dataset';
  const page = isData ? `datasets/${repo}` : repo;
  const env = options.env ?? process.env;
  const hubUrl = (options.hubUrl || env['HF_ENDPOINT'] || HUB_URL).replace(/\/+$/, '');
  const token = env['HF_TOKEN']?.trim();
  const { signal } = options;
  const get = options.fetch ?? fetch;
  const abortable: typeof fetch = (input, init) => get(input, { ...init, ...(signal && { signal }) });
  const access = { hubUrl, fetch: abortable, ...(token && { accessToken: token }) };

  function remedyFor(status: number): string | undefined {
    if (status === 401 || status === 403) {
      return token
        ? `Accept the terms on its page, ${hubUrl}/${page}, with the account that HF_TOKEN belongs to.`
        : `Check the name. A private or gated one needs a token in HF_TOKEN, and its terms accepted at ${hubUrl}/${page}.`;
    }
    return status === 404 ? 'Check owner and name; a private repository also needs HF_TOKEN.' : undefined;
  }

  async function list(): Promise<Listing> {
    try {
      const asked = {
        name: repo,
        additionalFields: ['sha' as const, 'tags' as const],
        ...(options.revision !== undefined && { revision: options.revision }),
        ...access,
      };
      const info = isData ? await datasetInfo(asked) : await modelInfo(asked);
      const commit = info.sha;
      if (!/^[0-9a-f]{40,64}$/.test(commit))
        throw new Error(`the hub gave no commit, but ${JSON.stringify(commit)}`);
      const license = info.tags?.find((tag) => tag.startsWith('license:'))?.slice('license:'.length);
      const files: RepoFile[] = [];
      let seen = 0;
      for await (const entry of listFiles({
        repo: { type: isData ? 'dataset' : 'model', name: repo },
        recursive: true,
        revision: commit,
        ...access,
      })) {
        if (++seen > maxFiles) throw new Error(`the repository has more than ${maxFiles} files`);
        if (entry.type !== 'file') continue;
        if (isData && !isSafe(entry.path)) continue; // one odd name among thousands, and rarely the one wanted
        const bytes = entry.lfs?.size ?? entry.size;
        files.push({ path: safePath(entry.path), bytes, ...(entry.lfs && { sha256: entry.lfs.oid }) });
      }
      const listed = new Date().toISOString();
      return { repo, commit, listed, ...(license && { license }), files: isData ? files : modelFiles(files) };
    } catch (error) {
      if (signal?.aborted) throw abortedError(signal);
      if (isPersonaError(error)) throw error;
      throw listError(error as Error);
    }
  }

  function listError(error: Error): PersonaError {
    if (error instanceof HubApiError) {
      const remedy = remedyFor(error.statusCode);
      const code = error.statusCode === 404 ? 'NOT_FOUND' : 'DOWNLOAD';
      const message = `hf:${repo}: the hub answered ${error.statusCode}: ${error.message}`;
      return new PersonaError(code, message, { cause: error, ...(remedy && { remedy }) });
    }
    if (error instanceof TypeError && error.message.includes('access token')) {
      return new PersonaError('USAGE', `HF_TOKEN is not a hub token: ${error.message}`, { cause: error });
    }
    const reason = error.cause instanceof Error ? error.cause.message || String(error.cause) : error.message;
    return new PersonaError('DOWNLOAD', `cannot ask ${hubUrl} for ${repo}: ${reason}`, {
      remedy: `Check the network, or set HF_ENDPOINT to a mirror that can be reached, or give ${isData ? 'a file that is here' : '--model PATH'}.`,
      cause: error,
    });
  }

  return {
    list,
    urlOf: (commit, path) =>
      `${hubUrl}/${page}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`,
    headers: token ? { authorization: `Bearer ${token}` } : {},
    fetch: get,
    remedyFor,
  };
}

/** A path of the hub becomes a path on this disk: it must stay in its folder. */
function safePath(path: string): string {
  if (!isSafe(path)) {
    throw new PersonaError('DOWNLOAD', `the hub listed a file at an unsafe path: ${JSON.stringify(path)}`);
  }
  return path;
}

function isSafe(path: string): boolean {
  const parts = path.split('/');
  return !parts.some((part) => part === '' || part === '.' || part === '..' || /[\\:\0]/.test(part));
}
