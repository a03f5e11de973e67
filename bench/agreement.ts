/**
 * What torch-agreement.md needs besides the command `persona`:
 *
 *   node bench/agreement.ts f32 MODEL.gguf F32.gguf              the same weights without quantisation
 *   node bench/agreement.ts rollouts MODEL.gguf ROLLOUTS.jsonl   32 lines {"side", "prompt", "answer"}
 */

import { writeFile } from 'node:fs/promises';
import { quantizeModel } from '../src/engine/quantize.ts';
import { openChatModel } from '../src/model/chat-model.ts';
import { systemPrompt } from '../src/trait/instruction.ts';
import { loadTrait } from '../src/trait/load.ts';

const TRAIT = 'optimistic';
const PER_SIDE = 16;

async function writeRollouts(model: string, out: string): Promise<void> {
  await using chat = await openChatModel({ model, parallel: 16 });
  const trait = await loadTrait(TRAIT);
  const rollouts = (['pos', 'neg'] as const).flatMap((side) =>
    Array.from({ length: PER_SIDE }, async (_, i) => {
      const prompt = chat.render([
        { role: 'system', content: systemPrompt(trait, side, i % trait.instruction.length) },
        { role: 'user', content: trait.questions[i % trait.questions.length]! },
      ]);
      const sampling = { temperature: 1, seed: i };
      const { text } = await chat.engine.run({ prompt, maxTokens: 64, sampling });
      return `${JSON.stringify({ side, prompt, answer: text })}\n`;
    }),
  );
  await writeFile(out, await Promise.all(rollouts));
}

const [verb, model, out] = process.argv.slice(2);
if (verb === 'f32' && model && out) await quantizeModel(model, out, 'F32');
else if (verb === 'rollouts' && model && out) await writeRollouts(model, out);
else throw new Error('the first lines of bench/agreement.ts say what it takes');
