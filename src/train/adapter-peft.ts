/**
 * Adapters as PEFT has them: a folder with `adapter_model.safetensors` and `adapter_config.json`. Matrices go by their
 * names in transformers there, and the query and key rows of llama models lie in another order: GGUF files keep the two
 * numbers that a rotary position turns side by side, transformers half a head apart.
 */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TARGETS, TRAINABLE_ARCHITECTURES, type Target } from '../engine/training/architecture.ts';
import { PersonaError } from '../errors.ts';
import { readJson } from '../files/read-json.ts';
import { readSafetensor, readSafetensors, writeSafetensors, type Safetensors } from '../files/safetensors.ts';
import { writeWhole } from '../files/write-whole.ts';
import type { Adapter, AdapterFactors } from './adapter.ts';
import { bad, checkAdapter, parseMatrix, readPairs, targetsOf, type Pair } from './adapter-pairs.ts';

const WEIGHTS = 'adapter_model.safetensors';
const CONFIG = 'adapter_config.json';

/** Their places within `layers.N`. */
const MODULES: Readonly<Record<Target, string>> = {
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};
const targetByModule = new Map(TARGETS.map((target) => [MODULES[target], target]));

/** What a PEFT folder does not say of its model. */
export interface PeftModel {
  /** as in `general.architecture`: llama, qwen2, qwen3 or gemma3 */
  architecture: string;
  heads: number;
  kvHeads: number;
  /** numbers of one head */
  headWidth: number;
  /** blocks */
  layers: number;
}

export interface WritePeftOptions {
  /** what PEFT shall find the base model by: a folder, or a name on a hub */
  baseModel: string;
  /** numbers of one head: the rows of queries and keys are put in order by it */
  headWidth: number;
}

/**
 * Writes the folder, for PEFT from 0.15 on.
 *
 *     await writePeft('calm-peft', adapter, { baseModel: 'HuggingFaceTB/SmolLM2-135M-Instruct', headWidth: 64 });
 *     // PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE), 'calm-peft')
 *
 * @throws PersonaError USAGE where the adapter does not hold together, UNSUPPORTED for other architectures
 */
export async function writePeft(
  folder: string,
  adapter: Adapter,
  { baseModel, headWidth }: WritePeftOptions,
): Promise<void> {
  checkAdapter(adapter);
  const { architecture, rank, alpha, rslora, factors } = adapter;
  requireKnown(architecture);
  const tensors = [...factors].flatMap(([matrix, { a, b }]) => {
    const [block, target] = parseMatrix(matrix)!;
    if (turned(architecture, target) && (b.length / rank) % headWidth !== 0)
      throw new PersonaError('USAGE', `${matrix} has ${b.length / rank} rows, no multiple of ${headWidth}`);
    const module = `base_model.model.model.layers.${block}.${MODULES[target]}`;
    const rows = turned(architecture, target) ? reordered(b, rank, headWidth, 'to halves') : b;
    return [
      { name: `${module}.lora_A.weight`, shape: [rank, a.length / rank], data: a },
      { name: `${module}.lora_B.weight`, shape: [b.length / rank, rank], data: rows },
    ];
  });
  await writeSafetensors(join(folder, WEIGHTS), tensors, { format: 'pt' });
  // last, since PEFT looks for this file first
  const config = {
    task_type: 'CAUSAL_LM',
    peft_type: 'LORA',
    base_model_name_or_path: baseModel,
    inference_mode: true,
    r: rank,
    lora_alpha: alpha,
    use_rslora: rslora,
    lora_dropout: 0,
    bias: 'none',
    fan_in_fan_out: false,
    init_lora_weights: true,
    use_dora: false,
    target_modules: targetModules(adapter),
    modules_to_save: null,
    layers_to_transform: null,
    layers_pattern: null,
    rank_pattern: {},
    alpha_pattern: {},
  };
  await writeWhole(join(folder, CONFIG), `${JSON.stringify(config, null, 2)}\n`);
}

/** By their last names; where not every block has them all, by their full ones: PEFT makes factors for all it finds. */
function targetModules({ layers, targets, factors }: Adapter): string[] {
  if (factors.size === layers * targets.length)
    return targets.map((target) => MODULES[target].split('.')[1]!);
  return [...factors.keys()].map((matrix) => {
    const [block, target] = parseMatrix(matrix)!;
    return `model.layers.${block}.${MODULES[target]}`;
  });
}

const configSchema = z.looseObject({
  peft_type: z.string(),
  r: z.int().min(1),
  lora_alpha: z.number(),
  use_rslora: z.boolean().default(false),
  target_modules: z.union([z.string(), z.array(z.string())]).nullish(), // names, or a pattern
});

