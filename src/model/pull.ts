/** From what a user calls a model to a file that can be opened: a path, a name of the catalog, or `hf:owner/repo`. */

import { basename } from 'node:path';
import { isPersonaError, PersonaError } from '../errors.ts';
import { catalog, defaultModelName, findPackaged } from './catalog.ts';
import { checkModelFile } from './check-file.ts';
import { splitPartOf } from './file-name.ts';
import { homeFolder, modelsFolder } from './home.ts';
import { pullFromHub } from './pull-hub.ts';
import { pullPackaged } from './pull-packaged.ts';
import type { ResolvedModel, ResolveOptions } from './resolved-model.ts';

/**
 * Finds the model, and fetches it first when it is not here.
 * @param nameOrPath a path, `NAME[:quant]` of the catalog, `hf:owner/repo[:quant]`; absent: the default model
 * @throws PersonaError NOT_FOUND, BAD_FILE, DOWNLOAD, USAGE or ABORTED
 */
export async function resolveModel(
  nameOrPath: string | undefined,
  options: ResolveOptions = {},
): Promise<ResolvedModel> {
  const home = options.home ?? homeFolder({ ...(options.env && { env: options.env }) });
  const models = modelsFolder(home);
  const here = { ...options, home };
  const wish = nameOrPath ?? defaultModelName;
  if (wish.startsWith('hf:')) return await pullFromHub(wish, models, here);
  const [name, wanted] = splitOnce(wish, ':');
  const packaged = findPackaged(name);
  if (packaged) {
    if (nameOrPath === undefined) options.onNote?.(`no model was named: using ${packaged.name}`);
    return await pullPackaged(packaged, wanted, models, here);
  }
  try {
    return { path: await checkModelFile(wish), name: fileStem(wish), source: 'file' };
  } catch (error) {
    if (looksLikePath(wish) || !isPersonaError(error) || error.code !== 'NOT_FOUND') throw error;
    const names = catalog.map((model) => model.name).join(', ');
    throw new PersonaError('NOT_FOUND', `there is no model or file called ${JSON.stringify(wish)}`, {
      remedy: `Give one of ${names}, or hf:owner/repo[:quant], or the path of a .gguf file.`,
    });
  }
}

/** `models/x-Q8_0-00001-of-00002.gguf` → `x-Q8_0` */
function fileStem(path: string): string {
  return basename(splitPartOf(path)?.stem ?? path).replace(/\.gguf$/i, '');
}

function looksLikePath(wish: string): boolean {
  return /[\\/]/.test(wish) || /\.gguf$/i.test(wish);
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}
