/**
 * The tap on the compute graph: reads `l_out-b` (the residual stream after block b) while a graph runs, changes rows
 * of it before the next block reads them, and can end the graph there.
 *
 * llama.cpp asks about every node of the graph (some 30 a block), which costs a call into JavaScript each. So the tap
 * is switched off for graphs that need no edit, and where a graph of one shape comes again and again (decoding), the
 * indices of the wanted nodes are remembered and only those are looked at.
 */

import { PersonaError } from '../errors.ts';
import { registerEvalCallback, TENSOR, unregister, view, type Pointer } from './ffi.ts';
import type { NativeModel } from './native-model.ts';

/** Does what is to be done at one layer. `values` is (rows × d); true when they were changed and must be written back. */
export type LayerVisit = (values: Float32Array, layer: number, rows: number) => boolean;

export interface GraphPlan {
  /** graphs of equal shape have their nodes in the same places */
  shape: string;
  /** rows of the graph; of its last block, only those that put out logits */
  rows: number;
  outputs: number;
  /** layers to visit */
  layers: ReadonlySet<number>;
  /** the graph ends after this layer; undefined = runs through */
  endAfter: number | undefined;
  visit: LayerVisit;
}

/** Marks our callback inside the native context; any value that occurs nowhere else will do. */
const COOKIE = 0x7065_7273_6f6e_6100n;
/** The parameters that hold the callback are the first members of the native context. */
const SEARCH_BYTES = 1024;
/** Graphs of up to this many rows recur; longer ones (prefill) come in all sizes and are looked through by name. */
const MAX_REMEMBERED_ROWS = 256;
/** Shapes of graphs that are remembered at most. */
const MAX_REMEMBERED = 512;

const GGML_TYPE_F32 = 0;
const NAME_PREFIX = Buffer.from('l_out-');

export class GraphTap implements Disposable {
  readonly callback: { address: Pointer; cookie: Pointer };
  /** False only in tests: edits are worked out and then thrown away, as a graph that ignores them would. */
  writes = true;

  #model: NativeModel | undefined;
  #switch: BigUint64Array | undefined;
  #on = true;
  #plan: GraphPlan | undefined;
  #failure: unknown;
  #visited = 0;
  #node = 0;
  /** shape and end → index of a node → b of `l_out-b` */
  #remembered: Map<string, ReadonlyMap<number, number>> = new Map();
  #indices: ReadonlyMap<number, number> | undefined;
  #found: Map<number, number> = new Map();
  #buffer = new Float32Array(0);

