/**
 * A sweep over a vector that is there: what it does at layers and coefficients, in one way of steering or several
 * beside each other, to its own trait and to others.
 */

import { join } from 'node:path';
import type { MeanKind } from '../engine/request.ts';
import { PersonaError } from '../errors.ts';
import type { Judge } from '../judge/judge.ts';
import type { ChatModel } from '../model/chat-model.ts';
import { chooseCoefficient, chooseLayer } from './choose.ts';
import { summarise, type Dose, type SteeredAnswer } from './dose.ts';
import { isFile } from './find.ts';
import { readVector } from './file.ts';
import { planSweep, type SweepCell } from './sweep.ts';
import { runGrid, type GridContext } from './tune.ts';
import { rawCoefficient, variantEdits, variantName, type CoefficientUnit, type Variant } from './variants.ts';
import type { PersonaVector } from './vector.ts';

export interface VectorSweep {
  /** of the folder of the run */
  run: string;
  layers: readonly number[];
  /** 0 among them */
  coefficients: readonly number[];
  unit: CoefficientUnit;
  variants: readonly Variant[];
  questions: readonly { question: string; questionIndex: number }[];
  samples: number;
}

export interface SweptVariant {
  /** '' for the vector's own way */
  name: string;
  variant: Variant;
  layer: number;
  why: string;
  /** in the unit of the sweep; undefined when no positive one keeps the answers coherent */
  coefficient: number | undefined;
  /** at the chosen layer, unsteered included */
  doses: Dose[];
  /** at all layers, unsteered left out */
  steered: Dose[];
}

export interface Swept {
  variants: SweptVariant[];
  unsteered: Dose;
  answers: SteeredAnswer[];
}

/** @param kinds the vector's directions of other token kinds, where variants use them */
export async function sweepVector(
  model: ChatModel,
  vector: PersonaVector,
  kinds: ReadonlyMap<MeanKind, PersonaVector>,
  judges: readonly [Judge, ...Judge[]],
  sweep: VectorSweep,
  context: GridContext,
): Promise<Swept> {
  const { layers, coefficients, unit, variants, questions, samples } = sweep;
  const named = variants.map((variant) => ({ variant, name: variantName(variant, usualOf(vector)) }));
  const cells = named.flatMap(({ variant, name }, i) =>
    planSweep(
      layersOf(variant, layers),
      i === 0 ? coefficients : coefficients.filter((c) => c !== 0), // unsteered is the same in every way
      questions,
      samples,
    ).map((cell): SweepCell => (name === '' || cell.coefficient === 0 ? cell : { ...cell, variant: name })),
  );
  const steer = ({ variant: name = '', layer, coefficient }: SweepCell) => {
    const { variant } = named.find((one) => one.name === name) ?? named[0]!;
    const own = variant.kind === vector.kind ? vector : kinds.get(variant.kind)!;
    return variantEdits(vector, own, variant, unit, layer, coefficient);
  };
  const path = join(sweep.run, 'sweep.jsonl');
  const answers = await runGrid(model, steer, judges, path, 'steering', cells, context);
  const doses = summarise(answers);
  const unsteered = doses.find(({ coefficient }) => coefficient === 0)!;
  return {
    answers,
    unsteered,
    variants: named.map(({ variant, name }) => {
      const steered = doses.filter((dose) => dose.coefficient !== 0 && (dose.variant ?? '') === name);
      const tried = [...new Set(steered.map(({ layer }) => layer))];
      const { layer, why } =
        tried.length > 1
          ? chooseLayer(steered, unsteered)
          : { layer: tried[0] ?? layers[0]!, why: 'the only one asked for' };
      const own = [{ ...unsteered, layer }, ...steered.filter((dose) => dose.layer === layer)].sort(
        (a, b) => a.coefficient - b.coefficient,
      );
      return { name, variant, layer, why, coefficient: chooseCoefficient(own), doses: own, steered };
    }),
  };
}

/** Increments act at every layer whatever the layer is called; they are tried once. */
function layersOf({ spread }: Variant, layers: readonly number[]): readonly number[] {
  return spread === 'incremental' ? layers.slice(0, 1) : layers;
}

export function usualOf(vector: PersonaVector): Variant {
  return { kind: vector.kind, scope: 'response', spread: 'single' };
}

/** What is stored with a vector counts in times the vector. */
export function rawDoses(vector: PersonaVector, doses: readonly Dose[], unit: CoefficientUnit): Dose[] {
  return doses.map((dose) => ({
    ...dose,
    coefficient: rawCoefficient(vector, unit, dose.layer, dose.coefficient),
  }));
}

/** The directions of other token kinds that an extraction leaves beside vector.gguf. */
export async function readKinds(
  path: string,
  vector: PersonaVector,
  kinds: readonly MeanKind[],
): Promise<Map<MeanKind, PersonaVector>> {
  const found = new Map<MeanKind, PersonaVector>();
  for (const kind of kinds) {
    if (kind === vector.kind) continue;
    const file = path.replace(/(\.gguf)?$/i, `.${kind}.gguf`);
    if (!isFile(file))
      throw new PersonaError('NOT_FOUND', `${path}: the direction of ${kind} is not beside it (${file})`, {
        remedy: 'sweep vector.gguf in the folder of its run, where the other token kinds lie',
      });
    found.set(kind, await readVector(file));
  }
  return found;
}
