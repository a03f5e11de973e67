/** Is this path a GGUF model that can be opened? Answers with what is there instead, when it is not. */

import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PersonaError } from '../errors.ts';
import { splitPartOf, splitPartsOf } from './file-name.ts';

const pointAtFile =
  'Give the path of a .gguf file, a name from `persona models ls`, or hf:owner/repo[:quant].';

/**
 * @returns the path to open: of a split model the first part, whichever part was named
 * @throws PersonaError NOT_FOUND (also for a missing part) or BAD_FILE
 */
export async function checkModelFile(path: string): Promise<string> {
  const parts = splitPartsOf(path);
  for (const [i, part] of parts.entries()) {
    const found = await stat(part).catch(() => undefined);
    if (!found && parts.length > 1) {
      throw new PersonaError(
        'NOT_FOUND',
        `part ${i + 1} of ${parts.length} of the model is missing: ${part}`,
        {
          remedy: 'Put all parts into one folder.',
        },
      );
    }
    if (!found) throw new PersonaError('NOT_FOUND', `no such file: ${part}`, { remedy: pointAtFile });
    if (found.isDirectory()) {
      throw new PersonaError('BAD_FILE', `${part} is a folder, not a GGUF file`, { remedy: pointAtFile });
    }
    await checkMagic(part);
  }
  return parts[0]!;
}

/** Long enough to recognise what people mistake for a GGUF file. */
const headLength = 64;

async function checkMagic(path: string): Promise<void> {
  await using file = await open(path, 'r');
  const head = Buffer.alloc(headLength);
  const { bytesRead } = await file.read(head, 0, headLength, 0);
  const text = head.toString('latin1', 0, bytesRead);
  if (text.startsWith('GGUF')) return;
  const got =
    bytesRead === 0
      ? 'it is empty'
      : text.startsWith('version https://git-lfs')
        ? 'it is a Git LFS pointer, the file itself was not fetched (`git lfs pull` fetches it)'
        : text.startsWith('PK\x03\x04')
          ? 'it is a zip archive (a PyTorch checkpoint or a wheel)'
          : text.slice(8, 10) === '{"'
            ? 'it is a safetensors file'
            : `it begins with ${JSON.stringify(text.slice(0, 4))}`;
  throw new PersonaError('BAD_FILE', `${path} is not a GGUF file: expected it to begin with "GGUF"; ${got}`, {
    remedy: 'Convert the model with convert_hf_to_gguf.py of llama.cpp, or fetch a GGUF of it.',
  });
}

/** Does `folder` hold every one of these files in its full size? */
export async function holdsFiles(
  folder: string,
  files: readonly { path: string; bytes: number }[],
): Promise<boolean> {
  for (const { path, bytes } of files) {
    const found = await stat(join(folder, path)).catch(() => undefined);
    if (found?.size !== bytes) return false;
  }
  return files.length > 0;
}

/** Is `path` one part of several? Then only the first stands for the model. */
export function isLaterPart(path: string): boolean {
  return (splitPartOf(path)?.index ?? 1) > 1;
}
