/**
 * Reading the residual stream without a callback: llama.cpp can copy the *input* of block b+1 (= the output of
 * block b, after any edit) into host memory while it decodes. Costs next to nothing, for all layers at once, but only
 * some architectures fill it, and asking another for it aborts the process; so they are listed here, from the
 * sources of the pinned release. The last block's output is nobody's input and needs the callback.
 */

import { view } from './ffi.ts';
import type { NativeModel } from './native-model.ts';

/** `general.architecture` of models whose graph sets `t_layer_inp` to just what the block before put out. */
export const LAYER_INPUT_ARCHITECTURES: ReadonlySet<string> = new Set([
  'llama',
  'qwen3',
  'qwen3moe',
  'gpt-oss',
]);

/** Turns the copy of block `layer`'s output on or off. The next decode rebuilds its graph. */
export function watchLayer(model: NativeModel, layer: number, on: boolean): void {
  model.native.set_layer_input!(model.context, layer + 1, on);
}

/** Outputs of block `layer` for the rows of the last decode: (rows × d), a view that the next decode overwrites. */
export function layerOutput(model: NativeModel, layer: number, rows: number): Float32Array {
  const pointer = model.native.get_layer_input!(model.context, layer + 1);
  return new Float32Array(view(pointer, rows * model.info.width * 4));
}
