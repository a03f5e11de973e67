/**
 * The page's style sheet. The tool speaks in a sans serif, the model in a serif. Orange is more of the trait, blue less;
 * all else is grey. `light-dark()` follows the reader's setting, the theme switch, and print.
 */

import { shades } from './tokens.ts';

const colours = `
:root {
  color-scheme: light dark;
  --paper: light-dark(#ffffff, #101318);
  --wash: light-dark(#f3f5f7, #1a1e25);
  --ink: light-dark(#15181e, #e8ebf0);
  --muted: light-dark(#5a6371, #9aa4b3);
  --faint: light-dark(#a9b1bc, #566070);
  --rule: light-dark(#e2e5ea, #2a3039);
  --trait: light-dark(#b8480a, #f59b58);
  --coherence: light-dark(#4b5d72, #a8b8cb);
  --plus: light-dark(#f07f1e, #e27a2c);
  --minus: light-dark(#2f83dc, #3f88dc);
  --sans: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', Arial, sans-serif;
  --serif: 'Iowan Old Style', Charter, 'Palatino Linotype', 'Source Serif 4', 'Noto Serif', 'Liberation Serif', Georgia, serif;
  --mono: ui-monospace, 'SF Mono', 'Cascadia Code', Menlo, Consolas, 'Liberation Mono', monospace;
}
:root:has(#theme-light:checked) { color-scheme: light; }
:root:has(#theme-dark:checked) { color-scheme: dark; }
`;

const page = `
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; max-width: 1200px; padding: 0 40px 96px;
  background: var(--paper); color: var(--ink);
  font: 400 15px/1.55 var(--sans); font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
h1, h2, h3, p, dl, dd, figure, fieldset { margin: 0; padding: 0; }
code, pre { font-family: var(--mono); font-size: .92em; }
:focus-visible { outline: 2px solid var(--trait); outline-offset: 3px; border-radius: 3px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.empty, .more, .note { color: var(--muted); }
.empty { padding: 20px 0; border-block: 1px solid var(--rule); }
.note { margin-top: 12px; font-size: 14px; }

.top { display: flex; justify-content: space-between; align-items: center; padding: 28px 0 72px; }
.brand { display: flex; gap: 9px; align-items: center; font-weight: 600; font-size: 14px; }
.themes { border: 0; display: flex; gap: 2px; padding: 3px; border-radius: 8px; background: var(--wash); }
.themes label { cursor: pointer; }
.themes input { position: absolute; opacity: 0; }
.themes span { display: block; padding: 3px 10px; border-radius: 6px; font-size: 12.5px; color: var(--muted); }
.themes input:checked + span { background: var(--paper); color: var(--ink); box-shadow: 0 0 0 1px var(--rule); }
.themes input:focus-visible + span { outline: 2px solid var(--trait); }
h1 { font-size: clamp(38px, 5.4vw, 60px); line-height: 1.04; letter-spacing: -.035em; font-weight: 680; }
.description { margin-top: 14px; max-width: 62ch; font-size: 16px; color: var(--muted); }
.finding { margin-top: 40px; max-width: 36em; font-size: clamp(20px, 2.15vw, 25px); line-height: 1.4; letter-spacing: -.012em; text-wrap: balance; }
.meta { margin-top: 20px; font-size: 14px; color: var(--muted); }
.meta span:not(:last-child)::after { content: '·'; margin: 0 6px 0 9px; }
.cards { display: grid; grid-template-columns: repeat(5, 1fr); margin-top: 56px; border-block: 1px solid var(--rule); }
.cards > div { padding: 20px 16px 22px 20px; border-inline-start: 1px solid var(--rule); }
.cards > div:first-child { padding-inline-start: 0; border: 0; }
.cards dt { font-size: 13px; color: var(--muted); }
.cards b { display: block; margin: 2px 0 4px; font-size: 30px; line-height: 1.2; font-weight: 620; letter-spacing: -.03em; white-space: nowrap; }
.cards span { display: block; font-size: 13px; line-height: 1.4; color: var(--muted); }

section { display: grid; grid-template-columns: 240px minmax(0, 1fr); gap: 0 68px; margin-top: 104px; }
section.full { grid-template-columns: minmax(0, 1fr); gap: 28px; }
h2 { font-size: 21px; line-height: 1.3; letter-spacing: -.018em; font-weight: 650; }
.aside p { margin-top: 8px; max-width: 60ch; font-size: 14px; color: var(--muted); }
figure + figure { margin-top: 64px; }
.picture { min-width: 0; }
.plot { display: block; width: 100%; max-width: var(--width); height: auto; font: 12px var(--sans); font-variant-numeric: tabular-nums; overflow: visible; }
.plot text { white-space: pre; }
.for-phone { display: none; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: 32px 13px; }
.panel-title { margin-bottom: 8px; font-size: 13px; line-height: 1.4; }
.panel-title b { display: block; font-size: 14px; font-weight: 600; }
.panel-title span { color: var(--muted); }
.verdict { max-width: 72ch; margin-bottom: 28px; padding-inline-start: 16px; border-inline-start: 3px solid var(--muted); font-size: 16px; }
.verdict.bad { border-color: var(--trait); }
.verdict.good { border-color: var(--coherence); }
.evidence > div { display: grid; grid-template-columns: 190px minmax(0, 1fr); gap: 0 24px; padding: 11px 0; border-top: 1px solid var(--rule); }
.evidence dt { font-size: 14px; color: var(--muted); }
.evidence b { display: block; font-size: 15px; font-weight: 600; font-variant-numeric: tabular-nums; }
.evidence span { display: block; max-width: 68ch; font-size: 13px; line-height: 1.45; color: var(--muted); }
figcaption { margin-top: 14px; max-width: 64ch; font-size: 14px; color: var(--muted); }
.key { font-weight: 600; }
.key.trait { color: var(--trait); }
.key.coherence { color: var(--coherence); }
`;

