/** The evidence in lines for people: what was measured, what came out, how it is to be read. */

import type { Interval } from '../../math/bootstrap.ts';
import type { Quality } from '../vector.ts';

export interface EvidenceLine {
  label: string;
  value: string;
  meaning: string;
}

/** @param layer the chosen one; figures by layer are told of it */
export function evidenceLines(quality: Quality, layer: number): EvidenceLine[] {
  const lines: EvidenceLine[] = [];
  const say = (label: string, value: string | undefined, meaning: string): void => {
    if (value !== undefined) lines.push({ label, value, meaning });
  };
  const { heldOut, splitHalf, permutation, length, floor, similar, refusals, capability, otherLayers } =
    quality;
  say(
    'Unseen questions, AUC',
    heldOut && interval(heldOut.auc[layer]),
    `how well the projection of an answer tells the sides apart, on ${heldOut?.answers} answers to ${heldOut?.questions} evaluation questions; 0.5 is chance`,
  );
  say(
    'Unseen questions, d′',
    heldOut && number(heldOut.dPrime[layer]),
    'distance of the two sides in standard deviations',
  );
  say(
    'Halves agree',
    splitHalf && interval(splitHalf[layer]),
    'cosine of the vectors of two halves of the questions, middle 95 % of 50 divisions',
  );
  say(
    'Labels dealt at random, p',
    permutation && number(permutation.p[layer], 3),
    `share of ${permutation?.repeats} random labellings of ${permutation?.samples} answers that differ as much; under 0.05 there is a difference`,
  );
  say(
    'Cosine by chance',
    around(permutation?.cosineSd[layer]),
    'between two vectors of random labels (95 %): cosines with other vectors within it mean nothing',
  );
  say(
    'Answer length, r',
    length && interval(length),
    'of projection and tokens, within the sides; far from 0 it tells of length too',
  );
  say(
    'Unrelated directions',
    floor && `trait ${interval(floor.trait, 0)}, coherence ${interval(floor.coherence, 0)}`,
    `pushes as long as coefficient ${floor?.coefficient} in random directions`,
  );
  for (const { requests, unsteered, steered } of refusals ?? [])
    say(
      `Refusals, ${requests}`,
      `${share(unsteered)} → ${share(steered)}`,
      `of ${unsteered.n} ${requests} requests, unsteered and at the chosen coefficient; by how answers begin`,
    );
  say(
    'Capability',
    capability && `${share(capability.unsteered)} → ${share(capability.steered)}`,
    `right of ${capability?.items} questions with four choices (chance 25 %), unsteered and steered; ${capability?.how}`,
  );
  say(
    'Like other vectors',
    similar &&
      (similar.length > 0
        ? similar
            .slice(0, 6)
            .map((x) => `${x.trait} ${number(x.cosine)}`)
            .join(', ')
        : 'none known'),
    'cosine at this layer with the vectors of this model that are here',
  );
  say(
    'Other rules would choose',
    otherLayers &&
      (otherLayers.length > 0
        ? otherLayers.map((x) => `layer ${x.layer} (${x.rule})`).join(', ')
        : 'the same layer'),
    'of the layers tried',
  );
  return lines;
}

function interval(x: Interval | null | undefined, digits = 2): string | undefined {
  if (!x || !Number.isFinite(x.mean)) return undefined;
  return `${x.mean.toFixed(digits)} [${x.low.toFixed(digits)}, ${x.high.toFixed(digits)}]`;
}

function number(x: number | null | undefined, digits = 2): string | undefined {
  return x == null || !Number.isFinite(x) ? undefined : x.toFixed(digits);
}

/** ± the middle 95 % of a normal distribution. */
function around(sd: number | null | undefined): string | undefined {
  const value = sd == null ? undefined : number(1.96 * sd);
  return value === undefined ? undefined : `± ${value}`;
}

function share({ mean, low, high }: Interval): string {
  const percent = (x: number): string => (100 * x).toFixed(0);
  return `${percent(mean)} % [${percent(low)}, ${percent(high)}]`;
}
