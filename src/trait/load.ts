/** Traits from disk: those that ship with the package, by name, and the user's own, by path. */

import { readdir, readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { PersonaError } from '../errors.ts';
import { checkTrait } from './check.ts';
import { closestNames } from './closest.ts';
import { badTrait, parseTrait } from './schema.ts';
import type { Trait } from './trait.ts';

/** `traits/` at the package root: two levels up from src/trait/ and from dist/trait/ alike. */
const SHIPPED = new URL('../../traits/', import.meta.url);

/** The reference code's file stems where they differ from our names (paper §0.4). */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['sycophantic', 'sycophancy'],
  ['hallucinating', 'hallucination'],
]);

/** A trait is about 8 kB of text; what is a hundred times longer is some other file. */
const MAX_TRAIT_BYTES = 1_000_000;

/** The names of the shipped traits, in alphabetical order. */
export async function listTraits(): Promise<string[]> {
  const files = await readdir(SHIPPED);
  return files
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
}

/**
 * Loads a trait that is fit for use: its file is well formed and breaks no rule of `checkTrait` (warnings are let through).
 * @param nameOrPath a shipped trait's name or alias; or, when it ends in `.json` or holds a slash, a path to a trait file
 * @throws PersonaError NOT_FOUND when there is no such trait or file, BAD_TRAIT when it has mistakes
 */
export async function loadTrait(nameOrPath: string): Promise<Trait> {
  const path = isPath(nameOrPath) ? nameOrPath : await shippedPath(nameOrPath);
  const trait = await readTrait(path);
  const { errors } = checkTrait(trait);
  if (errors.length > 0) {
    throw badTrait(
      path,
      errors.map(({ path: field, message }) => `${field}: ${message}`),
    );
  }
  return trait;
}

/**
 * Reads a trait file without judging its texts, for whoever wants to show all that `checkTrait` finds.
 * @throws PersonaError NOT_FOUND, or BAD_TRAIT when it is not JSON or a field is missing, unknown or of the wrong type
 */
export async function readTrait(path: string): Promise<Trait> {
  const text = await readText(path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw badTrait(path, [`not JSON: ${(cause as SyntaxError).message}`], cause);
  }
  return parseTrait(value, path);
}

function isPath(nameOrPath: string): boolean {
  return nameOrPath.endsWith('.json') || /[/\\]/.test(nameOrPath);
}

async function shippedPath(name: string): Promise<string> {
  const names = await listTraits();
  const wanted = ALIASES.get(name) ?? name;
  if (names.includes(wanted)) return fileURLToPath(new URL(`${wanted}.json`, SHIPPED));
  const near = closestNames(name, [...names, ...ALIASES.keys()]);
  throw new PersonaError('NOT_FOUND', `No trait is called ${JSON.stringify(name)}`, {
    remedy: `${near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `There are ${names.join(', ')}.`} A trait file of your own is named by a path that ends in .json.`,
  });
}

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > MAX_TRAIT_BYTES) {
      throw badTrait(path, [
        `${size} bytes is too long for a trait file, expected at most ${MAX_TRAIT_BYTES}`,
      ]);
    }
    const text = await readFile(path, 'utf8');
    return text.replace(/^\uFEFF/, '');
  } catch (cause) {
    if (cause instanceof PersonaError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new PersonaError('NOT_FOUND', `No trait file at ${path}`, { cause });
    }
    throw badTrait(path, [`cannot be read: ${message}`], cause);
  }
}
