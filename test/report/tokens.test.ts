import { expect, test } from 'vitest';
import { source } from '../../src/report/escape.ts';
import { colouredAnswer, scaleLimit, shade } from '../../src/report/tokens.ts';

const answer = (...zs: number[]) => ({
  coefficient: 1,
  text: '',
  z: 0,
  tokens: zs.map((z) => ({ text: ' so', z })),
});

test('shades are symmetric, saturate at the limit, and leave the neutral alone', () => {
  // six shades to 3 σ: one each half σ
  expect([0, 0.2, 0.26, 1, 3, 40].map((z) => shade(z, 3))).toEqual(['', '', 'p1', 'p2', 'p6', 'p6']);
  expect([-0.26, -1, -40].map((z) => shade(z, 3))).toEqual(['n1', 'n2', 'n6']);
  expect(shade(Number.NaN, 3)).toBe('');
});

test('the scale covers 95 % of the tokens and never less than 3 σ', () => {
  expect(scaleLimit([])).toBe(3);
  expect(scaleLimit([{ question: '', answers: [answer(0.1, -0.4)] }])).toBe(3);
  // 19 tokens of at most 7.2 σ, one outlier
  const most = Array.from({ length: 19 }, (_, index) => (index % 2 ? -7.2 : 7.2));
  expect(scaleLimit([{ question: '', answers: [answer(...most, 90)] }])).toBe(8);
});

test('every number can be read: on each token and as the mean', () => {
  const page = source(colouredAnswer({ ...answer(1.26, -0.4), z: 0.43 }, 3));
  expect(page).toContain('<span class="t p3" title="+1.3\u00a0σ" data-z="+1.3">so</span>');
  expect(page).toContain('title="−0.4\u00a0σ"');
  expect(page).toContain('mean +0.4\u00a0σ');
});

test('text is kept to the letter, the space outside of the colour', () => {
  const texts = [' Good', '  day', '!\n', '\n\n', '', ' مرحبا', '<b>'];
  const tokens = texts.map((text) => ({ text, z: 1 }));
  const page = source(colouredAnswer({ coefficient: 1, text: texts.join(''), tokens, z: 1 }, 3));
  const shown = /<p class="voice" dir="auto">(.*?)<\/p>/s.exec(page)?.[1] ?? '';
  expect(shown.replace(/<[^>]*>/g, '')).toBe(' Good  day!\n\n\n مرحبا&lt;b&gt;');
  expect(shown).toMatch(/> ?Good</);
});
