/** What lies in the cache of models. Looks, and removes nothing. */

import { readdir, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { catalog } from './catalog.ts';
import { chooseFiles } from './choose-file.ts';
import { isLaterPart } from './check-file.ts';
import { quantizationOf, splitPartsOf } from './file-name.ts';
import { homeFolder, modelsFolder } from './home.ts';
import type { Listing } from './hub.ts';
import { describeSource, readListings, repoFolder } from './pull-hub.ts';
import { sourceOf } from './pull-packaged.ts';

export interface CachedModel {
  /** What to give as --model to have this file. */
  name: string;
  /** The file's own name; of a split model the first part's. */
  file: string;
  /** All parts together. */
  bytes: number;
  parts: number;
  /** As the file's name says it. */
  quantization?: string;
  /** `pip …`, `hf:owner/repo@commit`, or `file` for one that somebody put there. */
  source: string;
  license?: string;
  path: string;
}

export async function listModels(home: string = homeFolder()): Promise<CachedModel[]> {
  const models = modelsFolder(home);
  const names = await readdir(models, { recursive: true }).catch(() => []);
  const found: CachedModel[] = [];
  for (const name of names.toSorted((a, b) => a.localeCompare(b))) {
    const hidden = name.split(sep).some((part) => part.startsWith('.'));
    if (hidden || !/\.gguf$/i.test(name) || isLaterPart(name)) continue;
    const model = await describe(models, name);
    if (model) found.push(model);
  }
  return found;
}

/** @returns undefined for a split model of which a part has not come yet */
async function describe(models: string, name: string): Promise<CachedModel | undefined> {
  const path = join(models, name);
  const sizes = await Promise.all(splitPartsOf(path).map((part) => stat(part).catch(() => undefined)));
  if (!sizes.every((size) => size !== undefined)) return undefined;
  const quantization = quantizationOf(name);
  return {
    ...(await originOf(models, name)),
    file: name.split(sep).at(-1)!,
    bytes: sizes.reduce((sum, { size }) => sum + size, 0),
    parts: sizes.length,
    ...(quantization && { quantization }),
    path,
  };
}

async function originOf(
  models: string,
  name: string,
): Promise<Pick<CachedModel, 'name' | 'source' | 'license'>> {
  const [top, owner, repo, commit, ...rest] = name.split(sep);
  const packaged = catalog.find((model) => model.name === top);
  if (packaged) {
    const usual = packaged.derived?.file ?? packaged.file;
    const suffix = owner === usual ? '' : `:${quantizationOf(name)}`;
    return { name: packaged.name + suffix, source: sourceOf(packaged), license: packaged.license };
  }
  if (top === 'hf' && commit && rest.length > 0) {
    const at = join(models, top, owner!, repo!, commit);
    const listings = await readListings(repoFolder(models, `${owner}/${repo}`));
    const listing = listings.find((each) => relative(each.at, at) === '')?.listing;
    if (listing) return originOnHub(listing, rest.join('/'));
  }
  return { name: join(models, name), source: 'file' };
}

function originOnHub(listing: Listing, path: string): Pick<CachedModel, 'name' | 'source' | 'license'> {
  const quantization = quantizationOf(path);
  const wanted = quantization && meansFile(listing, quantization, path) ? quantization : path;
  const license = listing.license ? { license: listing.license } : {};
  return { name: `hf:${listing.repo}:${wanted}`, source: describeSource(listing), ...license };
}

function meansFile(listing: Listing, quantization: string, path: string): boolean {
  try {
    return chooseFiles(listing.files, quantization)[0]?.path === path;
  } catch {
    return false; // several files are of that quantisation
  }
}
