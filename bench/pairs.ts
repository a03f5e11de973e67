/**
 * How well each instruction pair of a trait makes a model differ, by VADER. For traits that show in sentiment.
 *
 *   PY=python node bench/pairs.ts [TRAIT] [--model M] [--threads N] [--questions 20] [--temperature 0] [--max-tokens 64] [--show]
 */

import { parseArgs } from 'node:util';
import { table } from '../src/cli/kit/table.ts';
import { openChatModel } from '../src/model/chat-model.ts';
import { systemPrompt } from '../src/trait/instruction.ts';
import { loadTrait } from '../src/trait/load.ts';
import { sentiments, shown, summary } from './sentiment.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' },
    threads: { type: 'string' },
    questions: { type: 'string', default: '20' },
    temperature: { type: 'string', default: '0' },
    'max-tokens': { type: 'string', default: '64' },
    show: { type: 'boolean', default: false },
  },
});
const trait = await loadTrait(positionals[0] ?? 'optimistic');
const questions = trait.questions.slice(0, Number(values.questions));
await using chat = await openChatModel({
  model: values.model,
  parallel: 16,
  context: 512,
  ...(values.threads === undefined ? {} : { threads: Number(values.threads) }),
});

const sides = trait.instruction.flatMap((_, pair) =>
  (['pos', 'neg'] as const).map((side) => ({ pair, side })),
);
const answers = await Promise.all(
  sides.map(async ({ pair, side }) => {
    const requests = questions.map(async (content, seed) => {
      const prompt = chat.render([
        { role: 'system', content: systemPrompt(trait, side, pair) },
        { role: 'user', content },
      ]);
      const sampling = { temperature: Number(values.temperature), seed };
      return (await chat.engine.run({ prompt, maxTokens: Number(values['max-tokens']), sampling })).text;
    });
    return await Promise.all(requests);
  }),
);
const scores = await sentiments(answers.flat());
const summaries = sides.map((_, i) =>
  summary(scores.slice(i * questions.length, (i + 1) * questions.length)),
);
console.log(
  table(
    ['pair', 'pos', 'neg', 'apart by'],
    trait.instruction.map((_, pair) => {
      const [pos, neg] = [summaries[2 * pair]!, summaries[2 * pair + 1]!];
      return [pair, shown(pos), shown(neg), (pos.mean - neg.mean).toFixed(2)];
    }),
  ),
);
if (values.show) {
  for (const [i, { pair, side }] of sides.entries())
    for (const [q, answer] of answers[i]!.entries())
      console.log(`\n[${pair} ${side}] ${questions[q]}\n${answer}`);
}
