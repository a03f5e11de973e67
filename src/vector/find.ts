/**
 * From what a user calls a vector to the vector: the path of a file, or the name of one in the vectors folder
 * (`evil` = VECTORS/evil.gguf).
 */

import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PersonaError } from '../errors.ts';
import { vectorsFolder } from '../model/home.ts';
import { closestNames } from '../trait/closest.ts';
import { readVector } from './file.ts';
import { listVectorFiles } from './list.ts';
import type { PersonaVector } from './vector.ts';

export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** What may follow a vector in what a user writes, as in `evil=1.5@14:add/all`. */
const SEPARATOR = /[=@:/]/;

/**
 * Splits `VECTOR=…`, `VECTOR@…`, `VECTOR:…` and `VECTOR/…` after VECTOR. Paths may hold these characters too, so
 * VECTOR is the longest beginning that is an existing file; else the longest that ends in `.gguf`; else what stands
 * before the first `=`, `@` or `:` (a slash belongs to a path).
 *
 * splitVector('a=b/evil.gguf=2@14') = ['a=b/evil.gguf', '=2@14']
 */
export function splitVector(
  text: string,
  exists: (path: string) => boolean = isFile,
): [vector: string, rest: string] {
  const ends = [text.length];
  for (let at = text.length - 1; at >= 0; at--) if (SEPARATOR.test(text[at]!)) ends.push(at);
  const end =
    ends.find((at) => exists(text.slice(0, at))) ??
    ends.find((at) => /\.gguf$/i.test(text.slice(0, at))) ??
    ends.findLast((at) => at === text.length || text[at] !== '/')!;
  return [text.slice(0, end), text.slice(end)];
}

/** @throws PersonaError NOT_FOUND naming the vectors there are, BAD_VECTOR or BAD_FILE */
export async function findVector(
  nameOrPath: string,
  folder: string = vectorsFolder(),
): Promise<PersonaVector> {
  return await readVector(await vectorPath(nameOrPath, folder));
}

/** The file of a vector. A file where the path points wins over a name. */
export async function vectorPath(nameOrPath: string, folder: string = vectorsFolder()): Promise<string> {
  if (isFile(nameOrPath)) return nameOrPath;
  const named = join(folder, `${nameOrPath}.gguf`);
  const isName = nameOrPath !== '' && basename(nameOrPath) === nameOrPath;
  if (isName && isFile(named)) return named;
  const names = (await listVectorFiles(folder)).map(vectorName);
  const near = closestNames(nameOrPath, names);
  const known = names.length > 0 ? `There are ${names.join(', ')}.` : `${folder} holds none yet.`;
  throw new PersonaError('NOT_FOUND', `there is no vector file or name ${JSON.stringify(nameOrPath)}`, {
    remedy:
      near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `Give the path of a vector file. ${known}`,
  });
}

/** `some/folder/evil.gguf` → `evil` */
export function vectorName(path: string): string {
  return basename(path).replace(/\.gguf$/i, '');
}

/** A finder that reads each vector once. */
export function vectorFinder(folder?: string): (nameOrPath: string) => Promise<PersonaVector> {
  const read = new Map<string, Promise<PersonaVector>>();
  return (nameOrPath) => {
    const known = read.get(nameOrPath) ?? findVector(nameOrPath, folder);
    read.set(nameOrPath, known);
    return known;
  };
}
