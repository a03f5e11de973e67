/** Two kinds of tests: unit tests need nothing but Node and run side by side; those with a real model or browser take
 *  the whole machine, so they run after them and one by one. */

import { configDefaults, defineConfig } from 'vitest/config';

const HEAVY = ['test/**/*.model.test.ts', 'test/**/*.browser.test.ts'];
const TEN_MINUTES = 600_000; // a small model on two cores; a first run also downloads it

export default defineConfig({
  test: {
    reporters: ['default', './scripts/closing-line.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...HEAVY],
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'model',
          include: HEAVY,
          testTimeout: TEN_MINUTES,
          hookTimeout: TEN_MINUTES,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
