/** The figures of a diff that a gate may be about, by the names that users write. */

import { checkGate, type Gate, type GateFigures } from '../gate.ts';
import type { DiffResult } from './diff.ts';

/**
 * Of each vector at its own layer: `shift` (raw, or `sd`: of the base over the prompts), `p`, `cosine`, `relative` and
 * `spanned` (shares, so also in %), `norm`; with answers `answer_shift`, with a judge the changes of the mean scores,
 * `trait` and `coherence`.
 */
export function gateFigures({ shifts, answers, scores }: DiffResult): Record<string, GateFigures> {
  return Object.fromEntries(
    shifts.vectors.map(({ name, trait, layer, own }, i) => {
      const whole = shifts.layers.find((one) => one.layer === layer)!;
      const changes = scores?.[trait];
      return [
        name,
        {
          shift: own.shift.mean,
          sd: own.spread,
          p: own.p,
          cosine: own.cosine ?? 0, // nothing shifted
          norm: whole.norm,
          relative: whole.relative,
          spanned: whole.spanned ?? 0,
          ...(answers && { answer_shift: answers.vectors[i]!.own.shift.mean }),
          ...(changes && {
            trait: changes.trait.change.mean,
            coherence: changes.coherence.change.mean,
          }),
        },
      ];
    }),
  );
}

const ALWAYS = ['shift', 'sd', 'p', 'cosine', 'norm', 'relative', 'spanned'];

/**
 * Before hours of work: whether a gate is about a vector and a figure that there will be.
 * @param names of the vectors
 * @throws PersonaError USAGE
 */
export function checkGateNames(
  gate: Gate,
  names: readonly string[],
  asked: { answers: boolean; judge: boolean },
): void {
  const known = [
    ...ALWAYS,
    ...(asked.answers ? ['answer_shift'] : []),
    ...(asked.judge ? ['trait', 'coherence'] : []),
  ];
  const figures = Object.fromEntries(known.map((figure) => [figure, 1]));
  checkGate(gate, Object.fromEntries(names.map((name) => [name, figures])));
}