const details = `
summary { cursor: pointer; width: fit-content; font-size: 13.5px; color: var(--muted); }
summary:hover { color: var(--ink); }
.numbers { margin-top: 10px; }
.scroll { overflow-x: auto; margin-top: 10px; max-height: 420px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th, td { padding: 6px 0 6px 20px; text-align: end; vertical-align: top; border-bottom: 1px solid var(--rule); font-weight: 400; }
th:first-child { padding-inline-start: 0; text-align: start; }
thead th { font-size: 12.5px; color: var(--muted); white-space: nowrap; }
.scroll td, .scroll th { white-space: nowrap; }
.scroll tbody th { white-space: normal; min-width: 6em; }

.rollouts { margin-top: 48px; }
.rollouts > summary { font-size: 15px; font-weight: 600; color: var(--ink); }
.rollouts > .more, .rollouts > table { margin-top: 14px; }
.rollouts td { padding-block: 14px; }
.rollouts :is(.side, .text, .outcome, th:nth-child(2), th:last-child) { text-align: start; }
.rollouts .side { padding-inline-start: 0; font-size: 17px; line-height: 1.2; font-weight: 650; }
.rollouts .pos { color: var(--trait); }
.rollouts .neg { color: var(--minus); }
.rollouts .text { width: 62%; }
.rollouts .question { margin-bottom: 4px; font-weight: 550; }
.rollouts .voice { font-size: 15px; line-height: 1.5; }
.rollouts .outcome { min-width: 8.5em; color: var(--muted); }
.dropped :is(.text, .score) { color: var(--muted); }

.command { padding: 18px 20px; border-radius: 8px; background: var(--wash); white-space: pre-wrap; user-select: all; margin: 0; line-height: 1.6; }
.provenance { display: grid; grid-template-columns: minmax(90px, 160px) minmax(0, 1fr); font-size: 14px; border-top: 1px solid var(--rule); }
.provenance > * { padding: 8px 0; border-bottom: 1px solid var(--rule); }
.provenance dt { color: var(--muted); padding-inline-end: 16px; }
`;

const answers = `
.voice { font-family: var(--serif); font-size: 16.5px; line-height: 1.62; white-space: pre-wrap; }
.legend { display: flex; flex-wrap: wrap; gap: 10px 32px; justify-content: space-between; align-items: center; padding: 12px 0; border-block: 1px solid var(--rule); font-size: 13px; color: var(--muted); }
.scale { display: flex; align-items: center; gap: 12px; }
.swatches { display: flex; flex: 0 1 auto; }
.swatches i { width: 22px; height: 16px; box-shadow: inset 0 0 0 .5px var(--rule); }
.switch { display: flex; gap: 8px; align-items: center; cursor: pointer; }
.switch input { accent-color: var(--trait); margin: 0; width: 15px; height: 15px; }
.example { margin-top: 44px; }
.example h3 { font-size: 17px; line-height: 1.4; font-weight: 600; letter-spacing: -.008em; text-wrap: balance; }
.answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 205px), 1fr)); gap: 32px clamp(28px, 3.4vw, 44px); margin-top: 18px; }
.answer-head { display: flex; justify-content: space-between; align-items: baseline; gap: 12px; font-size: 13.5px; }
.dose { font-weight: 600; }
.mean { color: var(--muted); }
.gauge { position: relative; height: 3px; margin: 9px 0 13px; border-radius: 2px; background: linear-gradient(to right, var(--minus), var(--rule), var(--plus)); }
.gauge i { position: absolute; top: -4px; left: calc(50% + 50% * var(--place)); width: 3px; height: 11px; margin-left: -1.5px; border-radius: 1px; background: var(--ink); box-shadow: 0 0 0 2px var(--paper); }
.answer .voice { max-height: 36rem; overflow-y: auto; }
.more { margin-top: 8px; font-size: 13px; }
body:has(#show-z:checked) .answer .voice { line-height: 2.1; max-height: 72rem; }
body:has(#show-z:checked) .t::after { content: attr(data-z); font: 9.5px var(--sans); vertical-align: super; margin-inline: 2px 3px; opacity: .8; }
body:has(#show-z:checked) .swatches .t::after { content: none; }
${Array.from({ length: shades }, (_, index) => shadeRules(index + 1)).join('')}`;

