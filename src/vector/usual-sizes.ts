/** How much an extraction does when nobody says: what a machine manages in minutes. The reference asks 20 × 10. */

import type { ModelInfo } from '../engine/request.ts';
import { usualLayers } from './choose.ts';
import type { AxisSizes } from './extract-axis.ts';
import type { ExtractOptions } from './extract.ts';

export type ExtractSizes = Pick<
  ExtractOptions,
  'questions' | 'samples' | 'maxTokens' | 'judgePairs' | 'tune' | 'evidence'
>;

export function usualSizes(info: ModelInfo): ExtractSizes {
  const fast = isFast(info);
  const questions = fast ? 20 : 10;
  const samples = fast ? 5 : 1;
  return {
    questions,
    samples,
    maxTokens: fast ? 200 : 64,
    judgePairs: 2,
    evidence: fast ? 20 : 10,
    tune: {
      layers: usualLayers(info.layers),
      layerDose: 2,
      layerQuestions: fast ? 10 : 6,
      coefficients: [-2, -1, 0, 1, 2, 3],
      questions: fast ? 20 : 10,
      samples: fast ? 3 : 1,
      temperature: samples === 1 ? 0 : 1,
      judgePairs: 1,
    },
  };
}

/** The source asks 275 roles under 5 prompts 240 questions. */
export function usualAxisSizes(info: ModelInfo): AxisSizes {
  return isFast(info)
    ? { roles: Infinity, prompts: Infinity, questions: 20, usualQuestions: 20, maxTokens: 200 }
    : { roles: 24, prompts: 1, questions: 4, usualQuestions: 8, maxTokens: 64 };
}

/** Layers are on a GPU. */
function isFast(info: ModelInfo): boolean {
  return info.devices.some((line) => /^\d+ of \d+ layers on (?!the CPU)/.test(line));
}
