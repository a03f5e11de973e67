/**
 * The one kind of request that the engine serves: prompt tokens, an answer that is given or to be sampled,
 * edits of the residual stream, and reads of it.
 *
 * "Layer b" is the residual stream after block b, counted from 0 (llama.cpp's `l_out-b`). Directions are rows of
 * width d = the model's embedding length. Nothing here knows of traits, and nothing of C.
 */

/** Where in the text an edit acts. With a prompt of n tokens, at positions 0 … n−1:
 *  response: n−1 and later (the paper's default) · prompt: 0 … n−1 · all · last_prompt: n−1 · generated: n and later. */
export type Scope = 'response' | 'prompt' | 'all' | 'last_prompt' | 'generated';

/** The condition of an edit: the projection ⟨h, v⟩/‖v‖ at the edit's layer, before any edit of that layer. */
export interface When {
  direction: Float32Array; // (d)
  above?: number;
  below?: number;
}

interface EditBase {
  layer: number;
  direction: Float32Array; // (d), not normalised
  /** @default 'response' */
  scope?: Scope;
  when?: When;
}

/** h += coefficient · v */
export interface AddEdit extends EditBase {
  op: 'add';
  coefficient: number;
}
/** h −= ⟨h, v̂⟩ v̂ */
export interface AblateEdit extends EditBase {
  op: 'ablate';
}
/** Bounds the projection ⟨h, v̂⟩ to at most `above` and at least `below`. */
export interface CapEdit extends EditBase {
  op: 'cap';
  above?: number;
  below?: number;
}
/** Edits of one layer act in the order of the list. */
export type Edit = AddEdit | AblateEdit | CapEdit;

export type MeanKind = 'response_avg' | 'prompt_avg' | 'prompt_last';

export interface MeanReads {
  layers: readonly number[] | 'all';
  kinds: readonly MeanKind[];
  /** Before or after the layer's own edits. @default 'after' */
  side?: 'before' | 'after';
}

export interface ProjectionRead {
  name: string;
  layer: number;
  direction: Float32Array; // (d)
  /** @default 'after' */
  side?: 'before' | 'after';
  /** Also keep every prompt token's projection (the last prompt token's is always kept); the prompt is then computed
   *  anew even where its beginning is in the cache. @default false */
  prompt?: boolean;
}

export interface Sampling {
  /** 0 = greedy. @default 1 */
  temperature?: number;
  /** 0 = off. @default 0 */
  topK?: number;
  /** @default 1 */
  topP?: number;
  /** @default 0 */
  minP?: number;
  /** 1 = off. @default 1 */
  repeatPenalty?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  /** Tokens looked back on by the penalties. @default 64 */
  penaltyLast?: number;
  /** Any whole number; the same one gives the same text. @default 0 */
  seed?: number;
}

export interface EngineRequest {
  /** Rendered text (special tokens parsed, none added) or token ids. Never empty. */
  prompt: string | readonly number[];
  /** An answer that is read, not written. Tokenised apart from the prompt, special tokens not parsed. */
  answer?: string | readonly number[];
  /** Answer tokens to sample, when no answer is given. @default 0 (only the prompt is read) */
  maxTokens?: number;
  sampling?: Sampling;
  /** The text ends before the first of these. */
  stop?: readonly string[];
  /** Do not end at the model's end-of-turn tokens. @default false */
  ignoreEnd?: boolean;
  /** The answer follows this grammar (llama.cpp's GBNF, from the rule `root` on). */
  grammar?: string;
  /** Log-probability of each answer token, with this many alternatives. undefined = none */
  topLogprobs?: number;
  edits?: readonly Edit[];
  means?: MeanReads;
  projections?: readonly ProjectionRead[];
  /** Tell of each token as soon as it is there, for somebody who decides by it; otherwise tokens of a few hundredths of a
   *  second are told together, which leaves more of the processor to the model. @default false */
  tellAtOnce?: boolean;
  /** Share the KV cache of equal prompt beginnings. @default true */
  sharePrefix?: boolean;
}

export interface TokenLogprobs {
  /** of the token itself, natural log, under the unscaled distribution */
  logprob: number;
  top: { token: number; text: string; logprob: number }[];
}

/** What is told of an answer token while the answer is written. */
export interface TokenEvent {
  /** index in the answer, from 0 */
  index: number;
  token: number;
  /** text that became certain with this token: empty within a multi-byte character, or while it may become a stop */
  text: string;
  logprobs?: TokenLogprobs;
  /** projection at this token's own position, in the order of `projections` */
  projections?: number[];
}

export type FinishReason = 'stop' | 'length' | 'given';

export interface EngineResult {
  tokens: number[];
  text: string;
  finishReason: FinishReason;
  promptTokens: number;
  /** prompt tokens whose KV came from the cache */
  cachedTokens: number;
  logprobs?: TokenLogprobs[];
  /** (layers.length × d), row by row, in the order of the request's layers */
  means?: Partial<Record<MeanKind, Float32Array>>;
  meanLayers?: number[];
  /** mean norm of the residual stream over answer tokens, in the order of `meanLayers`; with `response_avg` only */
  residualNorms?: Float32Array;
  projections?: ProjectionResult[];
  /** per edit: at how many token positions it changed the stream. Positions that came from the cache are not counted,
   *  nor those where nothing that was asked for depends on it. */
  editsApplied: number[];
}

export interface ProjectionResult {
  name: string;
  layer: number;
  /** at the last prompt token: the prediction before a word is said */
  prompt: number;
  /** every prompt token, when asked for */
  promptTokens?: number[];
  /** one per answer token */
  tokens: number[];
}

/** A LoRA adapter, GGUF. */
export interface LoraFile {
  path: string;
  /** @default 1 */
  scale?: number | undefined;
}

export const DEFAULT_PARALLEL = 8;
/** Tokens per request when nothing is asked for: a few turns of chat, and 190 MB of cache at 8 × on the default model. */
export const DEFAULT_CONTEXT = 2048;

export interface EngineOptions {
  modelPath: string;
  /** Sequences decoded together. @default 8 */
  parallel?: number;
  /** Tokens of one request, prompt and answer together. @default 2048, or what the model was trained for if less */
  context?: number;
  /** Rows in one batch. @default 512 */
  batch?: number;
  /** @default the cores, up to four; half of them (the physical ones) above */
  threads?: number;
  /** Layers on a GPU, −1 = all. @default −1 where a GPU backend is installed */
  gpuLayers?: number;
  /** 'f32' keeps attention in full precision, as a PyTorch reference does; twice the cache, and slower. @default 'f16' */
  cacheType?: 'f16' | 'f32';
  /** LoRA adapters over the weights, for all requests */
  loras?: readonly LoraFile[];
  /** How means and projections are taken where both ways exist. @default 'auto' */
  readVia?: 'auto' | 'callback' | 'layer_input';
}

/** What is known of a loaded model. */
export interface ModelInfo {
  architecture: string;
  description: string;
  /** number of blocks */
  layers: number;
  /** d, the width of the residual stream */
  width: number;
  vocabulary: number;
  trainContext: number;
  /** tokens over all sequences, and the most that one request may use */
  context: number;
  contextPerRequest: number;
  parallel: number;
  parameters: number;
  sizeBytes: number;
  chatTemplate: string | undefined;
  bos: string | undefined;
  eos: string | undefined;
  addBos: boolean;
  /** what runs where, one line each */
  devices: string[];
  readsVia: 'callback' | 'layer_input';
}
