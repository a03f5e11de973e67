/**
 * One graph for the rows of a step: runs it with just what its requests need of it (the tap for edits, copies of layers
 * for reads), and hands every row that is read to its request.
 */

import { applyEdits } from './edits.ts';
import type { GraphTap, LayerVisit } from './graph-tap.ts';
import { wantsLogits, type Job } from './job.ts';
import { layerOutput, watchLayer } from './layer-input.ts';
import type { NativeModel, Row } from './native-model.ts';
import { partOf } from './part.ts';
import { takeRow } from './reads.ts';
import type { Slot } from './slots.ts';

/** A row of a step with the request it belongs to; none for a row that only bridges a gap between sequences. */
export interface StepRow extends Row {
  job: Job | undefined;
  slot: Slot;
}

/** Switching the tap or a layer's copy off rebuilds the graph; worth it only when it stays unused. */
const IDLE_GRAPHS = 64;

export class GraphRun {
  readonly #model: NativeModel;
  readonly #tap: GraphTap;
  #clock = 0;
  #tapWanted = 0;
  /** layer → graph in which its copy was last wanted */
  #watched: Map<number, number> = new Map();

  constructor(model: NativeModel, tap: GraphTap) {
    this.#model = model;
    this.#tap = tap;
  }

  /** @param depth blocks to compute; fewer than the model has, for rows that nothing is predicted from */
  run(rows: readonly StepRow[], depth: number): void {
    const { layers } = this.#model.info;
    const outputs = rows.filter((row) => row.output);
    const { visited, copied } = this.#wanted(rows, depth);
    // the last block has only the rows that put something out
    if (outputs.length === 0) visited.delete(layers - 1);
    const endAfter = this.#endOf(rows, depth, visited);
    this.#prepare(visited.size > 0 || endAfter !== undefined, copied);

    if (visited.size === 0 && endAfter === undefined) this.#model.decode(rows);
    else {
      const visit: LayerVisit = (values, layer, count) =>
        this.#visit(values, layer, count < rows.length ? outputs : rows, copied);
      const shape = `${rows.length}/${outputs.length}/${new Set(rows.map((row) => row.sequence)).size}`;
      const plan = {
        shape,
        rows: rows.length,
        outputs: outputs.length,
        layers: visited,
        endAfter,
        visit,
      };
      this.#tap.run(plan, () => this.#model.decode(rows));
    }
    for (const layer of copied) this.#read(layer, layerOutput(this.#model, layer, rows.length), rows, false);
    this.#relax();
  }

  /**
   * The last block to compute, where the graph need not run through. Rows that the last block is read at put out
   * logits as well, and those of a whole prompt cost a quarter of a small model's time: where none are wanted, the graph
   * ends before them. (Only with the tap on for the read anyway; where no row puts out anything, there is nothing to save.)
   */
  #endOf(rows: readonly StepRow[], depth: number, visited: ReadonlySet<number>): number | undefined {
    const { layers } = this.#model.info;
    if (depth < layers) return depth - 1;
    const predicts = rows.some(({ job, position }) => job && wantsLogits(job, position));
    return !predicts && visited.has(layers - 1) ? layers - 1 : undefined;
  }

  /** Layers that these rows have to be edited or read at: by the tap, or from llama.cpp's copy. */
  #wanted(rows: readonly StepRow[], depth: number): { visited: Set<number>; copied: Set<number> } {
    const { layers, readsVia } = this.#model.info;
    const partsOf = new Map<Job, number>();
    for (const { job, position } of rows) {
      if (job) partsOf.set(job, (partsOf.get(job) ?? 0) | partOf(position, job.prompt.length));
    }
    const visited = new Set<number>();
    const copied = new Set<number>();
    const copyable = readsVia === 'layer_input' && depth === layers;
    for (const [{ reads, editsAt }, parts] of partsOf) {
      for (const [layer, wanted] of reads.after)
        if (wanted & parts) (copyable && layer < layers - 1 ? copied : visited).add(layer);
      for (const [layer, wanted] of reads.before) if (wanted & parts) visited.add(layer);
      for (const [layer, edits] of editsAt) if (edits.some((edit) => edit.parts & parts)) visited.add(layer);
    }
    return { visited, copied };
  }

  #visit(
    values: Float32Array,
    layer: number,
    rows: readonly StepRow[],
    copied: ReadonlySet<number>,
  ): boolean {
    const { width } = this.#model.info;
    this.#read(layer, values, rows, true);
    let changed = false;
    for (let i = 0; i < rows.length; i++) {
      const { job, position } = rows[i]!;
      const edits = job?.editsAt.get(layer);
      if (edits)
        changed = applyEdits(edits, values, i, width, partOf(position, job!.prompt.length)) || changed;
    }
    if (!copied.has(layer)) this.#read(layer, values, rows, false);
    return changed;
  }

  #read(layer: number, values: Float32Array, rows: readonly StepRow[], before: boolean): void {
    const { width } = this.#model.info;
    for (let i = 0; i < rows.length; i++) {
      const { job, position } = rows[i]!;
      if ((before ? job?.reads.before : job?.reads.after)?.has(layer))
        takeRow(job!.reads, layer, before, values, i, width, position, job!.prompt.length);
    }
  }

  #prepare(needsTap: boolean, copied: ReadonlySet<number>): void {
    this.#clock++;
    if (needsTap) {
      this.#tapWanted = this.#clock;
      this.#turnTap(true);
    }
    for (const layer of copied) {
      if (!this.#watched.has(layer)) watchLayer(this.#model, layer, true);
      this.#watched.set(layer, this.#clock);
    }
  }

  /** Switches off what has not been wanted for a while. */
  #relax(): void {
    if (this.#clock - this.#tapWanted > IDLE_GRAPHS) this.#turnTap(false);
    for (const [layer, wanted] of this.#watched) {
      if (this.#clock - wanted <= IDLE_GRAPHS) continue;
      watchLayer(this.#model, layer, false);
      this.#watched.delete(layer);
    }
  }

  #turnTap(on: boolean): void {
    // llama.cpp takes the callback over when it builds a graph; any change of a layer's copy makes it build one, and
    // block 0's input is never wanted
    if (this.#tap.turn(on)) watchLayer(this.#model, -1, false);
  }
}
