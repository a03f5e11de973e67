import { parseHTML } from 'linkedom';
import { describe, expect, test } from 'vitest';
import { reuseCommand } from '../../src/report/provenance.ts';
import { renderReport } from '../../src/report/render.ts';
import type { ReportData } from '../../src/report/report-data.ts';
import { spread } from '../../src/report/rollouts.ts';
import { dose, emptyReport, sampleReport } from './fixture.ts';

const megabyte = 1_000_000;

function page(change: Partial<ReportData> = {}, base = sampleReport()) {
  const text = renderReport({ ...base, ...change });
  const { document } = parseHTML(text);
  for (const style of document.querySelectorAll('style')) style.remove();
  return { text, document, words: document.documentElement.textContent ?? '' };
}

describe('the page', () => {
  test('stands alone: no script, no link, nothing to load', () => {
    const { text } = page();
    expect(text).not.toMatch(/https?:|<script|<link|<img|<iframe|@import|url\(|\b(src|href)=/i);
    expect(text).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
    expect(Buffer.byteLength(text)).toBeLessThan(megabyte);
  });

  test('has every part, in the order of a reader', () => {
    const { document, words } = page();
    expect([...document.querySelectorAll('h2')].map((heading) => heading.textContent)).toEqual([
      'Dose and response',
      'Evidence',
      'Layers',
      'Examples',
      'Rollouts',
      'Use it',
      'Provenance',
    ]);
    for (const text of [
      '41 → 74',
      'of 30, counted from 0',
      '48',
      'recommended',
      '60\u00a0rollouts with scores',
    ]) {
      expect(words.replace('60 rollouts', '60\u00a0rollouts')).toContain(text);
    }
    expect(document.querySelectorAll('figure')).toHaveLength(4);
    for (const figure of document.querySelectorAll('figure')) {
      expect(figure.querySelector('figcaption')?.textContent).toBeTruthy();
      expect(figure.querySelectorAll('details td').length).toBeGreaterThan(0);
      for (const svg of figure.querySelectorAll('svg'))
        expect(svg.getAttribute('aria-label')?.length).toBeGreaterThan(20);
    }
  });

  test('shows hashes short and whole, and the command with a plain minus', () => {
    const data = sampleReport();
    expect(page().document.querySelector(`code[title="${data.model.sha256}"]`)?.textContent).toBe(
      '9f2c6b1e77d0…',
    );
    expect(reuseCommand({ ...data, chosen: { layer: 9, coefficient: -1.5, why: '' } })).toBe(
      "persona generate 'Your question' --model SmolLM2-1.7B-Instruct --steer vector.gguf=-1.5@9 --compare",
    );
    expect(reuseCommand({ ...data, model: { ...data.model, name: 'my model; rm -rf' } })).toContain(
      "--model 'my model; rm -rf' ",
    );
  });

  test('is the same for the same data', () => {
    expect(renderReport(sampleReport())).toBe(renderReport(sampleReport()));
  });
});

describe('data that lacks something', () => {
  const sample = sampleReport();
  const nothing = { mean: Number.NaN, low: Number.NaN, high: Number.NaN, n: 0 };
  const cases: Record<string, ReportData> = {
    nothing: emptyReport(),
    'no sweep': { ...sample, sweep: [] },
    'one dose': { ...sample, doses: [dose(1, 70, 80)] },
    'only unsteered': {
      ...sample,
      doses: [dose(0, 70, 80)],
      chosen: { layer: 16, coefficient: 0, why: 'none' },
    },
    'one layer': { ...sample, layers: sample.layers.slice(16, 17), sweep: [dose(1, 50, 80)] },
    'a chosen layer without figures': { ...sample, chosen: { layer: 99, coefficient: 3, why: '' } },
    'no numbers': {
      ...sample,
      doses: [{ layer: 16, coefficient: 1, trait: nothing, coherence: nothing }],
      sweep: [{ layer: 16, coefficient: 1, trait: nothing, coherence: nothing }],
      layers: [{ layer: 0, norm: 0, residualNorm: 0, auc: Number.NaN }],
      examples: [
        {
          question: '',
          answers: [{ coefficient: 0, text: '', tokens: [{ text: 'a', z: Number.NaN }], z: Number.NaN }],
        },
      ],
    },
    'null scores': {
      ...sample,
      rollouts: sample.rollouts.map((each) => ({ ...each, trait: null, coherence: null })),
    },
    'none dropped': { ...sample, counts: { asked: 60, kept: 60, dropped: [] } },
    'empty examples': { ...sample, examples: [{ question: 'Why?', answers: [] }] },
    'doses above zero only': { ...sample, doses: [dose(0, 20, 90), dose(1, 50, 80), dose(8, 60, 20)] },
    'a negative recommendation': { ...sample, chosen: { layer: 16, coefficient: -2, why: '' } },
  };

  test.each(Object.entries(cases))('%s', (_, data) => {
    const { document, text, words } = page({}, data);
    expect(words).not.toMatch(/NaN|undefined|Infinity|\bnull\b|\[object/);
    expect(text).not.toMatch(/"[^"]*(NaN|undefined|Infinity)[^"]*"/);
    expect(document.querySelectorAll('section').length).toBe(7);
    expect(document.querySelector('.finding')?.textContent).toMatch(/^[A-Z].*\.$/);
  });

  test('very long and very many answers stay below a megabyte', () => {
    const rollouts = Array.from({ length: 2_000 }, (_, index) => ({
      ...sample.rollouts[index % 60]!,
      answer: 'word '.repeat(400),
    }));
    const tokens = Array.from({ length: 5_000 }, () => ({ text: ' word', z: 1 }));
    const { text, words } = page({
      rollouts,
      examples: [{ question: '', answers: [{ coefficient: 1, text: '', tokens, z: 1 }] }],
    });
    expect(Buffer.byteLength(text)).toBeLessThan(megabyte);
    expect(words).toMatch(/400 of 2\u202f000\s+rollouts/);
    expect(words).toContain('3\u202f500 more tokens');
  });

  test('text that runs from right to left finds its own direction', () => {
    const { document } = page({
      examples: [{ question: 'ما رأيك؟', answers: [{ coefficient: 1, text: 'مرحبا', tokens: [], z: 1 }] }],
    });
    expect(document.querySelector('.example h3')?.getAttribute('dir')).toBe('auto');
    expect(document.querySelector('.answer .voice')?.outerHTML).toBe('<p class="voice" dir="auto">مرحبا</p>');
  });
});

test('a spread list keeps its ends of the range and never exceeds the most', () => {
  const list = Array.from({ length: 10 }, (_, index) => index);
  expect(spread(list, 20)).toEqual(list);
  expect(spread(list, 4)).toEqual([0, 3, 5, 8]);
});
