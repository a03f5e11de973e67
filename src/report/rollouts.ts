/** The rollouts with their scores, as a table that becomes a list of cards on a phone. */

import { html, type Html } from './escape.ts';
import { count, fixed, plural } from './format.ts';
import type { ReportData, ReportRollout } from './report-data.ts';

/** Rows of a side, and characters of an answer that are shown, so that a page from 2 000 rollouts still opens at once. */
const mostRowsPerSide = 200;
const mostCharacters = 1_200;

export function rolloutTable({ rollouts }: ReportData): Html | null {
  if (rollouts.length === 0) return null;
  const shown = (['pos', 'neg'] as const).flatMap((side) =>
    spread(
      rollouts.filter((rollout) => rollout.side === side),
      mostRowsPerSide,
    ),
  );
  const rest =
    shown.length < rollouts.length
      ? html`<p class="more">
          Shown are ${count(shown.length)} of ${plural(rollouts.length, 'rollout')}, evenly spread; all are in
          <code>rollouts.jsonl</code>.
        </p>`
      : null;
  return html`<details class="rollouts">
    <summary>${plural(rollouts.length, 'rollout')} with scores</summary>
    ${rest}
    <table>
      <thead>
        <tr>
          <th scope="col">Side</th>
          <th scope="col">Question and answer</th>
          <th scope="col">Trait</th>
          <th scope="col">Coherence</th>
          <th scope="col">Outcome</th>
        </tr>
      </thead>
      <tbody>
        ${shown.map(row)}
      </tbody>
    </table>
  </details>`;
}

/** At most `most` of them, evenly spread over the list. */
export function spread<T>(list: readonly T[], most: number): T[] {
  return list.filter(
    (_, index) =>
      list.length <= most ||
      Math.floor((index * most) / list.length) !== Math.floor(((index - 1) * most) / list.length),
  );
}

function row({ side, question, answer, trait, coherence, kept, reason }: ReportRollout): Html {
  return html`<tr class="${kept ? 'kept' : 'dropped'}">
    <td class="side ${side}">
      ${side === 'pos' ? '+' : '−'}<span class="hidden">
        ${side === 'pos' ? 'positive' : 'negative'} instruction</span
      >
    </td>
    <td class="text">
      <p class="question" dir="auto">${question}</p>
      <p class="voice" dir="auto">${shortened(answer)}</p>
    </td>
    <td class="score" data-label="trait">${fixed(trait)}</td>
    <td class="score" data-label="coherence">${fixed(coherence)}</td>
    <td class="outcome">${kept ? 'kept' : (reason ?? 'dropped')}</td>
  </tr>`;
}

function shortened(text: string): string {
  const characters = Array.from(text.slice(0, 2 * mostCharacters));
  if (characters.length <= mostCharacters) return text;
  return `${characters.slice(0, mostCharacters).join('')}…`;
}
