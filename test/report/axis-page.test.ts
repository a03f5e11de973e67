/** The page of an assistant axis: all roles in it, no name over another, and nothing that is no number. */

import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { renderAxis, writeAxisPage, type AxisPageData } from '../../src/report/axis-page.ts';
import type { AxisQuality } from '../../src/vector/axis-figures.ts';
import { aVector } from '../support/a-vector.ts';
import { folder } from '../support/folder.ts';

const COUNT = 90;

function data(changes: Partial<AxisQuality> = {}): AxisPageData {
  const perLayer = <T>(value: T): T[] => [value, value, value, value];
  return {
    vector: aVector({ trait: 'assistant' }),
    layer: 2,
    leftOut: ['nobody & co'],
    command: "persona generate … --steer 'a.gguf=>=25p@3:cap/all'",
    axis: {
      firstComponent: perLayer(0.75),
      explained: perLayer([0.45, 0.2]),
      componentsFor70: perLayer(3),
      roles: Array.from({ length: COUNT }, (_, i) => ({
        name: `role ${i}`,
        projection: -i,
        sd: -i / 10,
        components: [Math.cos(i * i) * i, Math.sin(i * i) * i],
      })),
      usual: [10, 5],
      floors: {},
      ...changes,
    },
  };
}

test('every role is drawn along the axis and told in both tables; what is from outside is escaped', async () => {
  const path = join(folder(), 'new', 'axis.html');
  await writeAxisPage(path, data());
  const page = readFileSync(path, 'utf8');
  for (let i = 0; i < COUNT; i++) {
    expect(page.split(`>role ${i}</text>`).length - 1, `role ${i}`).toBeGreaterThanOrEqual(2); // page and phone
    expect(page.split(`<th scope="row">role ${i}</th>`).length - 1).toBe(2);
  }
  expect(page).toContain('nobody &amp; co');
  expect(page).toContain('=&gt;=25p@3:cap/all');
  expect(page).toContain(
    'Nearest to the assistant: role 0, role 1, role 2. Farthest: role 89, role 88, role 87.',
  );
  expect(page).not.toMatch(/NaN|undefined|Infinity/);
});

test('in a crowd names are left out, but never that of the assistant', () => {
  const crowd = Array.from({ length: COUNT }, (_, i) => ({
    name: `role ${i}`,
    projection: -i,
    sd: -i,
    components: [i / 1000, 0],
  }));
  crowd.push({ name: 'far', projection: -99, sd: -99, components: [-50, 40] });
  const page = renderAxis(data({ roles: crowd, usual: [0, 0] }));
  const drawn = (name: string): number => page.split(`>${name}</text>`).length - 1;
  expect(drawn('far')).toBe(4); // along and beside, on the page and on the phone
  expect(drawn('assistant')).toBe(2);
  expect(Array.from({ length: COUNT }, (_, i) => drawn(`role ${i}`))).toEqual(Array(COUNT).fill(2)); // along only
});

test('roles that do not differ, and answers without spread, are no error', () => {
  const page = renderAxis(
    data({
      firstComponent: [null, null, null, null],
      explained: [[], [], [], []],
      componentsFor70: [0, 0, 0, 0],
      roles: ['a', 'b'].map((name) => ({ name, projection: 1, sd: null, components: [] })),
      usual: [],
    }),
  );
  expect(page).toContain('The roles do not differ at this layer.');
  expect(page).not.toMatch(/NaN|undefined|Infinity/);
});
