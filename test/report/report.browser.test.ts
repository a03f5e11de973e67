/** The page in a real browser: it opens from disk, loads nothing, says nothing to the console, and fits a phone. */

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ReportData } from '../../src/report/report-data.ts';
import { writeReport } from '../../src/report/write.ts';
import { dose, emptyReport, sampleReport } from './fixture.ts';

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const found = existsSync(executablePath);
const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'].concat([
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]);

/** Long words, many doses, right-to-left text, and what would be markup if it were let through. */
function hardReport(): ReportData {
  const sample = sampleReport();
  const text = `${'x'.repeat(400)} <script>document.title = 'broken'</script><img src="https://example.org/x.png">`;
  return {
    ...sample,
    trait: 'a_trait_with_a_name_that_is_far_too_long_for_a_phone_and_has_no_spaces',
    description: text,
    judge: 'y'.repeat(200),
    doses: Array.from({ length: 25 }, (_, index) => dose(index - 12, index * 4, 100 - index * 3)),
    sweep: [4, 8, 12].flatMap((layer) => [-1, 1, 2, 3].map((at) => dose(at, 50 + at * 5, 80, layer))),
    counts: { asked: 1_000_000, kept: 999_999, dropped: [{ reason: text, count: 1 }] },
    rollouts: sample.rollouts.map((each) => ({ ...each, question: text, answer: text, reason: text })),
    examples: [
      { question: text, answers: [{ coefficient: 1, text, tokens: [{ text, z: 12 }], z: 12 }] },
      { question: 'ما رأيك؟', answers: [{ coefficient: -1, text: 'مرحبا بكم', tokens: [], z: -1 }] },
    ],
    provenance: [[text, text]],
  };
}

/** A calibration upwards only: zero and its word are at the left edge. */
function onlyMore(): ReportData {
  const doses = [0, 0.5, 1, 1.5, 2].map((at) => dose(at, 40 + at * 20, 90 - at * 4));
  return {
    ...sampleReport(),
    doses,
    chosen: { layer: 0, coefficient: 0.5, why: 'The least dose that shows.' },
  };
}

const reports: [string, ReportData][] = [
  ['sample', sampleReport()],
  ['hard', hardReport()],
  ['empty', emptyReport()],
  ['only more', onlyMore()],
];

