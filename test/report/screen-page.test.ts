import { expect, test } from 'vitest';
import { renderScreen, type ScreenPageData } from '../../src/report/screen-page.ts';
import type { ReadSample } from '../../src/report/screen-tokens.ts';
import { parseGate } from '../../src/screen/gate.ts';
import type { GroupFigures } from '../../src/screen/groups.ts';
import { A_MODEL } from '../support/a-vector.ts';

const HOSTILE = '<script>alert(1)</script>';
const figures: GroupFigures = { n: 4, mean: 1.5, low: 1, high: 2, sd: 0.5, min: 0, max: 3, share: 0.25 };
const sample: ReadSample = {
  place: `${HOSTILE}:1`,
  question: HOSTILE,
  difference: 3,
  answer: { coefficient: 0, text: HOSTILE, tokens: [{ text: HOSTILE, z: 2 }, { text: ' b', z: -4 }], z: 1 },
}; // prettier-ignore
const group = (name: string): ScreenPageData['result']['all'] => ({
  name,
  rows: 4,
  traits: { evil: figures },
});

const data: ScreenPageData = {
  model: A_MODEL,
  method: 'prompt',
  gates: [{ gate: parseGate('mean > 0.5 sd'), passed: false, value: 1, text: HOSTILE }],
  ends: { evil: { top: [sample], bottom: [{ ...sample, difference: -1 }] } },
  result: {
    output: 'out.jsonl',
    samples: 4,
    warnings: ['evil: the reference hardly spreads'],
    unmeasured: { 'an empty answer': 1 },
    against: 'reference',
    traits: [
      {
        name: 'evil',
        layer: 2,
        ...figures,
        quantiles: {},
        usual: { mean: 0.5, sd: 2, n: 40 },
        threshold: 2.5,
        histogram: { edges: [0, 1, 2, 3], set: [0.5, 0.25, 0.25], reference: [1, 0, 0] },
        top: [],
        bottom: [],
      },
    ],
    all: group('all'),
    files: [group(HOSTILE), group('b.jsonl')],
    by: { field: HOSTILE, groups: [group('x')] },
    kept: { path: 'keep.jsonl', rows: 3 },
  },
};

test('says what was found in words, with its reference, sets, gates and ends', () => {
  const page = renderScreen(data);
  expect(page).toContain(
    'evil: the mean difference is +1.50, +0.5\u00a0σ from the reference; 25.0\u00a0% of',
  );
  for (const part of ['Read this first', 'the reference hardly spreads', 'Most evil', 'Least evil', 'evil by file', 'difference +3.00', 'difference −1.00', 'Failed', '1 without figures'])
    expect(page).toContain(part); // prettier-ignore
  expect(page).toContain('data-z="−4.0"');
  expect(page.match(/id="show-z"/g)).toHaveLength(1);
  expect(page).not.toContain('unsteered');
});

test('nothing in data, names or fields gets out of its text', () => {
  expect(renderScreen(data)).not.toContain('<script');
});

test('a vector without a baseline leaves tokens uncoloured, and says so', () => {
  const plain = { ...sample, answer: { ...sample.answer, z: NaN, tokens: [{ text: 'word', z: NaN }] } };
  const page = renderScreen({ ...data, ends: { evil: { top: [plain], bottom: [plain] } } });
  expect(page).toContain('no neutral baseline');
  expect(page).not.toMatch(/class="t [pn]\d/);
});
