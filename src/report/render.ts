/**
 * The report page: one HTML file that opens from disk, with no script and nothing to load. Its own content policy
 * forbids both, so that an answer of a model could not do harm even if it got past the escaping.
 */

import { countsFigure } from './counts-figure.ts';
import { doseFigure } from './dose-figure.ts';
import { html, source, trusted, type Html, type Part } from './escape.ts';
import { coherenceKept, doseAt, finding, measuredDoses } from './finding.ts';
import { coefficient, count, date, fixed, percent } from './format.ts';
import { profileFigure, sweepFigure } from './layer-figures.ts';
import { provenanceTable, reuse } from './provenance.ts';
import type { ReportData } from './report-data.ts';
import { rolloutTable } from './rollouts.ts';
import { style } from './style.ts';
import { colouredAnswer, legend, scaleLimit } from './tokens.ts';

export function renderReport(data: ReportData): string {
  return source(
    html`<!doctype html>
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta
            http-equiv="Content-Security-Policy"
            content="default-src 'none'; style-src 'unsafe-inline'"
          />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta name="color-scheme" content="light dark" />
          <meta name="generator" content="persona-vectors ${data.version}" />
          <title>${data.trait} · persona vector of ${data.model.name}</title>
          <style>
            ${trusted(style)}
          </style>
        </head>
        <body>
          ${head(data)}
          <main>
            ${section('Dose and response', html`How the judged trait answers to the coefficient, and what it costs in coherence.`, doseFigure(data))}
            ${section('Layers', html`${data.chosen.why}`, [profileFigure(data), sweepFigure(data)])}
            ${examples(data)}
            ${section('Rollouts', html`The answers that the vector was made from: those that show the trait minus those that do not.`, [countsFigure(data), rolloutTable(data)])}
            ${section('Use it', html`The vector at the setting chosen here.`, reuse(data))}
            ${section('Provenance', html`What it takes to make this again.`, provenanceTable(data))}
          </main>
        </body>
      </html> `,
  );
}

function head(data: ReportData): Html {
  const { model } = data;
  return html`<header>
    <div class="top">
      <p class="brand">${trusted(logo)} Persona vector</p>
      ${themes()}
    </div>
    <h1 dir="auto">${data.trait}</h1>
    <p class="description" dir="auto">${data.description}</p>
    <p class="finding">${finding(data)}</p>
    <p class="meta">
      <span>${model.name}</span> <span>judged by ${data.judge}</span> <span>${date(data.created)}</span>
    </p>
    <dl class="cards">
      ${keyFigures(data).map(
        ({ label, value, note }) =>
          html`<div>
            <dt>${label}</dt>
            <dd><b>${value}</b><span>${note}</span></dd>
          </div>`,
      )}
    </dl>
  </header>`;
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

function section(title: string, note: Part, body: Part): Html {
  return html`<section>
    <div class="aside">
      <h2>${title}</h2>
      <p dir="auto">${note}</p>
    </div>
    <div class="body">${body}</div>
  </section>`;
}

function keyFigures(data: ReportData): { label: string; value: string; note: Part }[] {
  const { chosen, model, counts } = data;
  const doses = measuredDoses(data.doses);
  const [steered, baseline] = [doseAt(doses, chosen.coefficient), doseAt(doses, 0)];
  const kept = coherenceKept(doses, chosen.coefficient);
  const auc = data.layers.find((row) => row.layer === chosen.layer)?.auc;
  const at = `coefficient ${coefficient(chosen.coefficient)}`;
  return [
    {
      label: 'Judged trait',
      value: baseline
        ? `${fixed(baseline.trait.mean)} → ${fixed(steered?.trait.mean)}`
        : fixed(steered?.trait.mean),
      note: baseline ? `unsteered to ${at}` : `of 100 at ${at}`,
    },
    {
      label: 'Coherence kept',
      value: kept === undefined ? '–' : percent(kept),
      note:
        kept === undefined
          ? 'not measured'
          : `${fixed(baseline?.coherence.mean)} to ${fixed(steered?.coherence.mean)} of 100`,
    },
    { label: 'Layer', value: String(chosen.layer), note: `of ${model.layers}, counted from 0` },
    { label: 'Separation', value: fixed(auc, 2), note: 'AUC at this layer; 0.5 is chance' },
    {
      label: 'Rollouts kept',
      value: count(counts.kept),
      note:
        counts.asked > 0
          ? `of ${count(counts.asked)} asked, ${percent(counts.kept / counts.asked)}`
          : 'none asked',
    },
  ];
}

function examples({ examples: list }: ReportData): Html {
  const limit = scaleLimit(list);
  const body =
    list.length === 0
      ? html`<p class="empty">This run kept no example answers.</p>`
      : html`${legend(limit)}${list.map(
          ({ question, answers }) =>
            html`<article class="example">
              <h3 dir="auto">${question}</h3>
              <div class="answers">${answers.map((answer) => colouredAnswer(answer, limit))}</div>
            </article>`,
        )}`;
  return html`<section class="full">
    <div class="aside">
      <h2>Examples</h2>
      <p>
        The same question at each coefficient. A token’s colour is its projection on the vector, in standard
        deviations (σ) from the model’s neutral baseline.
      </p>
    </div>
    <div class="body">${body}</div>
  </section>`;
}
