/** The page of a screening: where its answers lie beside the reference's, its sets ranked, and the samples at both ends. */

import { version } from '../files/package-version.ts';
import { writeWhole } from '../files/write-whole.ts';
import type { ModelIdentity } from '../model/chat-model.ts';
import type { Group } from '../screen/groups.ts';
import type { Method } from '../screen/measure.ts';
import type { ScreenResult, TraitResult } from '../screen/result.ts';
import type { Verdict } from '../screen/gate-text.ts';
import { html, source, type Html, type Part } from './escape.ts';
import { count, fixed, percent, plural, sigma, signed } from './format.ts';
import { page, section, type Card } from './page.ts';
import { histogramFigure, rankingFigure } from './screen-figures.ts';
import type { ReadEnds, ReadSample } from './screen-tokens.ts';
import { colouredAnswer, legend, scaleLimit } from './tokens.ts';

export interface ScreenPageData {
  model: ModelIdentity;
  method: Method;
  result: ScreenResult;
  /** by the names of the watches */
  ends: Record<string, ReadEnds>;
  gates: readonly Verdict[];
}

/** What the base of a method is, in words. */
const BASES: Record<Method, string> = {
  difference: "the model's own answer to the same prompt",
  prompt: 'the last token of the prompt',
  sampled: "the model's own answers to a sample of each file's prompts",
};

export async function writeScreenPage(path: string, data: ScreenPageData): Promise<void> {
  await writeWhole(path, renderScreen(data));
}

export function renderScreen({ model, method, result, ends, gates }: ScreenPageData): string {
  const { traits, samples, files } = result;
  const title = files.length === 1 ? files[0]!.name : plural(files.length, 'file');
  const limit = scaleLimit(
    Object.values(ends)
      .flatMap(({ top, bottom }) => [...top, ...bottom])
      .map(({ question, answer }) => ({ question, answers: [answer] })),
  );
  return source(
    page({
      title: `${title} · screened on ${model.name}`,
      version,
      kind: 'Screening',
      heading: title,
      lead: html`How far ${plural(samples, 'answer')} of this data go beyond ${BASES[method]}, along
      ${traits.map(({ name }) => name).join(', ')}: what training on them would teach.`,
      finding: findingOf(result),
      meta: [model.name, `method ${method}`],
      cards: cardsOf(result),
      main: [
        result.warnings.length === 0
          ? null
          : section('Read this first', 'What makes the figures mean less than they seem to.', [
              html`<ul>
                ${result.warnings.map((warning) => html`<li>${warning}</li>`)}
              </ul>`,
            ]),
        gates.length === 0 ? null : section('Gates', 'What was not to be.', gateList(gates)),
        traits.map((trait) => traitPart(trait, result)),
        traits.map((trait, w) => endsPart(trait, ends[trait.name], limit, w === 0)),
      ],
    }),
  );
}

function findingOf({ traits, all, against }: ScreenResult): string {
  const [first] = traits;
  const { mean, share } = all.traits[first!.name]!;
  const { usual } = first!;
  const beside =
    against === 'reference' && usual.sd > 0
      ? `, ${sigma((mean - usual.mean) / usual.sd)} from the reference`
      : '';
  const over = share === null ? '' : `; ${percent(share, 1)} of the answers are over the threshold`;
  return `${first!.name}: the mean difference is ${signed(mean, 2)}${beside}${over}.`;
}

function cardsOf({ traits, all, samples, unmeasured, kept }: ScreenResult): Card[] {
  const left = Object.values(unmeasured).reduce((sum, n) => sum + n, 0);
  const first = traits[0]!;
  const { mean, low, high, share } = all.traits[first.name]!;
  return [
    {
      label: 'Answers',
      value: count(samples),
      note: left === 0 ? 'all measured' : `${count(left)} without figures`,
    },
    {
      label: `Mean difference`,
      value: signed(mean, 2),
      note: `${first.name}; 95 %: ${signed(low, 2)} to ${signed(high, 2)}`,
    },
    ...(share === null
      ? []
      : [
          {
            label: 'Over',
            value: percent(share, 1),
            note: `of a threshold of ${signed(first.threshold, 2)}`,
          },
        ]),
    ...(kept ? [{ label: 'Kept', value: count(kept.rows), note: 'rows' }] : []),
  ];
}

function gateList(gates: readonly Verdict[]): Html {
  return html`<ul>
    ${gates.map(
      ({ gate, passed, text }) =>
        html`<li><b>${passed ? 'Passed' : 'Failed'}</b>: <code>${gate.text}</code> (${text})</li>`,
    )}
  </ul>`;
}

function traitPart(trait: TraitResult, result: ScreenResult): Part {
  const { name, usual } = trait;
  const against =
    result.against === 'reference'
      ? html`The reference has a mean of ${signed(usual.mean, 2)} and a standard deviation of
        ${fixed(usual.sd, 2)} over ${plural(usual.n, 'answer')}.`
      : html`There is no reference: z counts in this set's own spread, ${fixed(usual.sd, 2)}.`;
  return [
    section(name, against, histogramFigure(trait)),
    result.files.length > 1 ? ranked(`${name} by file`, 'File', trait, result.files) : null,
    result.by ? ranked(`${name} by ${result.by.field}`, result.by.field, trait, result.by.groups) : null,
  ];
}

function ranked(title: string, head: string, { name }: TraitResult, groups: readonly Group[]): Html {
  return section(
    title,
    'The mean difference with its 95 % interval, the largest first.',
    rankingFigure(name, head, groups),
  );
}

/** Nothing to colour by: the vector knows no neutral answers. */
function isPlain(samples: readonly ReadSample[]): boolean {
  return samples.every(({ answer }) => answer.tokens.every(({ z }) => Number.isNaN(z)));
}

/** @param withLegend it is one for the page, with the switch in it */
function endsPart(
  { name }: TraitResult,
  ends: ReadEnds | undefined,
  limit: number,
  withLegend: boolean,
): Part {
  if (ends === undefined || ends.top.length === 0) return null;
  const plain = isPlain(ends.top);
  const note = plain
    ? html`The vector has no neutral baseline, so tokens are not coloured.`
    : html`Each token by its projection, in standard deviations from the model's neutral answers.`;
  return [
    section(`Most ${name}`, note, [
      withLegend && !plain ? legend(limit) : null,
      ends.top.map((sample) => sampleCard(sample, limit)),
    ]),
    section(
      `Least ${name}`,
      note,
      ends.bottom.map((sample) => sampleCard(sample, limit)),
    ),
  ];
}

/** Of a long prompt, its end says what was asked. */
const MOST_CHARACTERS = 600;

function sampleCard({ place, question, difference, answer }: ReadSample, limit: number): Html {
  const shown = question.length > MOST_CHARACTERS ? `… ${question.slice(-MOST_CHARACTERS)}` : question;
  return html`<div class="example">
    <h3 dir="auto">${shown}</h3>
    <div class="answers">${colouredAnswer(answer, limit, `difference ${signed(difference, 2)}`)}</div>
    <p class="more">${place}</p>
  </div>`;
}
