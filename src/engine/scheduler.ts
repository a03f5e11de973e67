/**
 * Continuous batching: requests join and leave between steps. A step is one graph: the next token of every answer that
 * is being written, or a piece of one prompt (so a long prompt makes others wait for one batch at most).
 */

import { PersonaError } from '../errors.ts';
import { applyEdits, inScope } from './edits.ts';
import { GraphTap, type LayerVisit } from './graph-tap.ts';
import { createJob, remaining, shareableLength, target, tokenAt, wantsLogits, type Job } from './job.ts';
import { layerOutput, watchLayer } from './layer-input.ts';
import type { NativeModel, Row } from './native-model.ts';
import { countRows, finishMeans, finishNorms, readsPosition, takeRow } from './reads.ts';
import type { EngineRequest, EngineResult, TokenEvent } from './request.ts';
import { largest, logSumExp } from './sampler.ts';
import {
  addCheckpoint,
  commonPrefix,
  createSlots,
  MIN_SHARED,
  usablePrefix,
  type PrefixQuery,
  type Slot,
} from './slots.ts';

/** A row of a step with the request it belongs to; none for a row that only bridges a gap between sequences. */
interface StepRow extends Row {
  job: Job | undefined;
  slot: Slot;
}

/** One graph for sequences 0, 1, 4, 5 needs rows for 2 and 3 too; up to this many idle rows are cheaper than two graphs. */
const MAX_BRIDGE = 2;
/** Logits of a row are vocabulary × 4 bytes; scoring a given text keeps this many rows at once. */
const MAX_LOGIT_ROWS = 128;
/** Switching the tap or a layer's copy off rebuilds the graph; worth it only when it stays unused. */
const IDLE_STEPS = 64;

export interface JobCallbacks {
  onEvents: (events: TokenEvent[]) => void;
  onDone: (result: EngineResult) => void;
  onError: (error: unknown) => void;
}

export class Scheduler implements Disposable {
  readonly #model: NativeModel;
  readonly #tap: GraphTap;
  readonly #slots: Slot[];
  #queue: Job[] = [];
  #active: Job[] = [];
  #callbacks: Map<Job, JobCallbacks> = new Map();
  #byId: Map<number, Job> = new Map();
  #clock = 0;
  #lastPrefilled = 0;
  /** layer → step in which its copy was last wanted */
  #watched: Map<number, number> = new Map();
  #tapWanted = 0;

  constructor(model: NativeModel, tap: GraphTap) {
    this.#model = model;
    this.#tap = tap;
    this.#slots = createSlots(model.info.parallel);
  }

  get busy(): boolean {
    return this.#active.length + this.#queue.length > 0;
  }

