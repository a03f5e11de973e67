import { describe, expect, test } from 'vitest';
import { finding } from '../../src/report/finding.ts';
import type { ReportData } from '../../src/report/report-data.ts';
import { dose, emptyReport, sampleReport } from './fixture.ts';

/** Spaces that do not break are plain here, so that the sentences can be read. */
function say(change: Partial<ReportData>): string {
  return finding({ ...sampleReport(), ...change }).replaceAll('\u00a0', ' ');
}

describe('the finding', () => {
  test('goes from the lowest to the highest coefficient and tells the price', () => {
    // coherence 85.4 at +1 over 92.4 at 0 = 0.924
    expect(say({})).toBe(
      'Steering at layer 16 moves the judged trait from 21 (coefficient −2) to 88 (+2); answers keep 92 % of their coherence at the recommended coefficient +1.',
    );
  });

  test('does not depend on the order of the doses', () => {
    expect(say({ doses: sampleReport().doses.toReversed() })).toBe(say({}));
  });

  test('stops at a peak that the highest coefficient has clearly passed', () => {
    // intervals are ±5.2: 80 − 5.2 > 50 + 5.2
    expect(say({ doses: [dose(0, 40, 90), dose(1, 80, 90), dose(2, 50, 20)] })).toBe(
      'Steering at layer 16 moves the judged trait from 40 (coefficient 0) to 80 (+1), past which it falls to 50 (+2); answers stay as coherent as unsteered ones at the recommended coefficient +1.',
    );
  });

  test('claims no movement where the intervals overlap', () => {
    // 40 + 5.2 > 48 − 5.2
    expect(say({ doses: [dose(-1, 40, 90), dose(0, 44, 90), dose(1, 48, 45)] })).toBe(
      'Steering at layer 16 does not clearly move the judged trait: 40 (coefficient −1) and 48 (+1) overlap in their 95 % intervals; answers keep 50 % of their coherence at the recommended coefficient +1.',
    );
  });

  test('says so when the vector points the wrong way', () => {
    expect(say({ doses: [dose(-1, 80, 90), dose(0, 60, 90), dose(1, 20, 81)] })).toBe(
      'Steering at layer 16 moves the judged trait against its sign, from 80 (coefficient −1) down to 20 (+1); answers keep 90 % of their coherence at the recommended coefficient +1.',
    );
  });

  test('speaks of what was not measured', () => {
    expect(say({ doses: [dose(-1, 20, 90), dose(1, 80, 90)] })).toContain(
      'the recommended coefficient +1 was not measured against unsteered answers',
    );
    expect(say({ chosen: { layer: 16, coefficient: 0, why: '' } })).toContain(
      'no coefficient is recommended',
    );
    expect(say({ doses: [dose(1.25, 62, 80)] })).toBe(
      'At layer 16 and coefficient +1.25 the judged trait is 62 and coherence 80 of 100; there is no other dose to compare with.',
    );
    expect(say({ doses: [dose(0, 41, 92)] })).toBe(
      'Without steering the judged trait is 41 and coherence 92 of 100; no steered dose was measured at layer 16.',
    );
    expect(say({ doses: [] })).toBe(
      'The vector for sycophancy at layer 16 was made from 48 rollouts and tells answers that show the trait from those that do not with an AUC of 0.97; steering with it was not measured.',
    );
    expect(finding(emptyReport())).toBe(
      'The vector for sycophancy at layer 16 comes without its rollouts; steering with it was not measured.',
    );
  });
});