  constructor() {
    this.callback = {
      address: registerEvalCallback((tensor, ask) => this.#onNode(tensor, ask)),
      cookie: COOKIE,
    };
  }

  /** Call once, when the context exists. */
  attach(model: NativeModel): void {
    this.#model = model;
    const words = new BigUint64Array(view(model.context, SEARCH_BYTES));
    const hits: number[] = [];
    for (let i = 0; i + 1 < words.length; i++) {
      if (words[i] === this.callback.address && words[i + 1] === COOKIE) hits.push(i);
    }
    // Where it is not found just once, or a graph cannot be built anew, the tap stays on: slower, never wrong.
    if (hits.length === 1 && model.native.set_layer_input)
      this.#switch = words.subarray(hits[0], hits[0]! + 1);
  }

  get on(): boolean {
    return this.#on;
  }

  /** Takes effect with the next graph that is built; the caller makes llama.cpp build one. */
  turn(on: boolean): boolean {
    if (!this.#switch || this.#on === on) return false;
    this.#switch[0] = on ? this.callback.address : 0n;
    this.#on = on;
    return true;
  }

  /** Forgets where nodes lie; call when something changes the graphs. */
  forget(): void {
    this.#remembered.clear();
  }

  /**
   * Runs `decode` with the plan in force.
   * @throws PersonaError UNSUPPORTED when a wanted layer has no `l_out`; ENGINE_FAILED when a remembered graph has
   *   changed: then edits may have been missed, and what was computed must not be used
   */
  run(plan: GraphPlan, decode: () => void): void {
    const key = `${plan.shape}/${plan.endAfter}`;
    this.#plan = plan;
    this.#indices = this.#remembered.get(key);
    this.#node = 0;
    this.#visited = 0;
    this.#failure = undefined;
    this.#found = new Map();
    try {
      decode();
    } finally {
      this.#plan = undefined;
    }
    if (this.#failure) throw this.#failure;
    const wanted = new Set(plan.layers);
    if (plan.endAfter !== undefined) wanted.add(plan.endAfter);
    if (this.#visited !== wanted.size) {
      if (this.#indices) throw this.#changed();
      throw missingLayers(wanted, [...this.#found.values()], this.#model!.info.architecture);
    }
    if (this.#indices || plan.rows > MAX_REMEMBERED_ROWS) return;
    if (this.#remembered.size >= MAX_REMEMBERED) this.forget();
    this.#remembered.set(key, this.#found);
  }

  #changed(): PersonaError {
    this.forget();
    return new PersonaError(
      'ENGINE_FAILED',
      'the compute graph changed between two steps; nothing of this step is used',
    );
  }

  #onNode(tensor: number, ask: boolean): boolean {
    const plan = this.#plan;
    if (!plan) return false;
    if (ask) {
      const layer = this.#layerAt(this.#node++, tensor);
      return layer >= 0 && (plan.layers.has(layer) || layer === plan.endAfter);
    }
    try {
      const layer = layerOf(tensor);
      if (layer < 0) throw this.#changed();
      if (plan.layers.has(layer)) this.#visit(tensor, layer, plan);
      this.#visited++;
      return layer !== plan.endAfter;
    } catch (error) {
      this.#failure = error;
      return false;
    }
  }

  /** b of the node with this index, where it is `l_out-b`; else −1. */
  #layerAt(index: number, tensor: number): number {
    if (this.#indices) return this.#indices.get(index) ?? -1;
    const layer = layerOf(tensor);
    if (layer >= 0) this.#found.set(index, layer);
    return layer;
  }

  #visit(tensor: number, layer: number, plan: GraphPlan): void {
    const model = this.#model!;
    const { width, layers } = model.info;
    const header = new DataView(view(tensor, TENSOR.nb + 16));
    const type = header.getInt32(TENSOR.type, true);
    const d = Number(header.getBigInt64(TENSOR.ne, true));
    const rows = Number(header.getBigInt64(TENSOR.ne + 8, true));
    const stride = Number(header.getBigUint64(TENSOR.nb + 8, true));
    const fits = rows === plan.rows || (rows === plan.outputs && layer === layers - 1);
    if (type !== GGML_TYPE_F32 || d !== width || stride !== width * 4 || !fits) {
      throw new PersonaError(
        'UNSUPPORTED',
        `l_out-${layer} is ${d} × ${rows} of type ${type}, not ${width} × ${plan.rows} of f32`,
      );
    }
    if (rows === 0) return;
    if (this.#buffer.length < rows * width) this.#buffer = new Float32Array(rows * width);
    const values = this.#buffer.subarray(0, rows * width);
    model.native.ggml_backend_tensor_get(tensor, values, 0, values.byteLength);
    if (plan.visit(values, layer, rows) && this.writes)
      model.native.ggml_backend_tensor_set(tensor, values, 0, values.byteLength);
  }

  [Symbol.dispose](): void {
    unregister(this.callback.address);
  }
}

/** b of a tensor named `l_out-b`, −1 of any other. */
function layerOf(tensor: number): number {
  const name = new Uint8Array(view(tensor + TENSOR.name, 16));
  for (let i = 0; i < NAME_PREFIX.length; i++) if (name[i] !== NAME_PREFIX[i]) return -1;
  let layer = 0;
  for (let i = NAME_PREFIX.length; i < name.length && name[i] !== 0; i++) {
    const digit = name[i]! - 48;
    if (digit < 0 || digit > 9) return -1; // e.g. "l_out-3 (view)"
    layer = layer * 10 + digit;
  }
  return layer;
}

/** The graph ran through, but not by the layers that were asked for. */
export function missingLayers(
  wanted: ReadonlySet<number>,
  found: readonly number[],
  architecture: string,
): PersonaError {
  const missing = [...wanted].filter((layer) => !found.includes(layer));
  return new PersonaError(
    'UNSUPPORTED',
    missing.length > 0
      ? `architecture ${architecture} does not name the output of layer ${missing.join(', ')} (l_out) in its graph`
      : `architecture ${architecture} names the output of a layer (l_out) more than once in its graph`,
    { remedy: 'its residual stream can be neither read nor edited; use another model' },
  );
}
