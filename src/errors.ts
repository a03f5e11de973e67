/** The one error class: what went wrong, a stable code for programs, and what to do about it for people. */

const marker = Symbol.for('persona-vectors.error');

/** Stable codes. A caller may switch on them; messages may change. */
export type ErrorCode =
  | 'USAGE' // the command or call was put wrongly
  | 'BAD_FILE' // a file is broken, of another kind, or has a bad row or field
  | 'BAD_TRAIT'
  | 'BAD_VECTOR'
  | 'WRONG_MODEL' // a vector made on another model
  | 'NOT_FOUND'
  | 'UNSUPPORTED' // this architecture or platform cannot do it
  | 'CONTEXT_FULL' // the text does not fit into the context
  | 'ENGINE_CRASHED' // the engine process died; it restarts with the next request
  | 'ENGINE_FAILED' // llama.cpp said no
  | 'CANARY' // an edit did not do to the model what it should
  | 'EMPTY_SIDE' // no rollout of one polarity survived the filter
  | 'FORBIDDEN' // the caller may not do this
  | 'DOWNLOAD'
  | 'SERVER' // a server that was asked said no, or nothing
  | 'ABORTED';

export interface PersonaErrorOptions {
  /** What the reader can do about it, one sentence. */
  remedy?: string;
  cause?: unknown;
}

export class PersonaError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string | undefined;

  constructor(code: ErrorCode, message: string, options: PersonaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PersonaError';
    this.code = code;
    this.remedy = options.remedy;
    Object.defineProperty(this, marker, { value: true });
  }
}

/** True also for an error that came from another copy of this package. */
export function isPersonaError(error: unknown): error is PersonaError {
  return typeof error === 'object' && error !== null && marker in error;
}
