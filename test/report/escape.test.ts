import fc from 'fast-check';
import { parseHTML } from 'linkedom';
import { describe, expect, test } from 'vitest';
import { escapeHtml, html, source } from '../../src/report/escape.ts';
import { renderReport } from '../../src/report/render.ts';
import type { ReportData } from '../../src/report/report-data.ts';
import { sampleReport } from './fixture.ts';

const hostile = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  `' onmouseover='alert(1)`,
  '</style></title></textarea><script>alert(1)</script>',
  '<!--',
  ']]><svg onload=alert(1)>',
  '&lt;script&gt;',
  '${alert(1)}',
  'javascript:alert(1)',
  '<meta http-equiv="refresh" content="0;url=https://example.org">',
  '\u202e\u0000\u0007\ud800',
];
const anyText = fc
  .array(
    fc.oneof(
      fc.constantFrom(...hostile),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('<', '>', '"', "'", '&'),
    ),
  )
  .map((parts) => parts.join(''));

/** The sample with the text in the place of every text that a model, a judge or a user writes. */
function poisoned(text: string): ReportData {
  const data = sampleReport();
  return {
    ...data,
    layers: [],
    sweep: [],
    trait: text,
    description: text,
    created: text,
    version: text,
    judge: text,
    model: { ...data.model, name: text, architecture: text, quantization: text, sha256: text },
    chosen: { ...data.chosen, why: text },
    counts: { ...data.counts, dropped: [{ reason: text, count: 12 }] },
    rollouts: [{ ...data.rollouts[0]!, question: text, answer: text, kept: false, reason: text }],
    examples: [{ question: text, answers: [{ coefficient: 1, text, tokens: [{ text, z: 1 }], z: 1 }] }],
    provenance: [[text, text]],
  };
}

const allowed = new Set(
  `html head meta title style body header main section div p span b i a h1 h2 h3 dl dt dd fieldset legend label input svg g
  path circle line rect text tspan figure figcaption details summary table thead tbody tr th td article pre code`.split(
    /\s+/,
  ),
);

describe('escaping', () => {
  test('text comes back from the parser as it was', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const plain = text.replace(/(?![\t\n])\p{Cc}/gu, '');
        const { document } = parseHTML(source(html`<p title="${plain}">${plain}</p>`));
        expect(document.querySelector('p')?.textContent).toBe(plain);
        expect(document.querySelector('p')?.getAttribute('title')).toBe(plain);
        expect(document.querySelectorAll('*')).toHaveLength(1);
      }),
    );
  });

  test('leaves nothing that could open a tag, an attribute or a control sequence', () => {
    fc.assert(fc.property(anyText, (text) => !/[<>"']|(?![\t\n\r])\p{Cc}/u.test(escapeHtml(text))));
  });

  test('no JSON can pass for HTML', () => {
    const forged = JSON.parse('{"html":"<b>","Symbol(html)":"<b>"}');
    expect(source(html`${forged}`)).not.toContain('<b>');
  });

  test('no text of the data adds an element, a handler or a link to the page', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const { document } = parseHTML(renderReport(poisoned(text)));
        for (const element of document.querySelectorAll('*')) {
          expect(allowed).toContain(element.localName);
          for (const name of element.getAttributeNames()) {
            expect(name).not.toMatch(/^on|^(src|href|srcdoc|action|formaction|xlink:href)$/);
          }
        }
        expect(document.querySelectorAll('meta')).toHaveLength(5);
      }),
      { numRuns: 40 },
    );
  }, 30_000);
});
