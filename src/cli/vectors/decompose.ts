/** `persona vectors decompose`: which features of a sparse autoencoder a vector is made of. */

import type { Command } from 'commander';
import { PersonaError } from '../../errors.ts';
import { norm } from '../../math/vector.ts';
import { decompose } from '../../vector/decompose.ts';
import { findVector } from '../../vector/find.ts';
import { direction } from '../../vector/vector.ts';
import { describe } from '../kit/help.ts';
import { stepsOf } from '../kit/model-options.ts';
import { integer } from '../kit/options.ts';
import { run, type Session } from '../kit/run.ts';
import { table } from '../kit/table.ts';

interface DecomposeOptions {
  sae: string;
  top: number;
  layer?: number;
  tensor?: string;
}

export function registerDecompose(vectors: Command): void {
  const command = vectors
    .command('decompose')
    .description('the features of a sparse autoencoder that a vector is nearest to')
    .argument('<vector>', 'path or name')
    .requiredOption('--sae <file>', 'safetensors with the decoder of an autoencoder of this layer')
    .option('--top <n>', 'features of each sign', integer({ min: 1, max: 10_000 }), 20)
    .option(
      '--layer <b>',
      'layer of the vector (default: the one that it is steered at)',
      integer({ min: 0 }),
    )
    .option('--tensor <name>', 'the decoder (default: W_dec, decoder.weight or dec)')
    .action(run(decomposed));
  describe(command, 'Find', [
    {
      does: "the reference's layer 20 is resid_post_layer_19, our layer 19",
      line: 'persona vectors decompose evil --sae sae_layer_19.safetensors --layer 19',
    },
  ]);
}

async function decomposed(session: Session, name: string, options: DecomposeOptions): Promise<void> {
  const vector = await findVector(name);
  const layer = options.layer ?? vector.layer;
  const { layers } = vector.model;
  if (layer === undefined || layer >= layers)
    throw new PersonaError(
      'USAGE',
      layer === undefined ? `no layer was chosen for ${name}` : `there is no layer ${layer}`,
      {
        remedy: `Give one of 0 to ${layers - 1} with --layer.`,
      },
    );
  const row = direction(vector, layer);
  if (!(norm(row) > 0))
    throw new PersonaError('BAD_VECTOR', `${name} has no direction at layer ${layer}: it is all zero there`);
  const steps = stepsOf(session);
  const { signal } = session;
  const onRows = (done: number, total: number): void =>
    steps.report({ label: 'reading the decoder', done, total, unit: 'rows' });
  const { top, tensor } = options;
  const found = await decompose(row, options.sae, { top, tensor, signal, onRows }).finally(steps.end);
  const { positive, negative, features, dead } = found;
  const rows = Array.from({ length: Math.max(positive.length, negative.length) }, (_, i) => [
    positive[i]?.feature,
    positive[i]?.cosine.toFixed(3),
    negative[i]?.feature,
    negative[i]?.cosine.toFixed(3),
  ]);
  const alive = dead > 0 ? `${features} features (${dead} without a direction)` : `${features} features`;
  const text = `${name} at layer ${layer}, ${alive} of ${found.tensor}\n\n${table(['towards', 'cosine', 'against', 'cosine'], rows)}`;
  session.result({ vector: name, layer, sae: options.sae, ...found }, text);
}
