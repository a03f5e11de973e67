/** Errors as OpenAI's clients know them: `{error: {message, type, param, code}}` with an HTTP status. */

import { type ErrorCode, isPersonaError, PersonaError } from '../errors.ts';
import type { Refusal } from './breaker.ts';

export interface ApiErrorOptions {
  /** path of the field at fault, as `steering[0].layer` */
  param?: string | undefined;
  /** @default 'invalid_value' */
  code?: string | undefined;
  /** @default 400 */
  status?: number;
  /** seconds after which it may be tried again */
  retryAfter?: number | undefined;
  cause?: unknown;
}

export class ApiError extends PersonaError {
  readonly status: number;
  readonly param: string | undefined;
  readonly reason: string;
  readonly retryAfter: number | undefined;

  constructor(message: string, options: ApiErrorOptions = {}) {
    super('USAGE', message, options.cause === undefined ? {} : { cause: options.cause });
    this.status = options.status ?? 400;
    this.param = options.param;
    this.reason = options.code ?? 'invalid_value';
    this.retryAfter = options.retryAfter;
  }
}

/** A 400 that names its field, in the message too: not every client shows `param`. */
export function refuse(param: string, message: string, code?: string): ApiError {
  return new ApiError(`${param}: ${message}`, { param, code });
}

/** While the breaker is open. */
export function engineRests({ reason, retryAfterSeconds }: Refusal): ApiError {
  return new ApiError(`no answers now: ${reason}`, {
    status: 503,
    code: 'engine_crashed',
    retryAfter: retryAfterSeconds,
  });
}

/** The engine starts again with the next request; a small model is there in a second. */
const RESTART_SECONDS = 1;

const STATUS: Partial<Record<ErrorCode, { status: number; code: string; retryAfter?: number }>> = {
  USAGE: { status: 400, code: 'invalid_value' },
  BAD_FILE: { status: 400, code: 'bad_file' },
  BAD_VECTOR: { status: 400, code: 'bad_vector' },
  WRONG_MODEL: { status: 400, code: 'wrong_model' },
  UNSUPPORTED: { status: 400, code: 'unsupported' },
  CANARY: { status: 400, code: 'steering_without_effect' },
  CONTEXT_FULL: { status: 400, code: 'context_length_exceeded' },
  NOT_FOUND: { status: 404, code: 'not_found' },
  FORBIDDEN: { status: 403, code: 'forbidden' },
  ENGINE_CRASHED: { status: 503, code: 'engine_crashed', retryAfter: RESTART_SECONDS },
  ABORTED: { status: 503, code: 'aborted', retryAfter: RESTART_SECONDS },
};

/** Any error as one that can be told. What is not ours says nothing of the inside. */
export function toApiError(error: unknown, param?: string): ApiError {
  if (error instanceof ApiError) return error;
  if (!isPersonaError(error))
    return new ApiError('the server failed', { status: 500, code: 'internal_error', cause: error });
  const { status, code, retryAfter } = STATUS[error.code] ?? {
    status: 500,
    code: error.code.toLowerCase(),
  };
  return new ApiError(inSentences(error.message, error.remedy), {
    status,
    code,
    retryAfter,
    param,
    cause: error,
  });
}

function inSentences(message: string, remedy: string | undefined): string {
  if (remedy === undefined) return message;
  return `${message}${message.endsWith('.') ? '' : '.'} ${remedy[0]!.toUpperCase()}${remedy.slice(1)}`;
}

export function errorBody(error: ApiError): object {
  const { status, message, param, reason } = error;
  return { error: { message, type: typeOf(status), param: param ?? null, code: reason } };
}

export function errorResponse(thrown: unknown): Response {
  const error = toApiError(thrown);
  return Response.json(errorBody(error), {
    status: error.status,
    headers: error.retryAfter === undefined ? {} : { 'retry-after': String(error.retryAfter) },
  });
}

function typeOf(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}
