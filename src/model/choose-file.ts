/** Which files of a repository are the model that was asked for: by quantisation, or by the name of one file. */

import { PersonaError } from '../errors.ts';
import { quantizationOf, splitPartOf, splitPartsOf } from './file-name.ts';

/** Near-lossless with a fast kernel first, then what is smaller, then what is larger. */
export const preferredQuantizations: readonly string[] = ['Q8_0', 'Q4_0', 'Q4_K_M', 'F16'];

export interface RepoFile {
  /** Inside the repository, with /. */
  path: string;
  bytes: number;
  /** Absent for a file that the hub does not keep in its large-file store. */
  sha256?: string;
}

/** GGUF files that are no language model: image projectors, importance matrices, adapters, vocabularies. */
const notAModel = /(?:^|[/._-])(?:mmproj|imatrix|lora|control-?vector|ggml-vocab)(?=[/._-]|$)/i;

/** A model is known by its only file, or by the first part. */
export function modelFiles(files: readonly RepoFile[]): RepoFile[] {
  return files.filter(({ path }) => /\.gguf$/i.test(path) && !notAModel.test(path));
}

/**
 * @param wanted a quantisation in any case (`q8_0`), or a file (`model-Q8_0.gguf`); absent: the first of
 *   `preferredQuantizations` that there is
 * @returns all parts of one model, in order
 * @throws PersonaError NOT_FOUND that lists what there is, USAGE when several models fit
 */
export function chooseFiles(files: readonly RepoFile[], wanted?: string): RepoFile[] {
  const models = modelFiles(files).filter(({ path }) => (splitPartOf(path)?.index ?? 1) === 1);
  if (models.length === 0) {
    throw new PersonaError('NOT_FOUND', `there is no GGUF model among its ${files.length} files`, {
      remedy: 'Look for a repository of the same model with GGUF in its name.',
    });
  }
  const fitting = wanted === undefined ? preferred(models) : models.filter(({ path }) => fits(path, wanted));
  const names = (some: readonly RepoFile[]): string => some.map(({ path }) => path).join(', ');
  const remedy = 'Name one by its quantisation, hf:owner/repo:Q8_0, or by its file, hf:owner/repo:FILE.gguf.';
  if (fitting.length === 0) {
    const what = wanted ?? `of ${preferredQuantizations.join(', ')}`;
    throw new PersonaError(
      'NOT_FOUND',
      `there is none ${wanted ? 'called ' : ''}${what}; there are ${names(models)}`,
      {
        remedy,
      },
    );
  }
  const [chosen, second] = withoutDynamic(fitting);
  if (second) throw new PersonaError('USAGE', `several models fit: ${names(fitting)}`, { remedy });
  return allParts(chosen!, files);
}

function preferred(models: readonly RepoFile[]): readonly RepoFile[] {
  if (models.length === 1) return models;
  for (const type of preferredQuantizations) {
    const found = models.filter(({ path }) => quantizationOf(path) === type);
    if (found.length > 0) return found;
  }
  return [];
}

function fits(path: string, wanted: string): boolean {
  const lower = path.toLowerCase();
  const want = wanted.toLowerCase();
  if (want.endsWith('.gguf')) return lower === want || lower.endsWith(`/${want}`);
  if (quantizationOf(path)?.toLowerCase() === want) return true;
  const stem = splitPartOf(lower)?.stem ?? lower.replace(/\.gguf$/, '');
  return new RegExp(`(?:^|[/._-])${RegExp.escape(want)}$`).test(stem); // names we do not know, such as UD-Q4_K_XL
}

/** `UD-Q4_K_M` beside `Q4_K_M`: the plain one is meant, unless the other was named. */
function withoutDynamic(fitting: readonly RepoFile[]): readonly RepoFile[] {
  const plain = fitting.filter(({ path }) => !/(?:^|[/._-])UD-/i.test(path));
  return plain.length > 0 ? plain : fitting;
}

function allParts(first: RepoFile, files: readonly RepoFile[]): RepoFile[] {
  return splitPartsOf(first.path).map((path) => {
    const part = files.find((file) => file.path === path);
    if (!part)
      throw new PersonaError('NOT_FOUND', `the repository lacks ${path}, a part of the model ${first.path}`);
    return part;
  });
}
