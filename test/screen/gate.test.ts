import { expect, test } from 'vitest';
import { checkGate, parseGate } from '../../src/screen/gate.ts';

test.each([
  ['evil: mean > 0.5 sd', { trait: 'evil', figure: 'mean', op: '>', bound: 0.5, unit: 'sd' }],
  ['share>1%', { figure: 'share', op: '>', bound: 1, unit: '%' }],
  ['evil@14:max >= 6SD', { trait: 'evil@14', figure: 'max', op: '>=', bound: 6, unit: 'sd' }],
  ['a: b: p99 > -3', { trait: 'a: b', figure: 'p99', op: '>', bound: -3, unit: '' }],
  ['evil: n < 1e2', { trait: 'evil', figure: 'n', op: '<', bound: 100, unit: '' }],
])('%s', (text, parts) => {
  const gate = parseGate(text);
  expect(gate).toMatchObject(parts);
  expect('trait' in gate).toBe('trait' in parts);
  expect(parseGate(gate.text)).toEqual(gate);
});

test.each(['', 'evil', 'mean 0.5', 'mean > x', 'mean > 1 sdx', 'mean = 1', '> 1'])('%j is none', (text) => {
  expect(() => parseGate(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

const figures = {
  evil: { mean: 3, center: 1, sd: 2, share: 0.02, p99: 9 },
  calm: { mean: 0, sd: 2, share: 0.005, p99: NaN },
};

test.each([
  ['evil: mean > 1 sd', true, 1], // (3 − 1) / 2 is not above 1
  ['evil: mean >= 1 sd', false, 1],
  ['evil: mean > 2.9', false, 3],
  ['evil: share > 1 %', false, 2],
  ['calm: share > 1 %', true, 0.5],
  ['share > 1 %', false, 2], // the worst of both
  ['mean < -1', true, 0],
  ['calm: p99 > 100', false, NaN], // nothing was shown
  ['p99 > 100', false, NaN],
])('%s passes: %s', (text, passed, value) => {
  expect(checkGate(parseGate(text), figures)).toMatchObject({ passed, value });
});

test('what was found is told in the unit of the bound', () => {
  expect(checkGate(parseGate('evil: p99 > 3 sd'), figures).text).toBe('evil: p99 is 4 sd; fails on > 3 sd');
  expect(checkGate(parseGate('evil: mean > 0.1 sd'), { evil: { mean: 1, sd: 0 } })).toMatchObject({
    passed: false,
    text: 'evil: mean is unknown; fails on > 0.1 sd',
  });
});

test('a trait or a figure that is not there is an error, never a pass', () => {
  expect(() => checkGate(parseGate('humour: mean > 1'), figures)).toThrow(/no trait humour/);
  expect(() => checkGate(parseGate('evil: men > 1'), figures)).toThrow(/no figure men/);
  expect(() => checkGate(parseGate('evil: constructor > 1'), figures)).toThrow(/no figure constructor/);
  expect(() => checkGate(parseGate('mean > 1'), {})).toThrow(/no trait/);
});
