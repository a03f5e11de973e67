/**
 * Preventative steering on the default model: answers that the model itself gave under the instructions against a
 * trait become training data, without the instruction; then `persona train --study` on them.
 *
 *   PY=python node bench/train-study.ts --vector V.gguf@16 [--model M] [--rows 160] [--run DIR] [-- more for persona train]
 *
 * Scores are the likelihood judge's and VADER's (of sentiment, so for a trait that shows in it: optimistic).
 */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { writeWhole } from '../src/files/write-whole.ts';
import { openChatModel } from '../src/model/chat-model.ts';
import { parseWatch } from '../src/monitor/watch.ts';
import { askRollouts } from '../src/rollout/ask.ts';
import { planRollouts } from '../src/rollout/plan.ts';
import { loadTrait } from '../src/trait/load.ts';
import { vectorFinder } from '../src/vector/find.ts';

const own = process.argv.slice(2);
const cut = own.indexOf('--');
const more = cut < 0 ? [] : own.slice(cut + 1);
const { values } = parseArgs({
  args: cut < 0 ? own : own.slice(0, cut),
  options: {
    model: { type: 'string' },
    vector: { type: 'string' },
    rows: { type: 'string', default: '160' },
    'max-tokens': { type: 'string', default: '96' },
    run: { type: 'string', default: join('runs', 'train-study') },
  },
});
if (values.vector === undefined) throw new Error('--vector is missing');

/** Samples of a prompt: 20 questions under 5 instructions are 100 prompts. */
const SAMPLES = 2;
/** A small model at 1 writes half nonsense, from which little is learnt but nonsense. */
const TEMPERATURE = 0.7;
/** Shorter ones are the model's failures. Characters. */
const SHORTEST = 40;

const data = join(values.run, 'data.jsonl');
if (!existsSync(data)) {
  const { trait: name, recipe } = await vectorFinder()(parseWatch(values.vector).vector);
  const trait = recipe.trait ?? (await loadTrait(name));
  await using model = await openChatModel({ model: values.model, parallel: 16, context: 512 });
  const plan = planRollouts(trait, { questions: trait.questions.length, samples: SAMPLES }).filter(
    ({ side }) => side === 'neg',
  );
  const lines: { id: string; line: string }[] = [];
  for await (const { rollout } of askRollouts(model, plan, {
    maxTokens: Number(values['max-tokens']),
    temperature: TEMPERATURE,
    seed: 1,
  })) {
    const answer = rollout.answer.trim();
    if (answer.length < SHORTEST) continue;
    lines.push({
      id: rollout.id,
      line: JSON.stringify({
        messages: [
          { role: 'user', content: rollout.question },
          { role: 'assistant', content: answer },
        ],
      }),
    });
    process.stderr.write(`\r${lines.length} of ${plan.length} answers`);
  }
  process.stderr.write('\n');
  await mkdir(values.run, { recursive: true });
  const chosen = lines.toSorted((a, b) => (a.id < b.id ? -1 : 1)).slice(0, Number(values.rows));
  await writeWhole(data, chosen.map(({ line }) => `${line}\n`).join(''));
}

const judge = relative(process.cwd(), new URL('vader-judge.ts', import.meta.url).pathname); // as it is shown in tables
const { status } = spawnSync(
  process.execPath,
  [
    new URL('../src/cli/bin.ts', import.meta.url).pathname,
    'train',
    data,
    ...(values.model === undefined ? [] : ['--model', values.model]),
    '--study',
    values.vector,
    '--run',
    join(values.run, 'study'),
    '--judge',
    'likelihood',
    '--judge',
    `fn:${judge}`,
    ...more,
  ],
  { stdio: 'inherit' },
);
process.exitCode = status ?? 1;
