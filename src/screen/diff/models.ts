/**
 * The two sides of a diff by their files' headers: the base, and a tuned model, which is a whole model or a LoRA adapter
 * over the base. Models whose residual streams or tokens are not the same things cannot be compared.
 */

import { createHash } from 'node:crypto';
import type { LoraFile } from '../../engine/request.ts';
import { PersonaError } from '../../errors.ts';
import { ggufString, type Gguf } from '../../model/gguf.ts';
import { readGguf } from '../../model/gguf-read.ts';
import { modelFileHash } from '../../model/identity.ts';
import { isLora, parseLora } from '../../model/lora-file.ts';
import { type ModelIdentity, readIdentity } from '../../model/model-identity.ts';
import { resolveModel } from '../../model/pull.ts';
import type { ResolveOptions } from '../../model/resolved-model.ts';
import { isFile } from '../../vector/find.ts';

export interface SideOptions extends ResolveOptions {
  signal?: AbortSignal | undefined;
  /** of both sides, in place of their own */
  chatTemplate?: string | undefined;
}

/** A model as it will be opened. */
export interface Side {
  /** what the user called it */
  given: string;
  /** of the weights to open: for an adapter the base's */
  path: string;
  identity: ModelIdentity;
  lora?: LoraFile;
  /** which weights these are, an adapter's with them */
  sha256: string;
}

export interface BaseSide extends Side {
  tokenizer: Tokenizer;
}

interface Tokenizer {
  tokens: number;
  sha256: string;
}

/** @throws PersonaError of finding or reading it; USAGE where it is an adapter */
export async function baseSide(given: string, options: SideOptions = {}): Promise<BaseSide> {
  const { path } = await resolveModel(given, options);
  const header = await readGguf(path);
  if (isAdapter(header))
    throw new PersonaError('USAGE', `${given} is a LoRA adapter, not a model`, {
      remedy: 'Give the model that it was trained on as BASE, and the adapter as TUNED.',
    });
  const identity = await readIdentity(given, options);
  return { given, path, identity, sha256: identity.sha256, tokenizer: tokenizerOf(header) };
}

/**
 * @param given a model; or an adapter's file, with a scale behind it where it is not 1, as in `adapter.gguf:0.5`
 * @throws PersonaError WRONG_MODEL, with what differs, where it was not made of the base
 */
export async function tunedSide(
  given: string,
  base: BaseSide,
  options: SideOptions = {},
): Promise<{ side: Side; notes: string[] }> {
  const scaled = parseLora(given);
  const isScaled = scaled.scale !== undefined && !isFile(given) && isFile(scaled.path);
  const { path } = await resolveModel(isScaled ? scaled.path : given, options);
  const header = await readGguf(path);
  if (isAdapter(header)) {
    const lora = { path, ...(isScaled && { scale: scaled.scale! }) };
    return { side: await adapterSide(given, lora, header, base, options), notes: [] };
  }
  if (isScaled) throw new PersonaError('USAGE', `${given}: a scale belongs to an adapter; this is a model`);
  const identity = await readIdentity(given, options);
  const differing = differences(base, identity, tokenizerOf(header));
  if (differing.length > 0)
    throw new PersonaError(
      'WRONG_MODEL',
      `${given} was not tuned from ${base.given}: ${differing.join('; ')}`,
      { remedy: 'Give as TUNED a model, or a LoRA adapter, that was made of BASE.' },
    );
  const { quantization, templateSha256 } = base.identity;
  const notes: string[] = [];
  if (identity.quantization !== quantization)
    notes.push(
      `${given} is ${identity.quantization}, ${base.given} is ${quantization}: part of the shift is the quantisation's`,
    );
  if (identity.templateSha256 !== templateSha256)
    notes.push(`${given} has another chat template: both read the prompts as ${base.given} renders them`);
  return { side: { given, path, identity, sha256: identity.sha256 }, notes };
}

/** The engine itself checks an adapter's shapes; here what can be said before anything is loaded. */
async function adapterSide(
  given: string,
  lora: LoraFile,
  header: Gguf,
  base: BaseSide,
  options: SideOptions,
): Promise<Side> {
  if (!isLora(header)) throw new PersonaError('UNSUPPORTED', `${given} is an adapter, but no LoRA`);
  const architecture = ggufString(header, 'general.architecture');
  if (architecture !== base.identity.architecture)
    throw new PersonaError(
      'WRONG_MODEL',
      `${given} was not tuned from ${base.given}: architecture ${base.identity.architecture} there, ${architecture ?? 'none'} here`,
      { remedy: 'Give the model that the adapter was trained on as BASE.' },
    );
  const { path, scale = 1 } = lora;
  const sha256 = createHash('sha256')
    .update(`${base.sha256}\n${await modelFileHash(path, options)}\n${scale}`)
    .digest('hex');
  return { given, path: base.path, identity: base.identity, lora, sha256 };
}

function isAdapter(header: Gguf): boolean {
  return ggufString(header, 'general.type') === 'adapter';
}

function differences(
  { identity: there, tokenizer }: BaseSide,
  here: ModelIdentity,
  own: Tokenizer,
): string[] {
  const pairs: [string, string | number, string | number][] = [
    ['architecture', there.architecture, here.architecture],
    ['layers', there.layers, here.layers],
    ['width', there.width, here.width],
    ['tokens', tokenizer.tokens, own.tokens],
  ];
  const differing = pairs
    .filter(([, a, b]) => a !== b)
    .map(([what, a, b]) => `${what} ${a} there, ${b} here`);
  if (tokenizer.tokens === own.tokens && tokenizer.sha256 !== own.sha256)
    differing.push('the tokenizers have as many tokens, but not the same ones');
  return differing;
}

function tokenizerOf(header: Gguf): Tokenizer {
  const found = header.metadata.get('tokenizer.ggml.tokens');
  const items = found?.type === 'array' && found.of === 'string' ? found.items : [];
  const hash = createHash('sha256');
  for (const token of items) hash.update(JSON.stringify(token)).update('\n');
  return { tokens: items.length, sha256: hash.digest('hex') };
}
