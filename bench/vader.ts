/**
 * The outside check of steering: answers under a vector at several coefficients, scored by VADER. For vectors of a
 * trait that shows in sentiment, as `optimistic` does.
 *
 *   PY=python node bench/vader.ts VECTOR.gguf [--model M] [--threads N] [--trait optimistic] [--layer B] [--answers 60]
 *     [--coefficients=-2,-1,0,1,2] [--temperature 0.7] [--max-tokens 64] [--show] [--json]
 *
 * Ends with 100 when the sentiment does not rise at each step, or by less than GOAL from end to end.
 */

import { parseArgs } from 'node:util';
import { table } from '../src/cli/kit/table.ts';
import { loadTrait } from '../src/trait/load.ts';
import { openChatModel } from '../src/model/chat-model.ts';
import { readVector } from '../src/vector/file.ts';
import { direction } from '../src/vector/vector.ts';
import { sentiments, shown, summary } from './sentiment.ts';

/** Of VADER's range of 2, from the lowest coefficient to the highest. */
const GOAL = 0.6;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' },
    threads: { type: 'string' },
    trait: { type: 'string' },
    layer: { type: 'string' },
    answers: { type: 'string', default: '60' },
    coefficients: { type: 'string', default: '-2,-1,0,1,2' },
    temperature: { type: 'string', default: '0.7' },
    'max-tokens': { type: 'string', default: '64' },
    show: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const [path] = positionals;
if (path === undefined) throw new Error('name a vector file; see the first lines of bench/vader.ts');

const vector = await readVector(path);
const layer = values.layer === undefined ? vector.layer : Number(values.layer);
if (layer === undefined) throw new Error('the vector has no layer of its own yet; give --layer');
const trait = await loadTrait(values.trait ?? vector.trait);
await using chat = await openChatModel({
  model: values.model,
  parallel: 16,
  context: 512,
  ...(values.threads === undefined ? {} : { threads: Number(values.threads) }),
});
if (chat.identity.sha256 !== vector.model.sha256) throw new Error('the vector was made on another model');

const each = Number(values.answers);
const coefficients = values.coefficients.split(',').map(Number);
const doses = await Promise.all(coefficients.map(async (coefficient) => await answersUnder(coefficient)));
const scores = await sentiments(doses.flat());
const summaries = coefficients.map((_, i) => summary(scores.slice(i * each, (i + 1) * each)));

const rises = summaries.every(({ mean }, i) => i === 0 || mean > summaries[i - 1]!.mean);
const range = summaries.at(-1)!.mean - summaries[0]!.mean;
const met = rises && range >= GOAL;
if (values.json) console.log(JSON.stringify({ layer, coefficients, summaries, rises, range, met }));
else {
  if (values.show)
    for (const [i, answers] of doses.entries()) console.log(coefficients[i], answers.slice(0, 3));
  console.log(
    table(
      ['coefficient', 'VADER, mean ± standard error'],
      coefficients.map((coefficient, i) => [coefficient, shown(summaries[i]!)]),
    ),
  );
  console.log(
    `layer ${layer}, ${each} answers each: ${rises ? 'rises at each step' : 'does NOT rise at each step'}, by ${range.toFixed(2)} from end to end (goal ${GOAL}): ${met ? 'met' : 'NOT MET'}`,
  );
}
process.exitCode = met ? 0 : 100;

/** Evaluation questions in turn, a new seed for each; the same ones at every coefficient. */
async function answersUnder(coefficient: number): Promise<string[]> {
  const requests = Array.from({ length: each }, async (_, i) => {
    const question = trait.evaluation[i % trait.evaluation.length]!;
    const { text } = await chat.engine.run({
      prompt: chat.render([{ role: 'user', content: question }]),
      maxTokens: Number(values['max-tokens']),
      sampling: { temperature: Number(values.temperature), seed: i },
      edits:
        coefficient === 0
          ? []
          : [{ op: 'add', layer: layer!, direction: direction(vector, layer!), coefficient }],
    });
    return text;
  });
  return await Promise.all(requests);
}
