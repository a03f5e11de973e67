/** Gathers what the report of an extraction shows, and asks the model for the examples in it. */

import type { Calibration } from '../judge/calibrate.ts';
import { LIKELIHOOD } from '../judge/likelihood.ts';
import type { ChatModel } from '../model/chat-model.ts';
import { tokenZ, answerZ } from '../monitor/baseline.ts';
import type { Trait } from '../trait/trait.ts';
import type { Extraction } from '../vector/extract.ts';
import { direction, type PersonaVector } from '../vector/vector.ts';
import type { ExampleAnswer, LayerRow, ReportData, ReportRollout } from './report-data.ts';

export interface ExampleOptions {
  /** unseen questions: of the trait's evaluation set */
  questions: readonly string[];
  maxTokens: number;
  seed: number;
  signal?: AbortSignal | undefined;
  onExample?: ((done: number, total: number) => void) | undefined;
}

/** Each question answered at −c, 0 and +c, every token with its projection. */
export async function askExamples(
  model: ChatModel,
  vector: PersonaVector,
  options: ExampleOptions,
): Promise<ReportData['examples']> {
  const layer = vector.layer!;
  const dose = vector.coefficient ?? 1;
  const v = direction(vector, layer);
  let done = 0;
  const total = 3 * options.questions.length;
  options.onExample?.(0, total);
  const answer = async (question: string, coefficient: number): Promise<ExampleAnswer> => {
    const tokens: { text: string; z: number }[] = [];
    const result = await model.engine.run(
      {
        prompt: model.render([{ role: 'user', content: question }]),
        maxTokens: options.maxTokens,
        sampling: { temperature: 0, seed: options.seed },
        edits: coefficient === 0 ? [] : [{ op: 'add', layer, direction: v, coefficient }],
        projections: [{ name: vector.trait, layer, direction: v }],
      },
      {
        ...(options.signal ? { signal: options.signal } : {}),
        onEvents: (events) => {
          for (const { text, projections } of events) {
            tokens.push({ text, z: tokenZ(projections![0]!, vector.baseline, layer) ?? 0 });
          }
        },
      },
    );
    const values = result.projections![0]!.tokens;
    const mean = values.length === 0 ? null : values.reduce((sum, x) => sum + x, 0) / values.length;
    options.onExample?.(++done, total);
    return { coefficient, text: result.text, tokens, z: answerZ(mean, vector.baseline, layer) ?? 0 };
  };
  return Promise.all(
    options.questions.map(async (question) => ({
      question,
      answers: await Promise.all([-dose, 0, dose].map((coefficient) => answer(question, coefficient))),
    })),
  );
}

/** The report of an extraction. */
export function reportOf(
  trait: Trait,
  extraction: Extraction,
  examples: ReportData['examples'],
  provenance: [string, string][],
): ReportData {
  const { vector, counts, filtered, doses, layerDoses, why, calibration } = extraction;
  const { recipe } = vector;
  return {
    trait: vector.trait,
    description: trait.description,
    created: recipe.created,
    version: vector.version,
    judge: judgeLine(vector, calibration),
    model: vector.model,
    chosen: { layer: vector.layer!, coefficient: vector.coefficient ?? 0, why },
    doses,
    sweep: layerDoses,
    layers: layerRows(vector),
    counts: { asked: counts.asked, kept: counts.kept.pos + counts.kept.neg, dropped: counts.dropped },
    quality: vector.quality,
    rollouts: filtered.map(({ rollout, judgement, dropped }): ReportRollout => ({
      side: rollout.side === 'pos' ? 'pos' : 'neg',
      question: rollout.question,
      answer: rollout.answer,
      trait: judgement.trait,
      coherence: judgement.coherence,
      kept: dropped === undefined,
      ...(dropped === undefined ? {} : { reason: dropped }),
    })),
    examples,
    provenance,
  };
}

function judgeLine({ recipe, model }: PersonaVector, calibration: Calibration | undefined): string {
  const name = recipe.judge?.name ?? 'none';
  const own =
    name === LIKELIHOOD && calibration
      ? ` (${model.name} itself; tells its own two sides apart with AUC ${calibration.trait.auc.toFixed(2)})`
      : '';
  const others = recipe.otherJudges ?? [];
  return `${name}${own}${others.length > 0 ? `; beside it ${others.join(', ')}` : ''}`;
}

/** What the vector's own file says of its layers. */
export function layerRows(vector: PersonaVector): LayerRow[] {
  const { norms = [], separation = [] } = vector.quality;
  return norms.map((norm, layer) => ({
    layer,
    norm,
    residualNorm: vector.residualNorms?.[layer] ?? 0,
    auc: separation[layer] ?? 0.5,
  }));
}

/** Where everything in the report came from: label and value. */
export function provenanceOf(vector: PersonaVector, run: string, command: string): [string, string][] {
  const { model, recipe } = vector;
  return [
    ['Chat template sha256', model.templateSha256],
    [
      'Rollouts',
      `${recipe.questions} questions × ${recipe.trait?.instruction.length} instruction pairs × 2 sides × ${recipe.samples} answers of up to ${recipe.maxTokens} tokens`,
    ],
    ['Sampling', `temperature ${recipe.temperature}, seed ${recipe.seed}`],
    ['Judge', JSON.stringify(recipe.judge)],
    ['Filter', JSON.stringify(recipe.filter)],
    ['Token kind', vector.kind],
    ['Run folder', run],
    ['Command', command],
  ];
}