describe.skipIf(!found)(
  `the page in a browser${found ? '' : ` (skipped: no chromium at ${executablePath}; set CHROMIUM)`}`,
  () => {
    let browser: Browser;
    let folder: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'persona-report-'));
      for (const [name, data] of reports) await writeReport(join(folder, `${name}.html`), data);
      browser = await chromium.launch({ executablePath, args });
    }, 60_000);

    afterAll(async () => {
      await browser?.close();
      await rm(folder, { recursive: true });
    });

    /** Opens a page and collects what it says and asks for. */
    async function open(
      name: string,
      width: number,
      colorScheme: 'light' | 'dark',
      javaScriptEnabled = true,
    ) {
      const context = await browser.newContext({
        viewport: { width, height: 844 },
        colorScheme,
        javaScriptEnabled,
      });
      const page = await context.newPage();
      const said: string[] = [];
      const asked: string[] = [];
      page.on('console', (message) => said.push(message.text()));
      page.on('pageerror', (error) => said.push(error.message));
      page.on('request', (request) => asked.push(request.url()));
      const url = pathToFileURL(join(folder, `${name}.html`)).href;
      await page.goto(url);
      return { page, said, asked, url };
    }

    const openDetails = (page: Page) =>
      page.evaluate(`for (const each of document.querySelectorAll('details')) each.open = true`);
    const widest = (page: Page) => page.evaluate<number>('document.documentElement.scrollWidth');

    const views = reports.flatMap(([name]) =>
      [390, 1280].flatMap((width) => (['light', 'dark'] as const).map((scheme) => ({ name, width, scheme }))),
    );

    test.each(views)(
      '$name at $width px, $scheme: silent, alone, no wider than the screen',
      async ({ name, width, scheme }) => {
        const { page, said, asked, url } = await open(name, width, scheme);
        expect(await widest(page)).toBe(width);
        await openDetails(page);
        await page.evaluate(`document.querySelector('#show-z')?.click()`);
        expect(await widest(page)).toBe(width);
        expect(said).toEqual([]);
        expect(asked).toEqual([url]);
        expect(await page.title()).not.toBe('broken');
        await page.context().close();
      },
    );

    test.each([390, 1280])(
      'every figure at %i px is drawn: paths that lead somewhere, text of a readable size',
      async (width) => {
        const { page } = await open('sample', width, 'light');
        const figures = await page.evaluate<
          { shapes: number; text: number }[]
        >(`[...document.querySelectorAll('figure')].map((figure) => ({
      shapes: [...figure.querySelectorAll('svg :is(path, rect)')].filter((each) => {
        const { width, height } = each.getBoundingClientRect();
        return width + height > 0 && each.getAttribute('d') !== '';
      }).length,
      text: Math.min(...[...figure.querySelectorAll('svg text')].map((each) => each.getBoundingClientRect().height).filter(Boolean)),
    }))`);
        expect(figures).toHaveLength(4);
        for (const { shapes, text } of figures) {
          expect(shapes).toBeGreaterThan(3);
          expect(text).toBeGreaterThan(11);
        }
        await page.context().close();
      },
    );

    test.each(reports)('%s: no text of a figure leaves the page or covers another', async (name) => {
      const { page } = await open(name, 390, 'light');
      const clashes = await page.evaluate<
        string[]
      >(`[...document.querySelectorAll('svg.plot')].flatMap((svg) => {
      const texts = [...svg.querySelectorAll('text')].map((each) => [each.textContent, each.getBoundingClientRect()]);
      const clash = ([a, p], [b, q]) =>
        p.width && p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 3 && q.top < p.bottom - 3 ? [a + ' / ' + b] : [];
      return texts.flatMap((one, index) => texts.slice(index + 1).flatMap((other) => clash(one, other)))
        .concat(texts.filter(([, box]) => box.right > innerWidth || box.left < 0).map(([text]) => text));
    })`);
      expect(clashes).toEqual([]);
      await page.context().close();
    });

    test('a rollout is a card on a phone, its scores on one line', async () => {
      const { page } = await open('sample', 390, 'light');
      await openDetails(page);
      const tops = await page.evaluate<number[]>(
        `[...document.querySelectorAll('.rollouts tbody tr:first-child :is(.score, .outcome)')].map((cell) => cell.getBoundingClientRect()).flatMap(({ top, bottom }) => [top, bottom])`,
      );
      expect(tops).toHaveLength(6);
      expect(new Set(tops).size).toBe(2);
      await page.context().close();
    });

    test('the theme follows the reader, and the switch overrules it without a script', async () => {
      const { page } = await open('sample', 1280, 'dark', false);
      const paper = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
      expect(await paper()).toBe('rgb(16, 19, 24)');
      await page.getByText('light', { exact: true }).click();
      expect(await paper()).toBe('rgb(255, 255, 255)');
      await page.context().close();
    });

    test('text on the deepest shades keeps a contrast of 4.5 in both themes', async () => {
      for (const scheme of ['light', 'dark'] as const) {
        const { page } = await open('sample', 1280, scheme);
        const contrasts = await page.evaluate<number[]>(`['p6', 'n6'].map((shade) => {
        const token = document.querySelector('.voice .t');
        token.className = 't ' + shade;
        const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d');
        const luminance = (...colours) => {
          for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
          const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
          return .2126 * r + .7152 * g + .0722 * b;
        };
        const paper = luminance(getComputedStyle(document.body).backgroundColor, getComputedStyle(token).backgroundColor);
        const ink = luminance(getComputedStyle(token).color);
        return (Math.max(paper, ink) + .05) / (Math.min(paper, ink) + .05);
      })`);
        for (const contrast of contrasts) expect(contrast).toBeGreaterThan(4.5);
        await page.context().close();
      }
    });
  },
);
