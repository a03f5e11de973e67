import { parseHTML } from 'linkedom';
import { expect, test } from 'vitest';
import { renderSweep } from '../../src/report/sweep-page.ts';
import type { Dose } from '../../src/vector/dose.ts';
import type { SweptVariant } from '../../src/vector/sweep-vector.ts';
import { PLAIN, type Spread } from '../../src/vector/variants.ts';
import { A_MODEL } from '../support/a-vector.ts';
import { dose } from './fixture.ts';

const unsteered = dose(0, 40, 95);

function variant(spread: Spread, steered: Dose[], coefficient?: number): SweptVariant {
  const name = spread === 'single' ? '' : spread;
  const doses = [unsteered, ...steered];
  return { name, variant: { ...PLAIN, spread }, layer: 8, why: 'it <b>moves</b> most', coefficient, doses, steered }; // prettier-ignore
}

type Page = ReturnType<typeof parseHTML>['document'];

function rendered(...variants: SweptVariant[]): Page {
  const swept = { variants, unsteered, answers: [] };
  const page = renderSweep({ trait: 'evil', model: A_MODEL, judge: 'likelihood', unit: 'raw', swept });
  return parseHTML(page).document;
}

/** The cells of a table, row by row. */
function numbers(page: Page, nth: number): string[][] {
  return [...page.querySelectorAll('table')[nth]!.querySelectorAll('tbody tr')].map((row) =>
    [...row.querySelectorAll('th, td')].map((cell) => cell.textContent),
  );
}

test('a row a layer, with the unsteered answers in each, in the order of layers and coefficients', () => {
  const steered = [dose(1, 80, 90, 8), dose(-1, 10, 80, 8), dose(-1, 30, 92, 4), dose(1, 60, 91, 4)];
  const page = rendered(variant('single', steered, 1));
  expect(numbers(page, 0).map(([layer, coefficient, trait]) => [layer, coefficient, trait])).toEqual([
    ['4', '−1', '30.0'],
    ['4', '0', '40.0'],
    ['4', '+1', '60.0'],
    ['8', '−1', '10.0'],
    ['8', '0', '40.0'],
    ['8', '+1', '80.0'],
  ]);
  expect(page.body.textContent).toContain('Best at layer 8, coefficient +1: it <b>moves</b> most.');
  const [trait, onPhone] = [...page.querySelectorAll('svg.plot')].map((svg) =>
    svg.getAttribute('aria-label'),
  );
  expect(trait).toMatch(/^trait by layer and coefficient: layer 4 at −1 30; layer 4 at 0 40; /);
  expect(onPhone).toBe(trait);
});

test('what acts on all layers is one row, and named so', () => {
  const page = rendered(variant('single', [dose(1, 80, 90, 8)], 1), variant('incremental', [dose(1, 99, 20, 8)])); // prettier-ignore
  expect(numbers(page, 1).map(([layer, coefficient]) => [layer, coefficient])).toEqual([
    ['all', '0'],
    ['all', '+1'],
  ]);
  expect(page.body.textContent).toContain('No positive coefficient keeps the answers coherent.');
  expect(page.querySelectorAll('section')[1]!.textContent).not.toContain('layer 8');
});
