/** `persona vectors convert`: vectors of other tools as ours, and ours as theirs. */

import { type Command, Option } from 'commander';
import type { MeanKind } from '../../engine/request.ts';
import { readIdentity } from '../../model/model-identity.ts';
import { readAnyVector } from '../../vector/convert.ts';
import { formatOf, VECTOR_FORMATS, type VectorFormat } from '../../vector/format.ts';
import { MEAN_KINDS } from '../../vector/schema.ts';
import type { PersonaVector } from '../../vector/vector.ts';
import { writeVectorAs } from '../../vector/write-as.ts';
import { describe } from '../kit/help.ts';
import { stepsOf } from '../kit/model-options.ts';
import { integer, number } from '../kit/options.ts';
import { run, type Session } from '../kit/run.ts';
import { harmless } from '../kit/text.ts';

interface ConvertOptions {
  model?: string;
  offline?: true;
  trait?: string;
  kind?: MeanKind;
  layer?: number;
  coefficient?: number;
  tensor?: string;
  experiment?: string;
  from?: VectorFormat;
  to?: VectorFormat;
}

export function registerConvert(vectors: Command): void {
  const convert = vectors
    .command('convert')
    .description('turn a vector file into another kind: .gguf, .pt (nothing in it is executed), .safetensors')
    .argument('<in>', 'file to read')
    .argument('<out>', 'file to write')
    .option(
      '-m, --model <model>',
      'the model that it was made on, where the file does not say: only read, not run',
    )
    .option('--offline', 'use only models that are here')
    .option('--trait <name>', 'the trait that it is of, where the file does not say')
    .addOption(new Option('--kind <kind>', 'tokens that it was made of').choices(MEAN_KINDS))
    .option('--layer <b>', 'layer to steer at, from 0', integer({ min: 0 }))
    .option('--coefficient <c>', 'coefficient to steer with', number())
    .option('--tensor <name>', 'which tensor, where the file holds several')
    .option('--experiment <id>', 'which experiment of a file of caps')
    .addOption(new Option('--from <kind>', 'what <in> is (default: by its end)').choices(VECTOR_FORMATS))
    .addOption(new Option('--to <kind>', 'what <out> is to be (default: by its end)').choices(VECTOR_FORMATS))
    .action(run(converted));
  describe(convert, 'Find', [
    {
      does: "one of the paper's",
      line: 'persona vectors convert evil_response_avg_diff.pt evil.gguf --model hf:Qwen/Qwen2.5-7B-Instruct-GGUF:Q8_0 --layer 19',
    },
    {
      does: 'one of repeng',
      line: 'persona vectors convert happy.gguf ours.gguf --model m.gguf --trait happy --layer 14',
    },
    { does: 'for PyTorch', line: 'persona vectors convert evil.gguf evil.pt' },
  ]);
}

async function converted(
  session: Session,
  input: string,
  output: string,
  options: ConvertOptions,
): Promise<void> {
  const to = options.to ?? formatOf(output); // before any work
  const { model, offline, trait, kind, layer, coefficient, tensor, experiment, from } = options;
  const steps = stepsOf(session);
  const read = await readAnyVector(input, {
    from,
    model: async () =>
      model === undefined
        ? undefined
        : await readIdentity(model, {
            offline,
            signal: session.signal,
            onNote: (note) => session.human(note),
            onProgress: steps.report,
          }),
    trait,
    kind,
    layer,
    coefficient,
    tensor,
    experiment,
  }).finally(steps.end);
  const { vector, notes } = read;
  const written = await writeVectorAs(output, vector, to);
  const { converted: made } = vector.recipe;
  const document = {
    path: output,
    from: read.from,
    to,
    trait: vector.trait,
    kind: vector.kind,
    model: vector.model,
    layer: vector.layer ?? null,
    coefficient: vector.coefficient ?? null,
    missing: made?.missing ?? [],
    after_final_norm: made?.afterFinalNorm ?? null,
    caps: made?.caps ?? [],
    notes: { read: notes, written },
  };
  session.result(document, textOf(input, output, read.from, to, vector, notes, written));
}

function textOf(
  input: string,
  output: string,
  from: VectorFormat,
  to: VectorFormat,
  vector: PersonaVector,
  notes: readonly string[],
  written: readonly string[],
): string {
  const { trait, kind, model, layer, recipe } = vector;
  const at = layer === undefined ? 'no layer chosen' : `layer ${layer}`;
  const lines = [
    `${trait} (${kind}) of ${model.name}: ${model.layers} layers of width ${model.width}, ${at}`,
    `read     ${input} (${from})`,
    ...notes.map((note) => `  ${note}`),
    `written  ${output} (${to})`,
    ...written.map((note) => `  ${note}`),
  ];
  const caps = recipe.converted?.caps ?? [];
  if (caps.length > 0 && to === 'gguf') {
    lines.push('to cap as the file has it:');
    lines.push(...caps.map(({ layer: b, cap }) => `  --steer '${output}=<=${cap}@${b}:cap/all'`));
  }
  return lines.map(harmless).join('\n');
}
