/** Everything that the report page shows, as plain JSON: built by a run, drawn by render.ts. */

export type { Dose, Estimate } from '../vector/dose.ts';
import type { Dose } from '../vector/dose.ts';
import type { Quality } from '../vector/vector.ts';

export interface LayerRow {
  layer: number;
  /** ‖v‖ at this layer */
  norm: number;
  /** mean residual norm */
  residualNorm: number;
  /** how well the projection separates positive from negative rollouts, 0.5–1 */
  auc: number;
}

export interface ReportRollout {
  side: 'pos' | 'neg';
  question: string;
  answer: string;
  trait: number | null;
  coherence: number | null;
  kept: boolean;
  /** why it fell, when it did */
  reason?: string;
}

export interface ExampleAnswer {
  coefficient: number;
  text: string;
  /** the answer's tokens with their projection in standard deviations from the neutral baseline */
  tokens: { text: string; z: number }[];
  z: number;
}

export interface ReportData {
  trait: string;
  description: string;
  created: string; // ISO time
  version: string;
  judge: string;
  model: {
    name: string;
    architecture: string;
    quantization: string;
    layers: number;
    width: number;
    sha256: string;
  };
  chosen: { layer: number; coefficient: number; why: string };
  /** dose–response at the chosen layer, ascending coefficient, 0 included */
  doses: Dose[];
  /** the sweep over layers by which the layer was chosen */
  sweep: Dose[];
  layers: LayerRow[];
  counts: { asked: number; kept: number; dropped: { reason: string; count: number }[] };
  /** the vector's own figures, with the evidence among them */
  quality: Quality;
  rollouts: ReportRollout[];
  examples: { question: string; answers: ExampleAnswer[] }[];
  /** model hash, recipe, seeds, times, the command line …: label and value */
  provenance: [string, string][];
}
