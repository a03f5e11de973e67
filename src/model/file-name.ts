/** What the name of a GGUF file says: its quantisation, and its place in a model that is split over several files. */

/** Separated from the rest by . - or _ ; the last one counts, since names such as `F16-tuned.Q8_0.gguf` exist. */
const quantizationPattern =
  /(?<=^|[._-])(?:IQ\d_[A-Z]+|TQ\d_\d|Q\d_K(?:_(?:XXS|XS|S|M|L|XL))?|Q\d_\d|MXFP4|NVFP4|BF16|FP16|F16|FP32|F32)(?=$|[._-])/gi;

/** `name-00002-of-00005.gguf`, as llama.cpp's gguf-split writes it. */
const splitPattern = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/i;

export interface SplitPart {
  /** Path before `-0000i-of-0000n.gguf`. */
  stem: string;
  /** From 1. */
  index: number;
  count: number;
}

/** @returns undefined for a file that stands alone */
export function splitPartOf(file: string): SplitPart | undefined {
  const match = splitPattern.exec(file);
  if (!match) return undefined;
  const [, stem, index, count] = match as unknown as [string, string, string, string];
  if (Number(index) < 1 || Number(index) > Number(count)) return undefined;
  return { stem, index: Number(index), count: Number(count) };
}

/** Every file of the model that `file` belongs to, in order; just `file` when it stands alone. */
export function splitPartsOf(file: string): string[] {
  const part = splitPartOf(file);
  if (!part) return [file];
  const digits = (n: number): string => String(n).padStart(5, '0');
  return Array.from(
    { length: part.count },
    (_, i) => `${part.stem}-${digits(i + 1)}-of-${digits(part.count)}.gguf`,
  );
}

/**
 * `SmolLM2-135M-Instruct.Q4_1.gguf` → `Q4_1`. Looks at the file's own name first, then at its folder's, since big
 * models are often laid out as `Q8_0/model-00001-of-00003.gguf`.
 */
export function quantizationOf(file: string): string | undefined {
  const names = file.split(/[\\/]/).slice(-2).reverse();
  for (const name of names) {
    const stem = splitPartOf(name)?.stem ?? name.replace(/\.gguf$/i, '');
    const found = stem.match(quantizationPattern)?.at(-1)?.toUpperCase();
    if (found) return found.replace(/^FP/, 'F');
  }
  return undefined;
}
