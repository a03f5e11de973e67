/** Messages between the engine's host and its process. Sent with structured clone, so typed arrays stay typed. */

import type { ErrorCode } from '../errors.ts';
import type { Edit, EngineOptions, EngineRequest, EngineResult, ModelInfo, TokenEvent } from './request.ts';

export type ToEngine =
  | { type: 'load'; options: EngineOptions }
  | { type: 'submit'; id: number; request: EngineRequest }
  | { type: 'abort'; id: number }
  | { type: 'edit'; id: number; edits: readonly Edit[] }
  | { type: 'tokenize'; id: number; text: string; parseSpecial: boolean }
  | { type: 'detokenize'; id: number; tokens: readonly number[] }
  | { type: 'control_vector'; id: number; data: Float32Array | null; firstLayer: number; lastLayer: number }
  | { type: 'memory'; id: number }
  | { type: 'fault'; fault: Fault };

export type FromEngine =
  | { type: 'progress'; fraction: number }
  | { type: 'loaded'; info: ModelInfo }
  /** `prompt`: the projections at the last prompt token, once, before any token of the answer */
  | { type: 'events'; batches: { id: number; events: TokenEvent[]; prompt?: number[] | undefined }[] }
  | { type: 'result'; id: number; result: EngineResult }
  | { type: 'tokens'; id: number; tokens: number[] }
  | { type: 'text'; id: number; text: string; pieces: string[] }
  | { type: 'done'; id: number }
  | { type: 'memory'; id: number; residentBytes: number }
  | { type: 'failed'; id: number | undefined; code: ErrorCode; message: string; remedy: string | undefined };

/** What a test may have go wrong: a GGML_ABORT, or edits that never reach the graph. */
export type Fault = 'native_abort' | 'drop_edits';

/** Set in the engine process's environment; it then obeys `fault`. */
export const FAULTS_VARIABLE = 'PERSONA_ENGINE_FAULTS';
