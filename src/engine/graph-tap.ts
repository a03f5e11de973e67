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

/** What is to happen at one layer of the next graph. `rows` is (n × d), n = rows of the graph at that layer; return
 *  true when it was changed and must be written back. */
export type LayerVisit = (rows: Float32Array, layer: number) => boolean;

export interface GraphPlan {
  /** rows of the graph (of its last block, only the rows that put out logits) */
  rows: number;
  outputs: number;
  visits: ReadonlyMap<number, LayerVisit>;
  /** the graph ends after this layer; undefined = runs through */
  endAfter?: number;
}

/** Marks our callback inside the native context; any value that occurs nowhere else will do. */
const COOKIE = 0x7065_7273_6f6e_6100n;
/** The parameters that hold the callback are the first members of the native context. */
const SEARCH_BYTES = 1024;
/** Graphs of up to this many rows recur; longer ones (prefill) come in all sizes and are looked through by name. */
const MAX_REMEMBERED_ROWS = 256;

const GGML_TYPE_F32 = 0;
const NAME_PREFIX = Buffer.from('l_out-');

export class GraphTap implements Disposable {
  readonly callback: { address: Pointer; cookie: Pointer };
  /** layers whose `l_out` was seen in a graph */
  readonly seen: Set<number> = new Set();

  #model: NativeModel | undefined;
  #switch: BigUint64Array | undefined;
  #on = true;
  #plan: GraphPlan | undefined;
  #failure: unknown;
  #visited = 0;
  #node = 0;
  #remembered: Map<string, Map<number, number>> = new Map();
  #indices: Map<number, number> | undefined;
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
    // Where it is not found just once the tap stays on: slower, never wrong.
    if (hits.length === 1) this.#switch = words.subarray(hits[0]!, hits[0]! + 1);
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

  /** Forgets where nodes lie; call when graphs of the same size may have changed. */
  forget(): void {
    this.#remembered.clear();
  }

  /**
   * Runs `decode` with the plan in force.
   * @throws PersonaError UNSUPPORTED when a wanted layer has no `l_out`; ENGINE_FAILED when a remembered graph has
   *   changed: then edits may have been missed, and what was computed must not be used
   */
  run(plan: GraphPlan, decode: () => void): void {
    const key =
      plan.rows <= MAX_REMEMBERED_ROWS
        ? `${plan.rows}/${plan.outputs}/${[...plan.visits.keys()].join()}`
        : '';
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
    if (this.#visited !== plan.visits.size) {
      if (this.#indices) {
        this.forget();
        throw new PersonaError(
          'ENGINE_FAILED',
          'the compute graph changed between two steps; nothing of this step is used',
        );
      }
      const missing = [...plan.visits.keys()].filter((layer) => !this.seen.has(layer));
      throw new PersonaError(
        'UNSUPPORTED',
        `architecture ${this.#model!.info.architecture} does not name the output of layer ${missing.join(', ')} (l_out) in its graph`,
        { remedy: 'its residual stream can be neither read nor edited; use another model' },
      );
    }
    if (!this.#indices && key) this.#remembered.set(key, this.#found);
  }

  #onNode(tensor: number, ask: boolean): boolean {
    const plan = this.#plan;
    if (!plan) return false;
    if (ask) {
      const index = this.#node++;
      if (this.#indices) return this.#indices.has(index);
      const layer = layerOf(tensor);
      if (layer < 0) return false;
      this.seen.add(layer);
      if (!plan.visits.has(layer)) return false;
      this.#found.set(index, layer);
      return true;
    }
    try {
      const layer = layerOf(tensor);
      const visit = plan.visits.get(layer);
      if (!visit) return true; // not the graph that was remembered: run() notices
      this.#visit(tensor, layer, visit, plan);
      this.#visited++;
      return layer !== plan.endAfter;
    } catch (error) {
      this.#failure = error;
      return false;
    }
  }

  #visit(tensor: number, layer: number, visit: LayerVisit, plan: GraphPlan): void {
    const model = this.#model!;
    const { width, layers } = model.info;
    const header = new DataView(view(tensor, TENSOR.nb + 16));
    const type = header.getInt32(TENSOR.type, true);
    const d = Number(header.getBigInt64(TENSOR.ne, true));
    const rows = Number(header.getBigInt64(TENSOR.ne + 8, true));
    const stride = Number(header.getBigUint64(TENSOR.nb + 8, true));
    const expected = layer === layers - 1 ? plan.outputs : plan.rows;
    if (
      type !== GGML_TYPE_F32 ||
      d !== width ||
      stride !== width * 4 ||
      (rows !== expected && rows !== plan.rows)
    ) {
      throw new PersonaError(
        'UNSUPPORTED',
        `l_out-${layer} is ${d} × ${rows} of type ${type}, not ${width} × ${expected} of f32`,
      );
    }
    if (rows === 0) return;
    if (this.#buffer.length < rows * width) this.#buffer = new Float32Array(rows * width);
    const values = this.#buffer.subarray(0, rows * width);
    model.native.ggml_backend_tensor_get(tensor, values, 0, values.byteLength);
    if (visit(values, layer)) model.native.ggml_backend_tensor_set(tensor, values, 0, values.byteLength);
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
