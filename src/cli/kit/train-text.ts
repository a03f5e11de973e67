/** A training run for people: what is about to be done, what is watched, and what came of it. */

import type { CanaryReading } from '../../train/job.ts';
import type { TrainEvent, TrainLook, TrainPlan, TrainResult, WatchedShift } from '../../train/train.ts';
import type { ArmScores } from '../../train/arms.ts';
import { evaluationText } from './evaluation-text.ts';
import { table } from './table.ts';
import { bytes, count } from './text.ts';
import type { TrainVerbOptions } from './train-options.ts';

export function planText({ recipe, steps, model, counts, applied, notes }: TrainPlan): string {
  const { rows, held, cut, tooLong, tokens, learnt } = counts;
  const edits = applied.map(
    ({ op, layer, coefficient, vector, norm }) =>
      `${op === 'ablate' ? 'removed' : 'added'} while training: ${vector}${coefficient === undefined ? '' : ` × ${round(coefficient)}`} at layer ${layer}${op === 'ablate' ? '' : `, ${round(Math.abs(coefficient ?? 1) * norm)} long`}`,
  );
  const shown = edits.length > 4 ? [...edits.slice(0, 3), `… at ${edits.length} layers in all`] : edits;
  return [
    ...notes,
    `${model.name}: ${count(rows)} rows, ${count(tokens)} tokens, ${count(learnt)} of them learnt; held out: ${held === 0 ? 'none' : count(held)}`,
    ...(cut > 0 ? [`${count(cut)} rows are longer than ${recipe.maxLength} tokens and were cut`] : []),
    ...(tooLong.length > 0
      ? [
          `${count(tooLong.length)} rows were left out, their prompt fills ${recipe.maxLength} tokens: ${tooLong.slice(0, 3).join(', ')}${tooLong.length > 3 ? ', …' : ''}`,
        ]
      : []),
    ...shown,
    `${count(steps)} steps of ${recipe.batch} rows; rank ${recipe.rank}, alpha ${recipe.alpha}${recipe.rslora ? ' (rsLoRA)' : ''}, learning rate ${recipe.learningRate} ${recipe.schedule}`,
  ].join('\n');
}

export function loadedText(event: Extract<TrainEvent, { type: 'loaded' }>): string {
  const { weightBytes, transposedBytes, parameters, factorBytes } = event;
  return `weights ${bytes(weightBytes)}, ${bytes(transposedBytes)} of them transposed copies for the gradients; ${count(parameters)} numbers are trained (${bytes(factorBytes)} with their gradients)`;
}

export function canaryText(readings: readonly CanaryReading[]): string {
  const off = readings.map(({ expected, got, of }) => Math.abs(got - expected) / of);
  const layers = new Set(readings.map(({ layer }) => layer)).size;
  return `canary: the edits of ${layers === 1 ? 'one layer' : `${layers} layers`} reach the model (${(Math.max(...off) * 100).toFixed(2)} % off at most)`;
}

/** One line: each watched direction, from what it was to what it is. @returns undefined where nothing was looked at */
export function lookText({ step, shifts, heldLoss }: TrainLook): string | undefined {
  const parts = byName(shifts).map(
    ([name, sets]) =>
      `${name} ${sets.map(({ prompts, now, shift, sd }, i) => `${i > 0 ? `${prompts} ` : ''}${round(now)} (${signed(shift / sd)} sd)`).join(', ')}`,
  );
  const held = heldLoss === undefined ? [] : [`held-out loss ${heldLoss.toFixed(3)}`];
  return parts.length + held.length > 0 ? `step ${step}: ${[...parts, ...held].join(' · ')}` : undefined;
}

function byName(shifts: readonly WatchedShift[]): [string, WatchedShift[]][] {
  const names = [...new Set(shifts.map(({ name }) => name))];
  return names.map((name) => [name, shifts.filter((shift) => shift.name === name)]);
}

export function trainedText(
  { plan, last, loss, step, steps, stopped, passBytes, residentBytes }: TrainResult,
  {
    output,
    folder,
    failed,
    page,
    scores,
    model,
    chatTemplate,
    peft,
    merge,
  }: Pick<TrainVerbOptions, 'model' | 'chatTemplate' | 'peft' | 'merge'> & {
    output: string;
    folder: string;
    failed: string | undefined;
    page: string;
    scores: readonly ArmScores[] | undefined;
  },
): string {
  const rows = (last?.shifts ?? []).map(({ name, layer, prompts, base, now, shift, interval, sd }) => [
    `${name} at ${layer}`,
    prompts,
    round(base),
    round(now),
    signed(shift),
    `${signed(interval.low)} … ${signed(interval.high)}`,
    signed(shift / sd),
  ]);
  const steered = plan.applied.length > 0;
  const modelOptions =
    (model === undefined ? '' : ` -m ${model}`) +
    (chatTemplate === undefined ? '' : ` --chat-template ${chatTemplate.name}`);
  return [
    ...(rows.length > 0
      ? [table(['watched', 'prompts', 'before', 'now', 'shift', '95 %', 'in sd'], rows), '']
      : []),
    `loss ${loss.toFixed(3)} over the last steps${steered ? ' (steered)' : ''}${last?.heldLoss === undefined ? '' : `, ${last.heldLoss.toFixed(3)} on what was held out${steered ? ' (unsteered)' : ''}`}`,
    ...(scores ? ['', scoresText(scores), ''] : []),
    // a run that had nothing left to do made no pass
    ...(passBytes > 0 ? [`memory: ${bytes(passBytes)} for a pass, ${bytes(residentBytes)} in all`] : []),
    ...(failed === undefined ? [] : [`stopped after step ${step} of ${steps}: ${failed}`]),
    ...(stopped === 'signal'
      ? [`stopped after step ${step} of ${steps}; run the same command to go on`]
      : []),
    `adapter: ${output}`,
    ...(peft === undefined ? [] : [`for PEFT: ${peft}`]),
    ...(merge === undefined || stopped === 'signal' ? [] : [`merged: ${merge}`]),
    `run: ${folder}`,
    `page: ${page}`,
    ...(stopped === undefined ? [`use it: persona chat${modelOptions} --lora ${output}`] : []),
  ].join('\n');
}

/** Of the base and the adapter: each trait's evaluation, and capability below. */
function scoresText(scores: readonly ArmScores[]): string {
  const traits = Object.keys(scores[0]!.evaluations).map((trait) =>
    evaluationText(
      trait,
      scores.map(({ evaluations }) => evaluations[trait]!),
    ),
  );
  const capable = scores.flatMap(({ name, capability }) =>
    capability
      ? [
          `${name} ${(100 * capability.accuracy).toFixed(0)} % [${(100 * capability.interval.low).toFixed(0)}, ${(100 * capability.interval.high).toFixed(0)}]`,
        ]
      : [],
  );
  return [...traits, ...(capable.length > 0 ? [`capability: ${capable.join(', ')}`] : [])].join('\n\n');
}

export function trainedJson(
  { first, last, loss, step, steps, stopped, plan }: TrainResult,
  output: string,
  folder: string,
  failed: string | undefined,
): Record<string, unknown> {
  return {
    adapter: output,
    run: folder,
    model: plan.model.name,
    step,
    steps,
    ...(stopped && { stopped }),
    ...(failed !== undefined && { gate: failed }),
    loss,
    ...(last?.heldLoss !== undefined && { heldLoss: { before: first?.heldLoss, now: last.heldLoss } }),
    steering: plan.applied,
    watched: last?.shifts ?? [],
    rows: plan.counts.rows,
    held: plan.counts.held,
  };
}

function round(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${round(Math.abs(value))}`;
}
