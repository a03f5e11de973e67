/** The report page of an extraction. */

import { countsFigure } from './counts-figure.ts';
import { doseFigure } from './dose-figure.ts';
import { html, source, type Html } from './escape.ts';
import { evidence } from './evidence.ts';
import { coherenceKept, doseAt, finding, measuredDoses } from './finding.ts';
import { coefficient, count, date, fixed, percent } from './format.ts';
import { profileFigure, sweepFigure } from './layer-figures.ts';
import { page, section, type Card } from './page.ts';
import { provenanceTable, reuse } from './provenance.ts';
import type { ReportData } from './report-data.ts';
import { rolloutTable } from './rollouts.ts';
import { colouredAnswer, legend, scaleLimit } from './tokens.ts';

export function renderReport(data: ReportData): string {
  return source(
    page({
      title: `${data.trait} · persona vector of ${data.model.name}`,
      version: data.version,
      kind: 'Persona vector',
      heading: data.trait,
      lead: data.description,
      finding: finding(data),
      meta: [data.model.name, `judged by ${data.judge}`, date(data.created)],
      cards: cards(data),
      main: [
        section(
          'Dose and response',
          html`How the judged trait answers to the coefficient, and what it costs in coherence.`,
          doseFigure(data),
        ),
        section('Evidence', html`What speaks for this vector, and what against it.`, evidence(data)),
        section('Layers', html`${data.chosen.why}`, [profileFigure(data), sweepFigure(data)]),
        examples(data),
        section(
          'Rollouts',
          html`The answers that the vector was made from: those that show the trait minus those that do not.`,
          [countsFigure(data), rolloutTable(data)],
        ),
        section('Use it', html`The vector at the setting chosen here.`, reuse(data)),
        section('Provenance', html`What it takes to make this again.`, provenanceTable(data)),
      ],
    }),
  );
}

function cards(data: ReportData): Card[] {
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
