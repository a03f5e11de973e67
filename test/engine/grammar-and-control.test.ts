/** Answers that follow a grammar, and requests that are changed while they run. */

import { describe, expect, test } from 'vitest';
import type { RunControl } from '../../src/engine/engine.ts';
import type { Edit } from '../../src/engine/request.ts';
import { usePlanted } from '../support/planted-chat.ts';

const chat = usePlanted();
const prompt = 'a stone by the river. ';

describe('a grammar', () => {
  const grammar = 'root ::= "[" item ("," item)* "]"\nitem ::= [a-c]{2}';

  test.each([0, 1])('is followed to its end, at temperature %d', async (temperature) => {
    for (let seed = 0; seed < 5; seed++) {
      const { text, finishReason } = await chat.model.engine.run({
        prompt,
        maxTokens: 60,
        grammar,
        sampling: { temperature, seed },
      });
      if (finishReason === 'stop') expect(text).toMatch(/^\[[a-c]{2}(,[a-c]{2})*\]$/);
      else expect(text).toMatch(/^\[[a-c,]*$/);
    }
  });

  test('with nothing more to say, the answer ends', async () => {
    const { text, finishReason } = await chat.model.engine.run({
      prompt,
      maxTokens: 60,
      grammar: 'root ::= "yes" | "no"',
    });
    expect(['yes', 'no']).toContain(text);
    expect(finishReason).toBe('stop');
  });

  test('is of one request: others beside it are free', async () => {
    const [bound, free] = await Promise.all([
      chat.model.engine.run({
        prompt,
        maxTokens: 12,
        grammar: 'root ::= [xy]+',
        sampling: { temperature: 0 },
      }),
      chat.model.engine.run({ prompt, maxTokens: 12, sampling: { temperature: 0 } }),
    ]);
    expect(bound.text).toMatch(/^[xy]+$/);
    expect(free.text).not.toMatch(/^[xy]+$/);
  });

  test.each([
    ['no rule', 'root := "a"', /grammar: llama\.cpp cannot read it/],
    ['no root', 'other ::= "a"', /grammar: llama\.cpp cannot read it/],
    ['itself first', 'root ::= root "a" | "b"', /grammar: llama\.cpp cannot read it/],
    ['too long', 'x'.repeat(100_001), /grammar: 100001 characters/],
  ])('%s is refused, and the engine lives', async (_, bad, words) => {
    await expect(chat.model.engine.run({ prompt, maxTokens: 4, grammar: bad })).rejects.toThrow(words);
    expect((await chat.model.engine.run({ prompt, maxTokens: 1 })).tokens).toHaveLength(1);
  });
});

describe('a request under way', () => {
  const read = () => ({ name: 'v', layer: 2, direction: chat.planted.direction });

  test('tells the prompt’s projection before any token', async () => {
    const order: string[] = [];
    let predicted: number[] = [];
    const result = await chat.model.engine.run(
      { prompt: 'P stone P', maxTokens: 6, sampling: { temperature: 0 }, projections: [read()] },
      {
        onPrompt: (projections) => {
          order.push('prompt');
          predicted = projections;
        },
        onEvents: () => order.push('token'),
      },
    );
    expect(order[0]).toBe('prompt');
    expect(order.filter((one) => one === 'prompt')).toHaveLength(1);
    expect(predicted).toEqual([result.projections![0]!.prompt]);
  });

  test('takes more edits, which act from then on and are counted', async () => {
    const cap: Edit = { op: 'cap', layer: 2, direction: chat.planted.direction, above: -0.5, scope: 'all' };
    let control: RunControl | undefined;
    let asked = false;
    const request = {
      prompt: 'PPP PPP PPP ',
      maxTokens: 300,
      sampling: { temperature: 0 },
      ignoreEnd: true,
      projections: [read()],
    } as const;
    const plain = await chat.model.engine.run(request);
    const changed = await chat.model.engine.run(request, {
      onStart: (own) => (control = own),
      onEvents: () => {
        if (asked) return;
        asked = true;
        void control!.addEdits([cap]);
      },
    });
    expect(changed.editsApplied).toHaveLength(1);
    const values = changed.projections![0]!.tokens;
    const first = values.findIndex((x) => x <= -0.5 + 1e-3);
    expect(first).toBeGreaterThan(0);
    expect(Math.max(...values.slice(first))).toBeLessThanOrEqual(-0.5 + 1e-3);
    expect(Math.max(...plain.projections![0]!.tokens.slice(first))).toBeGreaterThan(0);
    expect(changed.tokens.slice(0, first)).toEqual(plain.tokens.slice(0, first));
    // what the change computed is nobody else's
    expect((await chat.model.engine.run(request)).tokens).toEqual(plain.tokens);
  });

  test('refuses edits that cannot be, and takes none when it is over', async () => {
    let control: RunControl | undefined;
    await chat.model.engine.run({ prompt, maxTokens: 1 }, { onStart: (own) => (control = own) });
    const direction = chat.planted.direction;
    await control!.addEdits([{ op: 'ablate', layer: 1, direction }]);
    await expect(control!.addEdits([{ op: 'ablate', layer: 9, direction }])).rejects.toThrow(
      /edits\[0\]\.layer: no layer 9/,
    );
  });
});
