/** Whether a request is for this model, and whether it fits its context. */

import { ApiError } from '../errors.ts';
import type { Served } from '../served.ts';

/** @throws ApiError 404 for a model that is not served */
export function checkModel(name: string | null | undefined, { model, aliases }: Served): void {
  const names = [model.identity.name, ...aliases];
  if (name == null || names.includes(name)) return;
  throw new ApiError(`model: ${JSON.stringify(name)} is not served; served is ${names.join(', ')}`, {
    status: 404,
    param: 'model',
    code: 'model_not_found',
  });
}

/**
 * Tokens that an answer may have.
 * @param wanted absent: all that there is room for
 * @param field of the prompt
 * @throws ApiError
 */
export function answerRoom(
  promptTokens: number,
  wanted: number | undefined,
  field: string,
  { model }: Served,
): number {
  const { contextPerRequest } = model.engine.info;
  const room = contextPerRequest - promptTokens;
  if (room >= (wanted ?? 1)) return wanted ?? room;
  const asked = wanted === undefined ? '' : ` and up to ${wanted} of the answer`;
  throw new ApiError(
    `${field}: ${promptTokens} tokens${asked} do not fit into the context of ${contextPerRequest} tokens`,
    { param: field, code: 'context_length_exceeded' },
  );
}
