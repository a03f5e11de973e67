/**
 * Our side of torch-agreement.md: rollouts of a trait, and the vectors that the engine reads from them.
 *
 *   node bench/agreement.ts f32 MODEL.gguf F32.gguf                      the same weights without quantisation
 *   node bench/agreement.ts rollouts MODEL.gguf ROLLOUTS.jsonl           32 lines {"side", "prompt", "answer"}
 *   node bench/agreement.ts read MODEL.gguf ROLLOUTS.jsonl OUT.json [--cache f16|f32]
 */

import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { openEngine } from '../src/engine/engine.ts';
import { quantizeModel } from '../src/engine/quantize.ts';
import type { MeanKind } from '../src/engine/request.ts';
import { difference } from '../src/math/vector.ts';
import { openChatModel } from '../src/model/chat-model.ts';
import { systemPrompt } from '../src/trait/instruction.ts';
import { loadTrait } from '../src/trait/load.ts';

interface Rollout {
  side: 'pos' | 'neg';
  prompt: string;
  answer: string;
}

const TRAIT = 'optimistic';
const PER_SIDE = 16;
const KINDS: readonly MeanKind[] = ['response_avg', 'prompt_avg', 'prompt_last'];

async function writeRollouts(model: string, out: string): Promise<void> {
  await using chat = await openChatModel({ model, parallel: 16 });
  const trait = await loadTrait(TRAIT);
  const lines = (['pos', 'neg'] as const).flatMap((side) =>
    Array.from({ length: PER_SIDE }, async (_, i): Promise<Rollout> => {
      const prompt = chat.render([
        { role: 'system', content: systemPrompt(trait, side, i % trait.instruction.length) },
        { role: 'user', content: trait.questions[i % trait.questions.length]! },
      ]);
      const sampling = { temperature: 1, seed: i };
      const { text } = await chat.engine.run({ prompt, maxTokens: 64, sampling });
      return { side, prompt, answer: text };
    }),
  );
  await writeFile(out, (await Promise.all(lines)).map((line) => `${JSON.stringify(line)}\n`).join(''));
}

async function readVectors(
  model: string,
  rollouts: string,
  out: string,
  cache: 'f16' | 'f32',
): Promise<void> {
  const lines = (await readFile(rollouts, 'utf8')).trim().split('\n');
  await using engine = await openEngine({ modelPath: model, cacheType: cache });
  const { layers, width } = engine.info;
  const sums = { pos: emptySums(layers * width), neg: emptySums(layers * width) };
  const counts = { pos: 0, neg: 0 };
  const tokens: number[][] = [];
  await Promise.all(
    lines.map(async (line, i) => {
      const { side, prompt, answer } = JSON.parse(line) as Rollout;
      const result = await engine.run({ prompt, answer, means: { layers: 'all', kinds: KINDS } });
      tokens[i] = [...(await engine.tokenize(prompt, true)), ...result.tokens];
      if (result.tokens.length === 0) return; // no answer, no mean
      counts[side]++;
      for (const kind of KINDS) {
        const mean = result.means![kind]!;
        for (let at = 0; at < mean.length; at++) sums[side][kind]![at]! += mean[at]!;
      }
    }),
  );
  const vectors = KINDS.map((kind) => {
    const [pos, neg] = (['pos', 'neg'] as const).map((side) =>
      sums[side][kind]!.map((x) => x / counts[side]),
    );
    return [kind, Array.from(difference(pos!, neg!))];
  });
  const label = `${basename(model)}, cache ${cache}`;
  await writeFile(out, JSON.stringify({ label, layers, width, tokens, ...Object.fromEntries(vectors) }));
}

function emptySums(size: number): Partial<Record<MeanKind, Float64Array>> {
  return Object.fromEntries(KINDS.map((kind) => [kind, new Float64Array(size)]));
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { cache: { type: 'string', default: 'f16' } },
});
const [verb, first, second, third] = positionals;
if (verb === 'f32' && first && second) await quantizeModel(first, second, 'F32');
else if (verb === 'rollouts' && first && second) await writeRollouts(first, second);
else if (verb === 'read' && first && second && third)
  await readVectors(first, second, third, values.cache === 'f32' ? 'f32' : 'f16');
else throw new Error('see the first lines of bench/agreement.ts for its usage');
