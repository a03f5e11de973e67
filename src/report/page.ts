/**
 * The shell of every page: one HTML file that opens from disk, with no script and nothing to load. Its own content
 * policy forbids both, so that an answer of a model could not do harm even if it got past the escaping.
 */

import { html, trusted, type Html, type Part } from './escape.ts';
import { style } from './style.ts';

export interface Card {
  label: string;
  value: string;
  note: Part;
}

export interface Page {
  title: string;
  version: string;
  /** what the page is, beside the logo */
  kind: string;
  heading: string;
  lead: Part;
  /** what came out, in a sentence */
  finding?: string;
  meta: readonly string[];
  cards?: readonly Card[];
  main: Part;
  /** seconds after which it is read anew: while what it shows goes on */
  refresh?: number;
}

export function page({
  title,
  version,
  kind,
  heading,
  lead,
  finding,
  meta,
  cards = [],
  main,
  refresh,
}: Page): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        ${refresh === undefined ? '' : html`<meta http-equiv="refresh" content="${String(refresh)}" />`}
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="generator" content="persona-vectors ${version}" />
        <title>${title}</title>
        <style>
          ${trusted(style)}
        </style>
      </head>
      <body>
        <header>
          <div class="top">
            <p class="brand">${trusted(logo)} ${kind}</p>
            ${themes()}
          </div>
          <h1 dir="auto">${heading}</h1>
          <p class="description" dir="auto">${lead}</p>
          ${finding === undefined ? '' : html`<p class="finding">${finding}</p>`}
          <p class="meta">${meta.map((item) => html`<span>${item}</span> `)}</p>
          ${cards.length === 0 ? '' : cardList(cards)}
        </header>
        <main>${main}</main>
      </body>
    </html> `;
}

function cardList(cards: readonly Card[]): Html {
  return html`<dl class="cards">
    ${cards.map(
      ({ label, value, note }) =>
        html`<div>
          <dt>${label}</dt>
          <dd><b>${value}</b><span>${note}</span></dd>
        </div>`,
    )}
  </dl>`;
}

/** The direction, as an arrow from where the model is to where it is pushed. */
const logo =
  '<svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><circle cx="4.5" cy="15.5" r="2.5" fill="currentColor"/><path d="M7 13 16 4M9.5 3.5H16.5V10.5" fill="none" stroke="var(--trait)" stroke-width="2"/></svg>';

/** Radio buttons that the style sheet reads: a theme switch without a script. */
function themes(): Html {
  const choices = ['auto', 'light', 'dark'];
  return html`<fieldset class="themes">
    <legend class="hidden">Theme</legend>
    ${choices.map(
      (choice) =>
        html`<label
          ><input
            type="radio"
            name="theme"
            id="theme-${choice}"
            ${trusted(choice === 'auto' ? ' checked' : '')}
          /><span>${choice}</span></label
        >`,
    )}
  </fieldset>`;
}

export function section(title: string, note: Part, body: Part): Html {
  return html`<section>
    <div class="aside">
      <h2>${title}</h2>
      <p dir="auto">${note}</p>
    </div>
    <div class="body">${body}</div>
  </section>`;
}
