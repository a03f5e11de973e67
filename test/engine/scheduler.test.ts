/** What is fed in which step: a scheduler over a real tiny model whose graphs are noted down. */
import { beforeAll, describe, expect, test } from 'vitest';
import { openNative } from '../../src/engine/ffi.ts';
import { GraphTap, type GraphPlan } from '../../src/engine/graph-tap.ts';
import { NativeModel, type Row } from '../../src/engine/native-model.ts';
import type { Edit, EngineRequest, EngineResult } from '../../src/engine/request.ts';
import { Scheduler } from '../../src/engine/scheduler.ts';
import { expectSameReads, temporaryFolder, tinyModelFile } from './tiny-engine.ts';
import { GREEDY, randomDirection, randomPrompt, TINY_OPTIONS } from './tiny-values.ts';

const folder = temporaryFolder();
const BATCH = 64;

/** Rows of each sequence, graph by graph. */
class NotedModel extends NativeModel {
  graphs: Map<number, number>[] = [];

  override decode(rows: readonly Row[]): void {
    const counts = new Map<number, number>();
    for (const { sequence } of rows) counts.set(sequence, (counts.get(sequence) ?? 0) + 1);
    this.graphs.push(counts);
    super.decode(rows);
  }
}

/** After which layer each graph ended; undefined: it ran through. */
class NotedTap extends GraphTap {
  ends: (number | undefined)[] = [];

  override run(plan: GraphPlan, decode: () => void): void {
    this.ends.push(plan.endAfter);
    super.run(plan, decode);
  }
}

interface Running extends Disposable {
  tap: NotedTap;
  results: (EngineResult | undefined)[];
  submit(request: EngineRequest): void;
  /** one step: rows of its graphs, one number a sequence */
  step(): number[][];
  all(): EngineResult[];
}

function start(path: string): Running {
  const tap = new NotedTap();
  const options = { ...TINY_OPTIONS, modelPath: path, parallel: 8, batch: BATCH };
  const model = new NotedModel(options, tap.callback, { last: () => '' });
  tap.attach(model);
  const scheduler = new Scheduler(model, tap);
  const results: Running['results'] = [];
  let failure: unknown;
  const step = (): number[][] => {
    model.graphs = [];
    scheduler.step();
    if (failure) throw failure;
    return model.graphs.map((graph) => [...graph.values()]);
  };
  return {
    tap,
    results,
    submit(request) {
      const at = results.push(undefined) - 1;
      scheduler.submit(at + 1, request, {
        onEvents() {},
        onDone: (result) => (results[at] = result),
        onError: (error) => (failure = error),
      });
    },
    step,
    all() {
      while (scheduler.busy) step();
      return results as EngineResult[];
    },
    [Symbol.dispose]() {
      scheduler[Symbol.dispose]();
      model[Symbol.dispose]();
      tap[Symbol.dispose]();
    },
  };
}

const alone = { sharePrefix: false } as const;
const writing = (prompt: number[], more: Partial<EngineRequest> = {}): EngineRequest => ({
  prompt,
  maxTokens: 6,
  ...GREEDY,
  ...more,
});
const sum = (list: number[]): number => list.reduce((a, b) => a + b, 0);

let path: string;
beforeAll(async () => {
  openNative(() => {});
  path = await tinyModelFile(folder.path, 'llama');
});

describe('a step', { timeout: 30_000 }, () => {
  test('feeds all prompts that fit into a batch, and their answers go on together', () => {
    using running = start(path);
    for (let seed = 0; seed < 6; seed++) running.submit(writing(randomPrompt(seed, 10), alone));
    expect(running.step()).toEqual([[10], [10], [10], [10], [10], [10], [1, 1, 1, 1, 1, 1]]);
    expect(running.step()).toEqual([[1, 1, 1, 1, 1, 1]]);
  });

  test('feeds no more than a batch, and first whom the last step left out', () => {
    using running = start(path);
    for (let seed = 0; seed < 8; seed++) running.submit(writing(randomPrompt(seed, 20), alone));
    expect(running.step()).toEqual([[20], [20], [20], [1, 1, 1]]);
    expect(running.step()).toEqual([[20], [20], [20], [1, 1, 1, 1, 1, 1]]);
    expect(running.step()).toEqual([[20], [20], [1, 1, 1, 1, 1, 1, 1, 1]]);
  });

  test('lets those who wait for a beginning have it at once', () => {
    using running = start(path);
    const beginning = randomPrompt(1, 30);
    for (let seed = 2; seed < 6; seed++) running.submit(writing([...beginning, ...randomPrompt(seed, 5)]));
    const [first, ...others] = running.step();
    expect(first).toEqual([35]);
    expect(others).toEqual([[5], [5], [5], [1, 1, 1, 1]]);
  });

  test('fills up what a long prompt leaves, and lets no crowd of short ones keep it from its turn', () => {
    using running = start(path);
    running.submit(writing(randomPrompt(1, 200), { ...alone, maxTokens: 1 }));
    const longs: number[] = [];
    for (let i = 0; i < 12 && !running.results[0]; i++) {
      for (let k = 0; k < 4; k++)
        running.submit({
          ...alone,
          prompt: randomPrompt(100 + 4 * i + k, 30),
          means: { layers: [3], kinds: ['prompt_avg'] },
        });
      const graphs = running.step();
      expect(sum(graphs.flat())).toBeLessThanOrEqual(BATCH + 8);
      longs.push(graphs.filter(([rows]) => rows! > 30).length);
    }
    expect(running.results[0]?.tokens).toHaveLength(1);
    expect(sum(longs)).toBe(3); // 64 + 64 + 64, and the last 8
    expect(longs.length).toBeLessThanOrEqual(8); // every other step
  });
});

