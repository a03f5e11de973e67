/**
 * The paper's comparison (§5, figure 7) on one's own data: what the data do to a trait by plain fine-tuning, and what
 * keeps it away: the vector added while training, at several coefficients; its direction removed while training (CAFT);
 * or the plain adapter steered against the trait while it answers. All are scored unsteered by training, side by side.
 */

import { join } from 'node:path';
import type { SteerSpec } from '../steer/spec.ts';
import { steeringOf } from '../steer/resolve.ts';
import { openRunFolder } from '../vector/run-folder.ts';
import { judgeName } from '../vector/score.ts';
import type { PersonaVector } from '../vector/vector.ts';
import { writeAdapterGguf } from './adapter-gguf.ts';
import { openScores, scoreArms, type Arm, type ArmScores, type ArmsOptions } from './arms.ts';
import { train, type TrainEvent, type TrainOptions, type TrainResult, type WatchedShift } from './train.ts';

export type ArmKind = 'base' | 'plain' | 'preventative' | 'caft' | 'inference';

/** Little, and plenty: the trait and the loss tell which of them these data want. */
const USUAL_COEFFICIENTS = [1, 3];
const USUAL_INFERENCE = [1, 2];

export interface StudyOptions extends Omit<TrainOptions, 'steer' | 'ablate' | 'watch' | 'gates'> {
  /** name or path of the vector, and the layer where it acts */
  vector: { source: string; layer: number; vector: PersonaVector };
  /** of the vector, while training: towards where the data push. @default USUAL_COEFFICIENTS */
  coefficients?: readonly number[];
  /** of the vector, while the plain adapter answers: away from there. @default USUAL_INFERENCE */
  inference?: readonly number[];
  /** where the direction is removed. @default 'all' */
  caft?: 'layer' | 'all' | 'both' | 'none';
  /** answers and judges; `run` and `traits` are the study's own */
  scoring: Omit<ArmsOptions, 'run' | 'engine' | 'signal' | 'onProgress'>;
}

export interface StudyArm {
  name: string;
  kind: ArmKind;
  /** signed as it was applied; 0 for arms without */
  coefficient: number;
  scores: ArmScores;
  /** of arms that were trained, or are steered from one that was */
  training?: { loss: number; shifts: WatchedShift[]; adapter: string };
}

export interface StudyResult {
  trait: string;
  vector: string;
  layer: number;
  judges: string[];
  /** −1 where the data push the trait down */
  sign: 1 | -1;
  arms: StudyArm[];
}

export type StudyEvent =
  | { type: 'training'; arm: string; event: TrainEvent }
  | { type: 'scoring' }
  | { type: 'done'; result: StudyResult };

/** Each adapter is trained in a folder of its own, so a killed study goes on in the arm that it was at. */
export async function* study(options: StudyOptions): AsyncGenerator<StudyEvent> {
  const { run, vector: subject, caft = 'all', scoring, ...rest } = options;
  const { coefficients = USUAL_COEFFICIENTS, inference = USUAL_INFERENCE, ...training } = rest;
  const { source, layer, vector } = subject;
  const trait = vector.trait;
  await openRunFolder(run, {
    what: 'study',
    vector: { source, layer, trait, model: vector.model.sha256 },
  });
  const asked: ArmsOptions = {
    ...scoring,
    run,
    engine: options.engine ?? {},
    signal: options.signal,
    onProgress: options.engine?.onProgress,
  };
  await openScores(asked);
  const trained = new Map<string, { result: TrainResult; adapter: string }>();
  const trainArm = async function* (
    name: string,
    edits: Pick<TrainOptions, 'steer' | 'ablate'>,
  ): AsyncGenerator<StudyEvent> {
    const folder = join(run, name);
    for await (const event of train({
      ...training,
      ...edits,
      run: folder,
      watch: [{ vector: source, layer }],
    })) {
      yield { type: 'training', arm: name, event };
      if (event.type !== 'done') continue;
      const adapter = join(folder, 'adapter.gguf');
      await writeAdapterGguf(adapter, event.result.adapter);
      trained.set(name, { result: event.result, adapter });
    }
    training.signal?.throwIfAborted();
  };

  yield* trainArm('plain', {});
  const moved = trained.get('plain')!.result.last!.shifts[0]!;
  const sign = moved.shift < 0 ? -1 : 1;
  const at = { from: layer, to: layer };
  const arms: Omit<StudyArm, 'scores'>[] = [
    { name: 'base', kind: 'base', coefficient: 0 },
    { name: 'plain', kind: 'plain', coefficient: 0 },
  ];
  for (const coefficient of coefficients) {
    const name = `preventative-${coefficient}`;
    const spec: SteerSpec = {
      vector: source,
      op: 'add',
      scope: 'all',
      layers: at,
      coefficient: { unit: 'raw', value: sign * coefficient },
    };
    yield* trainArm(name, { steer: [spec] });
    arms.push({ name, kind: 'preventative', coefficient: sign * coefficient });
  }
  for (const where of caft === 'both' ? (['layer', 'all'] as const) : caft === 'none' ? [] : [caft]) {
    const name = where === 'all' ? 'caft' : `caft-at-${layer}`;
    const spec: SteerSpec = {
      vector: source,
      op: 'ablate',
      scope: 'all',
      ...(where === 'layer' && { layers: at }),
    };
    yield* trainArm(name, { ablate: [spec] });
    arms.push({ name, kind: 'caft', coefficient: 0 });
  }
  const specs = new Map<string, SteerSpec>();
  for (const coefficient of inference) {
    const name = `plain-steered-${coefficient}`;
    const value = -sign * coefficient;
    arms.push({ name, kind: 'inference', coefficient: value });
    specs.set(name, {
      vector: source,
      op: 'add',
      scope: 'response',
      layers: at,
      coefficient: { unit: 'raw', value },
    });
  }

  yield { type: 'scoring' };
  const models = arms.map(({ name, kind }): Arm => {
    const adapter = trained.get(kind === 'inference' ? 'plain' : name)?.adapter;
    const spec = specs.get(name);
    return {
      name,
      ...(adapter !== undefined && { adapter }),
      ...(spec && { edits: steeringOf(spec, vector, vector.model).edits }),
    };
  });
  const scores = await scoreArms(models, asked);
  yield {
    type: 'done',
    result: {
      trait,
      vector: source,
      layer,
      judges: scoring.judges.map(judgeName),
      sign,
      arms: arms.map((arm, i) => {
        const own = trained.get(arm.kind === 'inference' ? 'plain' : arm.name);
        return {
          ...arm,
          scores: scores[i]!,
          ...(own && {
            training: { loss: own.result.loss, shifts: own.result.last?.shifts ?? [], adapter: own.adapter },
          }),
        };
      }),
    },
  };
}
