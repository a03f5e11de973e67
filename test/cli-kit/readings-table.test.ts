import { expect, test } from 'vitest';
import { readingsTable } from '../../src/cli/kit/readings-table.ts';
import type { Reading, Watch } from '../../src/monitor/watch.ts';
import { direction } from '../../src/vector/vector.ts';
import { norm } from '../../src/math/vector.ts';
import { aVector } from '../support/a-vector.ts';

const vector = aVector();
const watch: Watch = { name: 'evil', source: 'evil', vector, layer: 2 };
const read: Reading = { mean: 1.234, last: -12.5, prompt: 3, z: -0.46, tokens: [] };

test('a table of what was read', () => {
  expect(readingsTable([watch], [{ persona: { evil: read } }])).toBe(
    'trait  mean     z  last token  predicted  layer\nevil   1.23  -0.5      -12.50       3.00      2',
  );
});

test('several answers have names; what is not known is a dash; large figures need no decimals', () => {
  const none: Reading = { mean: null, last: null, prompt: 5234.4, z: null, tokens: [] };
  const answers = [
    { label: 'as it is', persona: { evil: read } },
    { label: 'steered', persona: { evil: none } },
  ];
  expect(readingsTable([watch], answers).split('\n')).toEqual([
    'trait  answer    mean     z  last token  predicted  layer',
    'evil   as it is     1  -0.5         -13          3      2',
    'evil   steered      –     –           –       5234      2',
  ]);
});

test('it says how much of a reading is the steering’s own push', () => {
  const row = direction(vector, 2);
  const add = { op: 'add', layer: 2, direction: row, coefficient: -2 } as const;
  const push = (-2 * norm(row)).toFixed(2);
  const lines = (edits: Parameters<typeof readingsTable>[2]): string[] =>
    readingsTable([watch], [{ persona: { evil: read } }], edits)
      .split('\n')
      .slice(2);
  expect(lines([add])).toEqual([`of evil at layer 2, ${push} is the push of the steering itself`]);
  expect(
    lines([
      { ...add, scope: 'all' },
      { ...add, scope: 'generated' },
    ]),
  ).toEqual([`of evil at layer 2, ${(2 * -2 * norm(row)).toFixed(2)} is the push of the steering itself`]);
  // elsewhere, on the prompt only, or no addition
  expect(lines([{ ...add, layer: 1 }])).toEqual([]);
  expect(
    lines([
      { ...add, scope: 'prompt' },
      { ...add, scope: 'last_prompt' },
    ]),
  ).toEqual([]);
  expect(lines([{ op: 'ablate', layer: 2, direction: row }])).toEqual([]);
});
