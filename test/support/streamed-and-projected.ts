/** What a stream of `persona serve` says of its tokens, beside what `persona project` says of the finished text. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI from 'openai';
import { deviation, mean } from '../../src/math/statistics.ts';
import type { Persona } from './planted-server.ts';
import { PERSONA, runCli } from './run-cli.ts';

export interface Figures {
  /** raw mean over the answer's tokens, its z, and the raw reading at the last prompt token */
  mean: number;
  z: number;
  prompt: number;
}

export interface Pair {
  text: string;
  streamed: Figures;
  /** of the raw readings that came with the chunks */
  ofChunks: { mean: number; deviation: number };
  projected: Figures;
}

/**
 * Streams an answer to each question and projects it afterwards, each by the real command.
 * @param model options that name it
 * @param vector a path; the trait's name and the layer that it is read at
 */
export async function streamedAndProjected(
  folder: string,
  model: readonly string[],
  vector: { path: string; trait: string; layer: number },
  questions: readonly string[],
  body: object,
): Promise<Pair[]> {
  const streams = await allStreamed(model, vector, questions, body);
  const rows = join(folder, 'streamed.jsonl');
  const lines = streams.map(({ text }, i) => {
    const messages = [
      { role: 'user', content: questions[i] },
      { role: 'assistant', content: text },
    ];
    return `${JSON.stringify({ messages })}\n`;
  });
  writeFileSync(rows, lines.join(''));
  const project = async (kind: string): Promise<Record<string, number>[]> => {
    const args = ['project', rows, '--vector', vector.path, '--kind', kind, ...model];
    const { stdout, stderr, code } = await runCli(PERSONA, args);
    if (code !== 0) throw new Error(stderr);
    return stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, number>); // prettier-ignore
  };
  const answers = await project('response_avg');
  const prompts = await project('prompt_last');
  const field = (kind: string): string => `${vector.trait}_${kind}_layer${vector.layer}`;
  return streams.map((stream, i) => ({
    ...stream,
    projected: {
      mean: answers[i]![field('response_avg')]!,
      z: answers[i]![`${field('response_avg')}_z`]!,
      prompt: prompts[i]![field('prompt_last')]!,
    },
  }));
}

async function allStreamed(
  model: readonly string[],
  vector: { path: string },
  questions: readonly string[],
  body: object,
): Promise<Omit<Pair, 'projected'>[]> {
  const args = ['serve', ...model, '--vector', `read=${vector.path}`, '--port', '0', '--json', '--no-events'];
  const server: ChildProcess = spawn(process.execPath, [PERSONA, ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    const [line] = (await once(server.stdout!.setEncoding('utf8'), 'data')) as [string];
    const { port, model: name } = JSON.parse(line) as { port: number; model: string };
    const openai = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'none', maxRetries: 0 });
    return await Promise.all(
      questions.map(async (content) => {
        const stream = await openai.chat.completions.create({
          model: name,
          messages: [{ role: 'user', content }],
          stream: true,
          ...body,
          ...({ monitor: ['read'] } as object),
        });
        let text = '';
        const raws: number[] = [];
        let summary: Persona['traits'][string] | undefined;
        for await (const chunk of stream) {
          const [choice] = chunk.choices;
          text += choice?.delta.content ?? '';
          const { persona } = choice as unknown as { persona: Partial<Persona> };
          for (const { readings } of persona.tokens ?? []) raws.push(readings['read']!.raw!);
          summary = persona.traits?.['read'] ?? summary;
        }
        const { mean: average, prompt } = summary!;
        const streamed = { mean: average.raw!, z: average.z!, prompt: prompt.raw! };
        return { text, streamed, ofChunks: { mean: mean(raws), deviation: deviation(raws) } };
      }),
    );
  } finally {
    server.kill('SIGTERM');
    await once(server, 'exit');
  }
}
