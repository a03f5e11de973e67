/** The library, in the order of the work: engine, models, traits, rollouts, judges, vectors, watching, steering,
 * screening, training, serving, reports. */

export { isPersonaError, PersonaError } from './errors.ts';
export type { ErrorCode } from './errors.ts';

export { Engine, openEngine } from './engine/engine.ts';
export type { OpenOptions, RunOptions } from './engine/engine.ts';
export type * from './engine/request.ts';

export { openChatModel } from './model/chat-model.ts';
export type { ChatModel, ModelIdentity, OpenChatModelOptions } from './model/chat-model.ts';
export { readIdentity } from './model/model-identity.ts';
export { resolveModel } from './model/pull.ts';
export { listModels } from './model/list.ts';
export { renderChat } from './model/template.ts';
export type { ChatMessage } from './model/template.ts';

export { checkTrait } from './trait/check.ts';
export { gradedPrompts } from './trait/graded.ts';
export { listTraits, loadTrait } from './trait/load.ts';
export { importTrait } from './trait/import.ts';
export type { Trait } from './trait/trait.ts';
export { openAiWriter } from './trait/openai-writer.ts';
export { ggufWriter } from './trait/writer.ts';
export type { TraitWriter } from './trait/writer.ts';
export { writeTrait } from './trait/write.ts';
export type { WrittenTrait } from './trait/write.ts';

export { askRollouts, readMeans } from './rollout/ask.ts';
export { readGivenRollouts } from './rollout/given.ts';
export { loadRoles } from './rollout/roles.ts';
export type { Role, RoleSet } from './rollout/roles.ts';
export { planNeutral, planRollouts } from './rollout/plan.ts';
export type { AskedRollout, Rollout } from './rollout/rollout.ts';

export { agreement } from './judge/agree.ts';
export type { Agreement } from './judge/agree.ts';
export { calibrate } from './judge/calibrate.ts';
export type { Calibration } from './judge/calibrate.ts';
export type { FunctionJudgeItem, FunctionJudgement, JudgeFunction } from './judge/fn.ts';
export type { Judge, JudgeItem, Judgement, JudgeUsage, OpenedJudge } from './judge/judge.ts';
export { likelihoodJudge } from './judge/likelihood.ts';
export { openJudge } from './judge/open.ts';
export type { OpenJudgeOptions } from './judge/open.ts';

export { measureCapability } from './vector/capability.ts';
export type { Capability, CapabilityOptions } from './vector/capability.ts';
export { readCapability } from './vector/capability-items.ts';
export type { CapabilityItem } from './vector/capability-items.ts';
export { extract } from './vector/extract.ts';
export type { Extraction, ExtractOptions } from './vector/extract.ts';
export { extractGiven } from './vector/extract-given.ts';
export { readVector, writeVector } from './vector/file.ts';
export { readAnyVector } from './vector/convert.ts';
export type { Conversion, Given } from './vector/convert.ts';
export { writeVectorAs } from './vector/write-as.ts';
export type { VectorFormat } from './vector/format.ts';
export { combine } from './vector/combine.ts';
export type { Combination, Lengths, Named } from './vector/combine.ts';
export { compareAt } from './vector/compare.ts';
export { decompose } from './vector/decompose.ts';
export { assistantAxis, axisCosine, capFloors, componentsFor, roleSpace } from './vector/axis.ts';
export { extractAxis } from './vector/extract-axis.ts';
export type { AxisExtraction, AxisOptions } from './vector/extract-axis.ts';
export { filterRollouts } from './vector/filter.ts';
export { checkFit } from './vector/fit.ts';
export { readingLayer } from './vector/reading-layer.ts';
export type { ReadingLayer } from './vector/reading-layer.ts';
export { direction } from './vector/vector.ts';
export type { PersonaVector } from './vector/vector.ts';

export { readings, resolveWatches, watchReads } from './monitor/watch.ts';
export { evaluateMonitor } from './monitor/evaluate.ts';
export type { MonitorEvaluation, MonitorOptions } from './monitor/evaluate.ts';
export { parseSpec } from './steer/spec.ts';
export { resolveSteering } from './steer/resolve.ts';
export { planEvaluation } from './rollout/plan-evaluation.ts';
export { evaluateTrait } from './steer/evaluate.ts';
export { evaluationCsv } from './steer/evaluation-csv.ts';
export { summariseEvaluation } from './steer/evaluation-summary.ts';
export type { PersonaConfig } from './steer/policy/config.ts';
export { loadConfig } from './steer/policy/load.ts';
export { openMemory } from './steer/policy/memory.ts';
export { policiesOf } from './steer/policy/policies.ts';
export type * from './steer/policy/policy.ts';
export { reloadable } from './steer/policy/reload.ts';

export { diff } from './screen/diff/diff.ts';
export type { DiffOptions, DiffResult } from './screen/diff/diff.ts';
export { readDiffPrompts, traitPrompts } from './screen/diff/prompts.ts';
export { checkGate, parseGate } from './screen/gate.ts';
export type { Gate, GateFigures, GateResult } from './screen/gate.ts';
export { screen } from './screen/screen.ts';
export type { ScreenedRow, ScreenedTrait, ScreenOptions } from './screen/screen.ts';

export type { Adapter, AdapterFactors } from './train/adapter.ts';
export { readAdapterGguf, readProvenance, writeAdapterGguf } from './train/adapter-gguf.ts';
export type { WriteAdapterOptions } from './train/adapter-gguf.ts';
export { readPeft, writePeft } from './train/adapter-peft.ts';
export type { PeftModel, WritePeftOptions } from './train/adapter-peft.ts';
export { scoreArms } from './train/arms.ts';
export type { Arm, ArmScores, ArmsOptions } from './train/arms.ts';
export { mergeAdapter } from './train/merge.ts';
export type { MergeOptions } from './train/merge.ts';
export type { Recipe, Schedule } from './train/recipe.ts';
export { study } from './train/study.ts';
export type { StudyArm, StudyEvent, StudyOptions, StudyResult } from './train/study.ts';
export { train } from './train/train.ts';
export type {
  TrainEvent,
  TrainLook,
  TrainOptions,
  TrainPlan,
  TrainResult,
  WatchedShift,
} from './train/train.ts';

export { buildApp } from './server/app.ts';
export type { AnswerEvent, Recorder, TraitSummary } from './server/contracts.ts';
export { equip } from './server/equip.ts';
export type { Equipment, EquipOptions } from './server/equip.ts';
export { listen } from './server/listen.ts';
export type { Listening, ListenOptions } from './server/listen.ts';
export { served } from './server/served.ts';
export type { LoadedVector, Served } from './server/served.ts';
export { loadVector } from './server/vectors.ts';
export { SIGNATURE_HEADER, verifySignature } from './server/webhook/signature.ts';

export { renderReport } from './report/render.ts';
export { writeReport } from './report/write.ts';