/** These start from other weights than the base model's, which the adapter alone does not give back. */
const CHANGED_BASE = /^(pissa|olora|corda|loftq|lora_ga)/;

const WITHOUT =
  'train it again without, or merge it with PEFT (merge_and_unload) and convert the merged model';
/** Settings that change what is computed, and that the factors alone do not hold. Only these values are like none. */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  use_dora: [false],
  bias: ['none'],
  lora_bias: [false],
  modules_to_save: ['[]'],
  rank_pattern: ['{}'],
  alpha_pattern: ['{}'],
  fan_in_fan_out: [false],
  layer_replication: ['[]'],
  trainable_token_indices: ['[]', '{}'],
  target_parameters: ['[]'],
  alora_invocation_tokens: ['[]'],
  use_qalora: [false],
  use_bdlora: [false],
  velora_config: ['{}'],
  monteclora_config: ['{}'],
  arrow_config: ['{}'],
  kasa_config: ['{}'],
};

/**
 * Reads a folder that PEFT (or `writePeft`) wrote, in float32, float16, bfloat16 or float64.
 *
 *     const adapter = await readPeft('calm-peft', { architecture: 'llama', heads: 9, kvHeads: 3, headWidth: 64, layers: 30 });
 *     await writeAdapterGguf('calm.gguf', adapter);
 *
 * @throws PersonaError UNSUPPORTED for what factors alone do not hold, BAD_FILE, WRONG_MODEL, NOT_FOUND
 */
export async function readPeft(folder: string, model: PeftModel): Promise<Adapter> {
  requireKnown(model.architecture);
  const configPath = join(folder, CONFIG);
  const config = await readJson(configPath, configSchema);
  refuseUnknown(configPath, config);
  const { r: rank, lora_alpha: alpha, use_rslora: rslora } = config;
  if (alpha === 0) throw bad(configPath, 'lora_alpha is 0: such an adapter does nothing');

  const path = join(folder, WEIGHTS);
  await refusePickled(folder, path);
  const file = await readSafetensors(path);
  const pairs = pairsOf(file);
  refuseOtherModel(path, pairs, rank, model);
  refuseMissing(path, pairs, config.target_modules);
  const found = await readPairs(path, pairs, ({ name }) => readSafetensor(file, name));
  const factors = new Map(
    [...found].map(([matrix, { a, b }]): [string, AdapterFactors] => {
      const [, target] = parseMatrix(matrix)!;
      const inOrder = turned(model.architecture, target)
        ? reordered(b, rank, model.headWidth, 'to neighbours')
        : b;
      return [matrix, { a, b: inOrder }];
    }),
  );
  const { architecture, layers } = model;
  return { architecture, layers, rank, alpha, rslora, targets: targetsOf(factors.keys()), factors };
}

function refuseUnknown(path: string, config: z.infer<typeof configSchema>): void {
  const refuse = (field: string, value: unknown, remedy: string = WITHOUT): never => {
    throw new PersonaError(
      'UNSUPPORTED',
      `${path}: ${field} is ${JSON.stringify(value)}, which is not known here`,
      {
        remedy,
      },
    );
  };
  if (config.peft_type !== 'LORA') refuse('peft_type', config.peft_type, 'only LoRA adapters can be read');
  for (const [field, neutral] of Object.entries(NEUTRAL)) {
    const value = config[field];
    const plain = typeof value === 'object' ? JSON.stringify(value) : value;
    if (value !== undefined && value !== null && !neutral.includes(plain)) refuse(field, value);
  }
  const init = config['init_lora_weights'];
  if (typeof init === 'string' && CHANGED_BASE.test(init))
    refuse('init_lora_weights', init, 'save it with path_initial_model_for_weight_conversion, as PEFT says');
}

/** Older PEFT wrote Python's own format, which runs what it reads. */
async function refusePickled(folder: string, path: string): Promise<void> {
  const there = (name: string): Promise<boolean> =>
    stat(name).then(
      () => true,
      () => false,
    );
  const old = join(folder, 'adapter_model.bin');
  if (!(await there(path)) && (await there(old)))
    throw new PersonaError('UNSUPPORTED', `${old}: expected ${WEIGHTS}, got pickled weights`, {
      remedy: 'load it with PEFT and call save_pretrained(FOLDER), which writes safetensors',
    });
}

/** The last is what gemma3 with its eye, and transformers before 4.52, have around the language model. */
const PREFIXES = 'model|model\\.language_model|language_model\\.model';
const NAME = new RegExp(
  `^base_model\\.model\\.(?:${PREFIXES})\\.layers\\.(\\d{1,6})\\.(\\w+\\.\\w+)\\.lora_([AB])(?:\\.default)?\\.weight$`,
);

