/**
 * Tries a monitor out (paper §3.3, §7): the model answers under conditions that bring out more or less of a trait, the
 * projection of the last prompt token is held against the scores of the answers that follow.
 */

import { join } from 'node:path';
import type { Judge } from '../judge/judge.ts';
import { bootstrapMean, type Interval } from '../math/bootstrap.ts';
import { mean } from '../math/statistics.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import type { Trait } from '../trait/trait.ts';
import type { MonitorRow } from './answer-row.ts';
import { askConditions } from './ask-conditions.ts';
import { messagesOf, shotConditions, systemConditions, type Condition, type Setting } from './conditions.ts';
import { correlationsOf, detectionOf, type Correlations, type Detection } from './figures.ts';
import { measureNeutral, placeIn, type Neutral, type Place } from './neutral.ts';
import { pointsOf, PREDICTORS, type Point, type Predictor } from './points.ts';
import { fitShots, gatherShots } from './shots.ts';
import type { Watch } from './watch.ts';

export interface MonitorOptions {
  /** folder of the run */
  run: string;
  /** of the evaluation set, the first n */
  questions: number;
  samples: number;
  /** numbers of earlier exchanges; none: only system prompts */
  shots: readonly number[];
  maxTokens: number;
  temperature: number;
  seed: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** What came of one condition. */
export interface ConditionResult {
  id: string;
  setting: Setting;
  label: string;
  answers: number;
  trait: Interval;
  coherence: Interval;
}

/** The conditions that figures are of: one setting, or both together. */
export type Scope = Setting | 'all';

export interface PredictorFigures extends Correlations {
  scope: Scope;
  predictor: Predictor;
  detection: Detection;
}

/** What came of one watched vector. */
export interface WatchResult {
  name: string;
  source: string;
  layer: number;
  neutral: Neutral;
  /** per condition: mean projection of the last prompt token, and its place among the neutral ones */
  conditions: ({ id: string; projection: number } & Place)[];
  /** of the prediction before a word is said */
  points: Point[];
  figures: PredictorFigures[];
}

export interface MonitorEvaluation {
  trait: string;
  judge: string;
  conditions: ConditionResult[];
  watches: WatchResult[];
  /** mean score of the exchanges that were shown, where there were any */
  shown?: { exchanges: number; trait: number };
  notes: string[];
  rows: MonitorRow[];
}

export async function evaluateMonitor(
  model: ChatModel,
  trait: Trait,
  watches: readonly Watch[],
  judges: readonly [Judge, ...Judge[]],
  options: MonitorOptions,
): Promise<MonitorEvaluation> {
  const questions = trait.evaluation.slice(0, options.questions);
  const neutral = await measureNeutral(model, watches, trait.questions, options.signal);
  const system = systemConditions(trait);
  const shots = await shotsOf(model, trait, judges[0], questions, options);
  const conditions = [...system.conditions, ...shots.conditions];
  const path = join(options.run, 'monitor.jsonl');
  const rows = await askConditions(model, watches, judges, path, { ...options, conditions, questions });
  return {
    trait: trait.name,
    judge: judges[0].name,
    conditions: conditions.map((condition) => conditionResult(condition, rows)),
    watches: watches.map((watch, i) => watchResult(watch, neutral[i]!, conditions, rows)),
    ...(shots.shown ? { shown: shots.shown } : {}),
    notes: [...(system.note === undefined ? [] : [system.note]), ...shots.notes],
    rows,
  };
}

/** Of the last prompt token, over all conditions there are; undefined where no answer has a score. */
export function mainFigures({ figures }: WatchResult): PredictorFigures | undefined {
  const own = figures.filter(({ predictor }) => predictor === 'prompt');
  return own.find(({ scope }) => scope === 'all') ?? own[0];
}

interface Shots {
  conditions: Condition[];
  notes: string[];
  shown?: { exchanges: number; trait: number };
}

async function shotsOf(
  model: ChatModel,
  trait: Trait,
  judge: Judge,
  questions: readonly string[],
  options: MonitorOptions,
): Promise<Shots> {
  const wanted = options.shots;
  if (wanted.every((count) => count === 0)) return { conditions: shotConditions([], wanted), notes: [] };
  const exchanges = await gatherShots(model, trait, judge, options);
  const { counts, notes } = await fitShots(
    model,
    exchanges,
    wanted,
    questions,
    options.maxTokens,
    (shown, question) => model.render(messagesOf({ exchanges: shown }, question)),
  );
  const shown = exchanges.slice(0, Math.max(...counts));
  return {
    conditions: shotConditions(exchanges, counts),
    notes,
    ...(shown.length > 0 && {
      shown: { exchanges: shown.length, trait: mean(shown.map((exchange) => exchange.trait)) },
    }),
  };
}

/** An answer without a score says nothing of the trait, and counts as incoherent. */
function conditionResult({ id, setting, label }: Condition, rows: readonly MonitorRow[]): ConditionResult {
  const own = rows.filter((row) => row.condition === id);
  return {
    id,
    setting,
    label,
    answers: own.length,
    trait: bootstrapMean(own.map((row) => row.trait).filter((score) => score !== null)),
    coherence: bootstrapMean(own.map((row) => row.coherence ?? 0)),
  };
}

function watchResult(
  { name, source, layer }: Watch,
  neutral: Neutral,
  conditions: readonly Condition[],
  rows: readonly MonitorRow[],
): WatchResult {
  const settings = new Map(conditions.map(({ id, setting }) => [id, setting]));
  const used = [...new Set(settings.values())];
  const scopes: Scope[] = used.length > 1 ? [...used, 'all'] : used;
  const figures = PREDICTORS.flatMap((predictor) => {
    const points = pointsOf(rows, name, predictor);
    return scopes.flatMap((scope): PredictorFigures[] => {
      const own = points.filter(({ condition }) => scope === 'all' || settings.get(condition) === scope);
      if (own.length === 0) return [];
      return [{ scope, predictor, ...correlationsOf(own), detection: detectionOf(own) }];
    });
  });
  return {
    name,
    source,
    layer,
    neutral,
    conditions: conditions.map(({ id }) => {
      const own = rows.filter((row) => row.condition === id);
      const projection = mean(own.map((row) => row.projections[name]!.prompt));
      return { id, projection, ...placeIn(neutral, projection) };
    }),
    points: pointsOf(rows, name, 'prompt'),
    figures,
  };
}
