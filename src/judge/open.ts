/** From what a user calls a judge to the judge: `openai:MODEL`, `gguf:MODEL`, `fn:FILE.ts`. */

import { PersonaError } from '../errors.ts';
import type { OpenedJudge } from './judge.ts';

export interface OpenJudgeOptions {
  signal?: AbortSignal | undefined;
  onNote?: ((note: string) => void) | undefined;
}

/** @throws PersonaError USAGE when the text names no kind of judge */
export async function openJudge(spec: string, _options: OpenJudgeOptions = {}): Promise<OpenedJudge> {
  throw new PersonaError('USAGE', `${JSON.stringify(spec)} names no judge`);
}