/** Both sides of one level; the upper half is underlined as well, for eyes and printers without colour. */
function shadeRules(level: number): string {
  const share = Math.round(8 + (level / shades) * 50);
  const rule = (name: string, colour: string, line: string): string => {
    const underline =
      level > shades / 2
        ? ` text-decoration: underline ${line} 1.5px var(--${colour}); text-underline-offset: .22em;`
        : '';
    return `.${name}${level} { background: color-mix(in srgb, var(--${colour}) ${share}%, transparent);${underline} }\n`;
  };
  return rule('p', 'plus', 'solid') + rule('n', 'minus', 'dotted');
}

const narrow = `
@media (max-width: 960px) {
  section { grid-template-columns: minmax(0, 1fr); gap: 24px; margin-top: 80px; }
  .cards { grid-template-columns: repeat(6, 1fr); }
  .cards > div { grid-column: span 2; }
  .cards > div:nth-child(-n+2) { grid-column: span 3; }
  .cards > div:nth-child(3) { padding-inline-start: 0; border-inline-start: 0; }
  .cards > div:nth-child(n+3) { border-top: 1px solid var(--rule); }
}
@media (max-width: 640px) {
  body { padding: 0 20px 64px; }
  .top { padding: 18px 0 44px; }
  .finding { margin-top: 28px; }
  .meta span { display: block; }
  .meta span::after { display: none; }
  .cards { grid-template-columns: 1fr 1fr; margin-top: 36px; }
  .cards > div:nth-child(n) { grid-column: auto; padding: 16px 12px 18px 16px; border-top: 1px solid var(--rule); }
  .cards > div:nth-child(1) { grid-column: 1 / -1; border-top: 0; }
  .cards > div:nth-child(odd) { border-inline-start: 1px solid var(--rule); }
  .cards > div:is(:nth-child(1), :nth-child(even)) { padding-inline-start: 0; border-inline-start: 0; }
  .cards b { font-size: 26px; }
  .evidence > div { grid-template-columns: minmax(0, 1fr); gap: 2px; }
  section { margin-top: 68px; }
  .for-page { display: none; }
  .for-phone { display: block; }
  .panels { grid-template-columns: minmax(0, 1fr); }
  .scale span:not(.swatches) { max-width: 5.5em; line-height: 1.3; }
  .swatches i { width: 12px; }
  .rollouts :is(table, tbody, td) { display: block; }
  .rollouts thead { display: none; }
  .rollouts tr { display: grid; grid-template-columns: 20px auto auto 1fr; gap: 6px 14px; padding: 16px 0; border-bottom: 1px solid var(--rule); }
  .rollouts td { padding: 0; border: 0; }
  .rollouts .text { grid-column: 2 / -1; width: auto; }
  .rollouts .score { grid-row: 2; color: var(--muted); }
  .rollouts .score::before { content: attr(data-label) ' '; }
  .rollouts .score:nth-child(3) { grid-column: 2; }
  .rollouts .score:nth-child(4) { grid-column: 3; }
  .rollouts .outcome { grid-row: 2; grid-column: 4; min-width: 0; text-align: end; }
  .provenance { grid-template-columns: minmax(0, 116px) minmax(0, 1fr); }
}
`;

const print = `
@media print {
  :root, :root:has(input:checked) { color-scheme: light; }
  @page { margin: 16mm 14mm; }
  body { padding: 0; max-width: none; font-size: 10.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .themes, .switch, summary { display: none; }
  details[open] > summary { display: block; }
  .top { padding: 0 0 28px; }
  section { grid-template-columns: minmax(0, 1fr); gap: 16px; margin-top: 44px; }
  .for-page { display: block; }
  .for-phone { display: none; }
  .panels:has(> :nth-child(2)) { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .answers { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 20px; }
  .answer .voice, .scroll { max-height: none; font-size: 10pt; }
  figure, .answer, .cards, tr { break-inside: avoid; }
  h2, h3, .aside, .answer-head { break-after: avoid; }
}
`;

export const style: string = colours + page + details + answers + narrow + print;