function pairsOf(file: Safetensors): Map<string, Pair> {
  const pairs = new Map<string, Pair>();
  for (const [name, { shape }] of file.tensors) {
    const parts = NAME.exec(name);
    const target = parts ? targetByModule.get(parts[2]!) : undefined;
    if (parts === null || target === undefined)
      throw new PersonaError('UNSUPPORTED', `${file.path}: ${name} is of no module known here`, {
        remedy: `train with target_modules among ${TARGETS.map((t) => MODULES[t].split('.')[1]).join(', ')}, and without embeddings, norms or DoRA`,
      });
    if (shape.length !== 2) throw bad(file.path, `${name} has ${shape.length} dimensions, not 2`);
    const matrix = `blk.${Number(parts[1])}.${target}`;
    const side = parts[3] === 'A' ? 'a' : 'b';
    const pair = pairs.get(matrix) ?? {};
    if (pair[side]) throw bad(file.path, `${name} and ${pair[side].name} are the same matrix`);
    pairs.set(matrix, { ...pair, [side]: { name, rows: shape[0]!, columns: shape[1]! } });
  }
  return pairs;
}

function refuseOtherModel(
  path: string,
  pairs: ReadonlyMap<string, Pair>,
  rank: number,
  { heads, kvHeads, headWidth, layers }: PeftModel,
): void {
  const other = (what: string): PersonaError =>
    new PersonaError('WRONG_MODEL', `${path}: ${what}`, {
      remedy: 'give the model that the adapter was trained on',
    });
  for (const [matrix, { a, b }] of pairs) {
    const [block, target] = parseMatrix(matrix)!;
    const name = (a ?? b)!.name;
    if (block >= layers) throw other(`${name}: the model has ${layers} blocks`);
    if (a && a.rows !== rank) throw bad(path, `${a.name} has rank ${a.rows}, r of ${CONFIG} is ${rank}`);
    const outputs = { attn_q: heads, attn_k: kvHeads, attn_v: kvHeads }[target as 'attn_q'];
    if (b && outputs !== undefined && b.rows !== outputs * headWidth)
      throw other(`${b.name} has ${b.rows} rows, the model ${outputs} heads of ${headWidth}`);
    if (a && target === 'attn_output' && a.columns !== heads * headWidth)
      throw other(`${a.name} has ${a.columns} columns, the model ${heads} heads of ${headWidth}`);
  }
}

/** A module that was trained has factors somewhere. */
function refuseMissing(
  path: string,
  pairs: ReadonlyMap<string, Pair>,
  named: z.infer<typeof configSchema>['target_modules'],
): void {
  const there = targetsOf(pairs.keys());
  const missing = TARGETS.find((target) => {
    const module = MODULES[target].split('.')[1]!;
    return Array.isArray(named) && named.includes(module) && !there.includes(target);
  });
  if (missing) throw bad(path, `no tensor of ${MODULES[missing]}, which target_modules of ${CONFIG} names`);
}

function requireKnown(architecture: string): void {
  if ((TRAINABLE_ARCHITECTURES as readonly string[]).includes(architecture)) return;
  throw new PersonaError('UNSUPPORTED', `how PEFT names the matrices of ${architecture} is not known here`, {
    remedy: `adapters pass to PEFT and back for ${TRAINABLE_ARCHITECTURES.join(', ')}`,
  });
}

/** Rows of queries and keys lie otherwise in GGUF files of this one architecture. */
function turned(architecture: string, target: Target): boolean {
  return architecture === 'llama' && (target === 'attn_q' || target === 'attn_k');
}

/**
 * Head by head, row 2i + j of the neighbours' order is row j·w/2 + i of the halves' (w rows a head, j of 0 and 1).
 * reordered([0, 1, 2, 3], 1, 4, 'to neighbours') = [0, 2, 1, 3]
 */
function reordered(
  b: Float32Array,
  rank: number,
  headWidth: number,
  way: 'to neighbours' | 'to halves',
): Float32Array {
  const out = new Float32Array(b.length);
  for (let row = 0; row < b.length / rank; row++) {
    const within = row % headWidth; // in the neighbours' order
    const half = row - within + (within % 2) * (headWidth / 2) + Math.floor(within / 2);
    const [from, to] = way === 'to neighbours' ? [half, row] : [row, half];
    out.set(b.subarray(from * rank, (from + 1) * rank), to * rank);
  }
  return out;
}
