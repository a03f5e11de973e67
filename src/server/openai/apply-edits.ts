/** Changing the edits of an answer while it is written. */

import type { Edit } from '../../engine/request.ts';

/** What an engine that can do so gives at the start of a run. */
export interface RunControl {
  setEdits(edits: readonly Edit[]): void;
}

/** @returns whether they act from the next token on; else the answer has to be begun anew from where it is */
export function applyEdits(control: RunControl | undefined, edits: readonly Edit[]): boolean {
  control?.setEdits(edits);
  return control !== undefined;
}