test('a graph ends after the last block where nothing is predicted, and the reads of it are those of a whole one', () => {
  const means = { layers: 'all', kinds: ['response_avg', 'prompt_avg', 'prompt_last'] } as const;
  const prompt = randomPrompt(400, 20);
  using running = start(path);
  running.submit(writing(prompt, { maxTokens: 2, means }));
  const [written] = running.all();
  // the prompt before its last token; that and the first token of the answer, which predict; the last token
  expect(running.tap.ends).toEqual([3, undefined, undefined, 3]);

  using reading = start(path);
  reading.submit({ prompt, answer: written!.tokens, means, ...alone });
  reading.submit({ prompt, answer: written!.tokens, means, topLogprobs: 1, ...alone });
  const [ended, whole] = reading.all();
  expect(reading.tap.ends).toEqual([3, undefined]);
  expectSameReads(ended!, whole!);
  expectSameReads(written!, whole!);
});

describe('those who write', { timeout: 30_000 }, () => {
  const lengths = [2, 30, 4, 6, 30, 8, 3, 30];
  const requests = lengths.map((maxTokens, i): EngineRequest => ({
    ...writing(randomPrompt(200 + i, 5 + (i % 3)), { ...alone, maxTokens }),
    means: { layers: 'all', kinds: ['response_avg', 'prompt_avg', 'prompt_last'] },
    edits: [{ op: 'add', layer: i % 4, direction: randomDirection(i, 2), coefficient: i - 3 }],
  }));

  test('move together when others end, and nothing of theirs changes', () => {
    const single = requests.map((request) => {
      using running = start(path);
      running.submit(request);
      return running.all()[0]!;
    });
    using running = start(path);
    for (const request of requests) running.submit(request);
    running.step();
    for (let step = 2; step <= 30; step++) {
      const graphs = running.step();
      expect(graphs).toHaveLength(1);
      // nobody computes for nothing: no more rows than requests that have not ended
      expect(sum(graphs[0]!)).toBe(lengths.filter((length) => length >= step).length);
    }
    running.all().forEach((result, i) => {
      expect(result.tokens, `request ${i}`).toEqual(single[i]!.tokens);
      expectSameReads(result, single[i]!);
      expect(result.editsApplied).toEqual(single[i]!.editsApplied);
    });
  });

  test('leave what the idle hold as it is', () => {
    using running = start(path);
    const conversation = randomPrompt(300, 40);
    running.submit(writing(conversation, { maxTokens: 2 }));
    for (let seed = 301; seed < 308; seed++)
      running.submit(writing(randomPrompt(seed, 20), { maxTokens: 20 }));
    const [first] = running.all();
    const goesOn = [...conversation, ...first!.tokens.slice(0, 1), ...randomPrompt(310, 9)];
    running.submit(writing(goesOn));
    running.submit(writing(goesOn, alone));
    const [cached, anew] = running.all().slice(-2);
    expect(cached!.cachedTokens).toBe(conversation.length + 1);
    expect(cached!.tokens).toEqual(anew!.tokens);
  });
});

test(
  'prompts fed in one step give what each gives alone: reads, edits of the prompt, a shared beginning',
  { timeout: 30_000 },
  () => {
    const beginning = randomPrompt(50, 20);
    const editsOf = (kind: number): Edit[] =>
      kind === 0
        ? []
        : [
            {
              op: 'add',
              layer: kind,
              direction: randomDirection(kind, 2),
              coefficient: kind - 2.5,
              scope: kind === 1 ? 'prompt' : 'all',
            },
          ];
    // those of one kind come together, and share their beginning
    const requests = Array.from({ length: 24 }, (_, i) =>
      writing([...beginning, ...randomPrompt(60 + i, 3 + (i % 7))], {
        edits: editsOf(Math.floor(i / 6)),
        means: { layers: 'all', kinds: ['response_avg', 'prompt_avg', 'prompt_last'] },
      }),
    );
    const single = requests.map((request) => {
      using running = start(path);
      running.submit({ ...request, ...alone });
      return running.all()[0]!;
    });
    using together = start(path);
    for (const request of requests) together.submit(request);
    const results = together.all();
    expect(
      results.filter(({ cachedTokens }) => cachedTokens >= beginning.length).length,
    ).toBeGreaterThanOrEqual(16);
    results.forEach((result, i) => {
      expect(result.tokens, `request ${i}`).toEqual(single[i]!.tokens);
      expectSameReads(result, single[i]!);
    });
  },
);
