/** generate on the default model, in the user's own cache of models. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openChatModel } from '../../src/model/chat-model.ts';
import { resolveSteering } from '../../src/steer/resolve.ts';
import { parseSpec } from '../../src/steer/spec.ts';
import { writeVector } from '../../src/vector/file.ts';
import { vectorFinder } from '../../src/vector/find.ts';
import { aVector } from '../support/a-vector.ts';
import { PERSONA, runCli } from '../support/run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'persona-generate-'));
const vector = join(folder, 'cheer.gguf');
// One thread: on a machine that is busy otherwise, two wait for each other.
const GREEDY = ['--temperature', '0', '--max-tokens', '24', '--threads', '1'];
const QUESTION = 'How was your day?';

/** What telling the model to be cheerful changes in its stream: a rough vector, but one that steers. */
beforeAll(async () => {
  await using model = await openChatModel({ parallel: 2, threads: 1 });
  const means = await Promise.all(
    ['You are overjoyed. Everything is wonderful.', 'You are miserable. Everything is hopeless.'].map(
      async (content) => {
        const prompt = model.render([
          { role: 'system', content },
          { role: 'user', content: QUESTION },
        ]);
        const result = await model.engine.run({
          prompt,
          maxTokens: 40,
          sampling: { temperature: 0 },
          means: { layers: 'all', kinds: ['response_avg'] },
        });
        return { means: result.means!.response_avg!, norms: result.residualNorms! };
      },
    ),
  );
  const [cheerful, gloomy] = means as [(typeof means)[number], (typeof means)[number]];
  await writeVector(vector, {
    ...aVector({ model: model.identity }),
    trait: 'cheer',
    directions: cheerful.means.map((x, i) => x - gloomy.means[i]!),
    residualNorms: cheerful.norms,
    layer: 16,
    coefficient: 0.5,
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function json(...args: string[]): Promise<Record<string, never>> {
  const { code, stdout, stderr } = await runCli(PERSONA, ['generate', ...args, ...GREEDY, '--json']);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Record<string, never>;
}

test('--json and --compare: steering changes the text and moves the projection by the push', async () => {
  const compared = await json(QUESTION, '--steer', `${vector}=30%`, '--compare');
  const { text, steering, persona, baseline } = compared as unknown as {
    text: string;
    steering: { share: number; coefficient: number; norm: number; layer: number }[];
    persona: { cheer: { prompt: number } };
    baseline: { text: string; persona: { cheer: { prompt: number } } };
  };
  expect(text).not.toBe(baseline.text);
  expect(steering).toHaveLength(1);
  const [{ share, coefficient, norm, layer }] = steering as [(typeof steering)[number]];
  expect({ share, layer }).toEqual({ share: expect.closeTo(0.3, 6), layer: 16 });
  // the last prompt token is the same in both, but for the push
  const moved = persona.cheer.prompt - baseline.persona.cheer.prompt;
  expect(moved / (coefficient * norm)).toBeCloseTo(1, 1);
  const alone = await json(QUESTION, '--steer', `${vector}=30%`);
  expect(alone.text).toBe(text);
  expect((await json(QUESTION)).text).toBe(baseline.text);
});

test('sixteen steerings in one go are the sixteen single runs', async () => {
  const endings = [
    '', '=1', '=-1', '=2', '=20%', '=-20%', '=1@8', ':ablate', '=40%@10-12', '=1/all', '=1/generated', '=1/prompt',
    '=0:cap', '=>=5:cap',
  ]; // prettier-ignore
  const steers = [
    null,
    [`${vector}=1@8`, `${vector}=-1@20`],
    ...endings.map((ending) => `${vector}${ending}`),
  ];
  const file = join(folder, 'asks.jsonl');
  writeFileSync(
    file,
    steers
      .map(
        (steer, id) => `${JSON.stringify({ id, steer, messages: [{ role: 'user', content: QUESTION }] })}\n`,
      )
      .join(''),
  );
  const args = ['generate', '--prompts', file, '--parallel', '16', ...GREEDY];
  const { code, stdout, stderr } = await runCli(PERSONA, args);
  expect(code, stderr).toBe(0);
  const together = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as { id: number; text: string }); // prettier-ignore
  expect(together.map(({ id }) => id)).toEqual([...steers.keys()]);
  // steered apart: most of them say something of their own
  expect(new Set(together.map(({ text }) => text)).size).toBeGreaterThan(8);

  await using model = await openChatModel({ parallel: 1, threads: 1 });
  const find = vectorFinder();
  const alone: string[] = [];
  for (const steer of steers) {
    const specs = [steer ?? []].flat().map((spec) => parseSpec(spec));
    const { edits } = await resolveSteering(specs, find, model.identity);
    const prompt = model.render([{ role: 'user', content: QUESTION }]);
    const { text } = await model.engine.run({ prompt, edits, maxTokens: 24, sampling: { temperature: 0 } });
    alone.push(text);
  }
  expect(together.map(({ text }) => text)).toEqual(alone);
});