  /** @throws PersonaError when the request does not fit the model */
  submit(id: number, request: EngineRequest, callbacks: JobCallbacks): void {
    const job = createJob(id, request, this.#model, callbacks.onEvents);
    this.#callbacks.set(job, callbacks);
    this.#byId.set(id, job);
    this.#queue.push(job);
  }

  /** Frees the request's slot at once. */
  abort(id: number): void {
    const job = this.#byId.get(id);
    if (!job) return;
    this.#release(job);
    this.#queue = this.#queue.filter((queued) => queued !== job);
  }

  /** Advances every request by one step. */
  step(): void {
    this.#clock++;
    this.#admit();
    for (const run of this.#decodeRuns()) this.#execute(run, undefined);
    const prefill = this.#nextPrefill();
    if (prefill) this.#execute(prefill.rows, prefill.endAfter);
    this.#relax();
  }

  // 1) Requests come into slots

  #admit(): void {
    const waiting: Job[] = [];
    for (let i = 0; i < this.#queue.length; i++) {
      const job = this.#queue[i]!;
      if (!this.#slots.some((slot) => !slot.busy)) {
        waiting.push(...this.#queue.slice(i));
        break;
      }
      if (!this.#place(job, this.#queue[i + 1])) waiting.push(job);
    }
    this.#queue = waiting;
  }

  /** False when it pays to wait: another request is just computing a beginning that this one can share. */
  #place(job: Job, next: Job | undefined): boolean {
    const shares = job.request.sharePrefix !== false && this.#model.divisible;
    const wantsSums = job.reads.means?.kinds.has('prompt_avg') === true;
    const query: PrefixQuery = {
      prompt: job.prompt,
      key: job.prefixKey,
      depth: job.depth,
      meansKey: wantsSums ? job.reads.means!.key : undefined,
    };
    let source: Slot | undefined;
    let prefix: ReturnType<typeof usablePrefix> = { length: 0, sum: undefined };
    if (shares) {
      for (const slot of this.#slots) {
        const usable = usablePrefix(slot, query);
        if (
          usable.length > prefix.length ||
          (usable.length === prefix.length && source?.busy && !slot.busy)
        ) {
          source = slot;
          prefix = usable;
        }
      }
      if (this.#active.some((other) => this.#willGive(other, job, query) >= prefix.length + MIN_SHARED))
        return false;
    }
    if (prefix.length < MIN_SHARED) prefix = { length: 0, sum: undefined };

    const free = this.#slots.filter((slot) => !slot.busy);
    const slot =
      source && prefix.length > 0 && !source.busy
        ? source
        : free.reduce((oldest, candidate) => (candidate.lastUsed < oldest.lastUsed ? candidate : oldest));
    if (source && prefix.length > 0 && source !== slot) {
      this.#model.copySequence(source.id, slot.id);
      slot.checkpoints = source.checkpoints.filter((checkpoint) => checkpoint.length <= prefix.length);
    }
    if (!this.#model.truncate(slot.id, prefix.length)) {
      this.#model.truncate(slot.id, 0);
      prefix = { length: 0, sum: undefined };
    }
    slot.checkpoints = slot.checkpoints.filter((checkpoint) => checkpoint.length <= prefix.length);
    slot.tokens = job.prompt.slice(0, prefix.length);
    slot.key = job.prefixKey;
    slot.depth = job.depth;
    slot.shareable = Math.min(shareableLength(job), Number.MAX_SAFE_INTEGER);
    slot.busy = true;
    job.slot = slot;
    job.fed = prefix.length;
    job.cached = prefix.length;
    if (prefix.sum) {
      job.reads.means!.promptSum.set(prefix.sum);
      job.reads.means!.promptCount = prefix.length;
    }
    if (wantsSums && shares) {
      job.checkpointsAt = [job.prompt.length - 1];
      // where the next request parts from this one, so that it need not start from the beginning
      if (next && next.prefixKey === job.prefixKey)
        job.checkpointsAt.push(commonPrefix(job.prompt, next.prompt));
      job.checkpointsAt = job.checkpointsAt.filter(
        (length) => length > job.fed && length < job.prompt.length,
      );
    }
    this.#active.push(job);
    return true;
  }

  /** How long a beginning `other` will be able to give to `job` once it has computed more of its prompt. */
  #willGive(other: Job, job: Job, query: PrefixQuery): number {
    if (other.fed >= other.prompt.length - 1 || other.prefixKey !== query.key || other.depth < query.depth)
      return 0;
    const limit = Math.min(other.prompt.length - 1, job.prompt.length - 1);
    const common = commonPrefix(other.prompt, job.prompt, limit);
    if (query.meansKey === undefined) return common > other.fed ? common : 0;
    if (other.reads.means?.key !== query.meansKey) return 0;
    return Math.max(0, ...other.checkpointsAt.filter((length) => length > other.fed && length <= common));
  }

  // 2) Rows of the next graphs

  /** The next token of every request that has just one to feed, in graphs of consecutive sequences. */
  #decodeRuns(): StepRow[][] {
    const jobs = this.#active
      .filter((job) => remaining(job) === 1 && job.depth === this.#model.info.layers)
      .sort((a, b) => a.slot!.id - b.slot!.id);
    const runs: StepRow[][] = [];
    for (const job of jobs) {
      const run = runs.at(-1);
      const slot = job.slot!;
      const gap = run ? slot.id - run.at(-1)!.slot.id - 1 : 0;
      if (run && gap <= MAX_BRIDGE && this.#canBridge(slot.id - gap, slot.id)) {
        for (let id = slot.id - gap; id < slot.id; id++) run.push(bridge(this.#slots[id]!));
        run.push(this.#row(job, job.fed));
      } else {
        runs.push([this.#row(job, job.fed)]);
      }
    }
    return runs;
  }

  #canBridge(from: number, to: number): boolean {
    if (from < to && !this.#model.divisible) return false;
    return this.#slots
      .slice(from, to)
      .every((slot) => slot.tokens.length < this.#model.info.contextPerRequest);
  }

  /** A piece of the prompt (or given answer) of one request; they take turns. */
  #nextPrefill(): { rows: StepRow[]; endAfter: number | undefined } | undefined {
    const full = this.#model.info.layers;
    const jobs = this.#active.filter(
      (job) => remaining(job) > 1 || (remaining(job) === 1 && job.depth < full),
    );
    if (jobs.length === 0) return undefined;
    const job = jobs.find((candidate) => candidate.id > this.#lastPrefilled) ?? jobs[0]!;
    this.#lastPrefilled = remaining(job) > this.#model.batchSize ? job.id : 0;
    let count = Math.min(remaining(job), this.#model.batchSize);
    for (const length of job.checkpointsAt) if (length > job.fed) count = Math.min(count, length - job.fed);
    const rows: StepRow[] = [];
    let outputs = 0;
    for (let i = 0; i < count; i++) {
      const row = this.#row(job, job.fed + i);
      if (row.output && ++outputs > MAX_LOGIT_ROWS) break;
      rows.push(row);
    }
    return { rows, endAfter: job.depth < full ? Math.max(0, job.depth - 1) : undefined };
  }

  #row(job: Job, position: number): StepRow {
    const last = this.#model.info.layers - 1;
    const output =
      wantsLogits(job, position) ||
      readsPosition(job.reads, last, position, job.prompt.length) ||
      (job.editLayers.has(last) && position >= job.prompt.length - 1);
    return { token: tokenAt(job, position), position, sequence: job.slot!.id, output, job, slot: job.slot! };
  }

  // 3) One graph

  #execute(rows: StepRow[], endAfter: number | undefined): void {
    try {
      this.#decode(rows, endAfter);
    } catch (error) {
      for (const job of new Set(rows.map((row) => row.job))) {
        if (!job) continue;
        this.#model.truncate(job.slot!.id, 0);
        job.slot!.tokens = [];
        job.slot!.checkpoints = [];
        const callbacks = this.#callbacks.get(job);
        this.#release(job);
        callbacks?.onError(error);
      }
    }
  }

  #decode(rows: StepRow[], endAfter: number | undefined): void {
    const { layers, width } = this.#model.info;
    const outputs = rows.filter((row) => row.output);
    const visits = new Map<number, LayerVisit>();
    const copies = new Set<number>();
    const jobs = new Set(rows.map((row) => row.job).filter((job) => job !== undefined));

    const visit: LayerVisit = (values, layer) => {
      const present = values.length / width < rows.length ? outputs : rows;
      let changed = false;
      for (let i = 0; i < present.length; i++) {
        const { job, position } = present[i]!;
        if (!job) continue;
        const promptLength = job.prompt.length;
        if (job.reads.before.has(layer))
          takeRow(job.reads, layer, true, values, i, width, position, promptLength);
        if (job.editLayers.has(layer))
          changed = applyEdits(job.edits, layer, values, i, width, position, promptLength) || changed;
        if (job.reads.after.has(layer) && !copies.has(layer)) {
          takeRow(job.reads, layer, false, values, i, width, position, promptLength);
        }
      }
      return changed;
    };
    const copyable = this.#model.info.readsVia === 'layer_input' && endAfter === undefined;
    for (const job of jobs) {
      for (const layer of job.reads.after) {
        if (
          !rows.some(
            (row) => row.job === job && readsPosition(job.reads, layer, row.position, job.prompt.length),
          )
        )
          continue;
        if (copyable && layer < layers - 1) copies.add(layer);
        else visits.set(layer, visit);
      }
      for (const layer of job.reads.before) visits.set(layer, visit);
      for (const edit of job.edits) {
        if (rows.some((row) => row.job === job && inScope(edit.scope, row.position, job.prompt.length)))
          visits.set(edit.layer, visit);
      }
    }
    if (endAfter !== undefined) visits.set(endAfter, visit);
    // the last block has only the rows that put something out
    if (outputs.length === 0) visits.delete(layers - 1);

    this.#prepareGraph(visits.size > 0, copies);
    const plan = {
      rows: rows.length,
      outputs: outputs.length,
      visits,
      ...(endAfter === undefined ? {} : { endAfter }),
    };
    if (visits.size > 0) this.#tap.run(plan, () => this.#model.decode(rows));
    else this.#model.decode(rows);

    for (const layer of copies) {
      const values = layerOutput(this.#model, layer, rows.length);
      for (let i = 0; i < rows.length; i++) {
        const { job, position } = rows[i]!;
        if (job?.reads.after.has(layer))
          takeRow(job.reads, layer, false, values, i, width, position, job.prompt.length);
      }
    }
    this.#advance(rows, jobs);
  }

  /** Switches the tap and the copies of layers to what this graph needs. */
  #prepareGraph(needsTap: boolean, copies: ReadonlySet<number>): void {
    let rebuild = false;
    if (needsTap) {
      this.#tapWanted = this.#clock;
      rebuild = this.#tap.turn(true);
    }
    for (const layer of copies) {
      if (!this.#watched.has(layer)) watchLayer(this.#model, layer, true);
      this.#watched.set(layer, this.#clock);
    }
    if (rebuild) this.#rebuildGraph();
  }

  /** Switches off what has not been wanted for a while. */
  #relax(): void {
    if (this.#tap.on && this.#clock - this.#tapWanted > IDLE_STEPS && this.#tap.turn(false))
      this.#rebuildGraph();
    for (const [layer, wanted] of this.#watched) {
      if (this.#clock - wanted <= IDLE_STEPS) continue;
      watchLayer(this.#model, layer, false);
      this.#watched.delete(layer);
    }
  }

  #rebuildGraph(): void {
    // any change of a layer's copy makes llama.cpp build its graphs anew; block 0's input is never wanted
    watchLayer(this.#model, -1, false);
  }

  // 4) What the graph gave

  #advance(rows: readonly StepRow[], jobs: ReadonlySet<Job>): void {
    for (const row of rows) if (!row.job) this.#model.truncate(row.slot.id, row.slot.tokens.length);
    for (const job of jobs) {
      const mine = rows.filter((row) => row.job === job);
      if (job.reads.means) countRows(job.reads.means, job.fed, mine.length, job.prompt.length);
      for (const row of mine) job.slot!.tokens.push(row.token);
      job.fed += mine.length;
      if (job.checkpointsAt.includes(job.fed)) {
        const { key, promptSum } = job.reads.means!;
        addCheckpoint(job.slot!, { length: job.fed, meansKey: key, sum: promptSum.slice() });
      }
    }
    for (let i = 0; i < rows.length; i++) {
      const { job, position } = rows[i]!;
      if (job && wantsLogits(job, position)) this.#predict(job, position, i);
    }
    for (const job of jobs) {
      this.#tell(job);
      if (job.finish !== undefined && job.fed >= target(job)) this.#done(job);
    }
  }

  /** Samples the next token, or scores the given one. */
  #predict(job: Job, position: number, row: number): void {
    const { request } = job;
    const wantsLogprobs = request.topLogprobs !== undefined;
    if (job.given) {
      if (wantsLogprobs) this.#keepLogprobs(job, job.answer[position - job.prompt.length + 1]!, row);
      return;
    }
    const token: number = this.#model.native.llama_sampler_sample(job.sampler, this.#model.context, row);
    if (this.#model.endsGeneration(token) && !request.ignoreEnd) {
      job.finish = 'stop';
      return;
    }
    if (wantsLogprobs) this.#keepLogprobs(job, token, row);
    job.answer.push(token);
    job.pieces.push(job.text.push(this.#model.pieceBytes(token)));
    if (job.text.stopped) job.finish = 'stop';
    else if (job.answer.length >= request.maxTokens!) job.finish = 'length';
  }

  #keepLogprobs(job: Job, token: number, row: number): void {
    const logits = this.#model.logits(row);
    const sum = logSumExp(logits);
    job.logprobs.push({
      logprob: logits[token]! - sum,
      top: largest(logits, job.request.topLogprobs!).map(([id, logit]) => ({
        token: id,
        text: Buffer.from(this.#model.pieceBytes(id, true)).toString(),
        logprob: logit - sum,
      })),
    });
  }

  /** Tells of tokens as soon as everything about them is known: with projections, once they were fed. */
  #tell(job: Job): void {
    if (job.given) return;
    const known =
      job.reads.projections.length > 0 ? Math.max(0, job.fed - job.prompt.length) : job.answer.length;
    if (job.told >= known) return;
    const events: TokenEvent[] = [];
    for (let index = job.told; index < known; index++) {
      events.push({
        index,
        token: job.answer[index]!,
        text: job.pieces[index]!,
        ...(job.request.topLogprobs === undefined ? {} : { logprobs: job.logprobs[index]! }),
        ...(job.reads.projections.length === 0
          ? {}
          : { projections: job.reads.projections.map((p) => p.result.tokens[index]!) }),
      });
    }
    job.told = known;
    job.onEvents(events);
  }

  #done(job: Job): void {
    if (!job.given) job.text.end();
    const text = job.given
      ? typeof job.request.answer === 'string'
        ? job.request.answer
        : this.#text(job.answer)
      : job.text.text;
    const { means, projections } = job.reads;
    const norms = means && finishNorms(means);
    const result: EngineResult = {
      tokens: job.answer,
      text,
      finishReason: job.finish!,
      promptTokens: job.prompt.length,
      cachedTokens: job.cached,
      editsApplied: job.edits.map((edit) => edit.applied),
      ...(job.request.topLogprobs === undefined ? {} : { logprobs: job.logprobs }),
      ...(means ? { means: finishMeans(means), meanLayers: means.layers } : {}),
      ...(norms ? { residualNorms: norms } : {}),
      ...(projections.length === 0 ? {} : { projections: projections.map((p) => filled(p.result, job)) }),
    };
    const callbacks = this.#callbacks.get(job);
    this.#release(job);
    callbacks?.onDone(result);
  }

  #text(tokens: readonly number[]): string {
    return Buffer.concat(tokens.map((token) => Buffer.from(this.#model.pieceBytes(token)))).toString();
  }

  #release(job: Job): void {
    if (job.sampler) this.#model.native.llama_sampler_free(job.sampler);
    job.sampler = undefined;
    if (job.slot) {
      job.slot.busy = false;
      job.slot.lastUsed = this.#clock;
    }
    this.#active = this.#active.filter((active) => active !== job);
    this.#callbacks.delete(job);
    this.#byId.delete(job.id);
  }

  [Symbol.dispose](): void {
    for (const job of [...this.#active, ...this.#queue]) {
      const callbacks = this.#callbacks.get(job);
      this.#release(job);
      callbacks?.onError(new PersonaError('ABORTED', 'the engine was closed'));
    }
    this.#queue = [];
  }
}

/** A throw-away token in an idle sequence; what it leaves is cut off after the step. */
function bridge(slot: Slot): StepRow {
  return {
    token: slot.tokens.at(-1) ?? 0,
    position: slot.tokens.length,
    sequence: slot.id,
    output: false,
    job: undefined,
    slot,
  };
}

/** Prompt tokens that came from the cache have no projection of their own. */
function filled(
  result: EngineResult['projections'] extends (infer R)[] | undefined ? R : never,
  job: Job,
): typeof result {
  if (result.promptTokens) for (let i = 0; i < job.cached; i++) result.promptTokens[i] ??= NaN;
  return result;
}
