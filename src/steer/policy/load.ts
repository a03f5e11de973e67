/** Reads a persona.yaml: plain YAML without tags of its own, checked, with errors that name line, column and field. */

import { existsSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { PersonaError } from '../../errors.ts';
import { fieldPath } from '../../files/check-json.ts';
import { decodeText } from '../../files/decode-text.ts';
import { readCapped } from '../../files/read-capped.ts';
import { configSchema, type PersonaConfig } from './config.ts';
import { type Problem, problemsOf } from './strict.ts';

/** A configuration of a thousand keys is far below this; more is another kind of file (CWE-770). */
const MAX_CONFIG_BYTES = 2 ** 20;
/** How often anchors may be repeated in all: aliases of aliases grow without end (CWE-776). */
const MAX_ALIASES = 100;
const SHOWN_PROBLEMS = 5;

/** @throws PersonaError NOT_FOUND, BAD_FILE */
export async function loadConfig(path: string): Promise<PersonaConfig> {
  const bytes = await readCapped(path, MAX_CONFIG_BYTES, 'a configuration');
  return placedAt(parseConfig(decodeText(bytes, path), path), dirname(resolve(path)));
}

/** @param name of the file, in errors */
export function parseConfig(text: string, name: string): PersonaConfig {
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  const document = documentOf(text, name, lines);
  const [wrong] = [...document.errors, ...document.warnings];
  if (wrong) throw new PersonaError('BAD_FILE', `${at(wrong.pos[0])}: not plain YAML: ${wrong.message}`);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    throw new PersonaError('BAD_FILE', `${name}: ${(error as Error).message}`, { cause: error });
  }
  const checked = configSchema.safeParse(value ?? {});
  if (checked.success) return checked.data;
  const problems = problemsOf(checked.error.issues);
  const told = problems.slice(0, SHOWN_PROBLEMS).map((problem) => {
    const place = at(offsetOf(document, problem));
    return problem.path.length === 0
      ? `${place}: ${problem.message}`
      : `${place}: ${fieldPath(problem.path)}: ${problem.message}`;
  });
  if (problems.length > told.length) told.push(`and ${problems.length - told.length} more`);
  throw new PersonaError('BAD_FILE', told.join('\n'), { cause: checked.error });
}

function documentOf(text: string, name: string, lineCounter: LineCounter): Document.Parsed {
  try {
    return parseDocument(text, { lineCounter, prettyErrors: false, resolveKnownTags: false });
  } catch (error) {
    // brackets within brackets, thousands of them
    throw new PersonaError('BAD_FILE', `${name}: cannot be read as YAML`, { cause: error });
  }
}

/** Where the value stands, or the name of its field; for what is not there, where it should be. */
function offsetOf(document: Document.Parsed, { path, isName }: Problem): number {
  for (let length = path.length; length > 0; length--) {
    const within = path.slice(0, length - 1);
    const parent = within.length === 0 ? document.contents : document.getIn(within, true);
    if (isMap(parent)) {
      const pair = parent.items.find(
        ({ key }) => isScalar(key) && String(key.value) === String(path[length - 1]),
      );
      const node = isName && length === path.length ? pair?.key : (pair?.value ?? pair?.key);
      if (isNode(node) && node.range) return node.range[0];
    }
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return document.contents?.range?.[0] ?? 0;
}

/** Paths are meant from the file's folder; what is no file there may be a name. */
function placedAt(config: PersonaConfig, folder: string): PersonaConfig {
  const placed = (text: string): string => {
    const path = resolve(folder, text);
    return !isAbsolute(text) && (existsSync(path) || looksLikePath(text)) ? path : text;
  };
  const { model, server, vectors } = config;
  return {
    ...config,
    ...(model !== undefined && { model: placed(model) }),
    server: { ...server, ...(server.record !== undefined && { record: resolve(folder, server.record) }) },
    vectors: Object.fromEntries(Object.entries(vectors).map(([name, path]) => [name, placed(path)])),
  };
}

/** `evil` and `hf:owner/repo` are names. */
function looksLikePath(text: string): boolean {
  return !/^hf:/i.test(text) && (/[/\\]/.test(text) || /\.gguf$/i.test(text));
}
