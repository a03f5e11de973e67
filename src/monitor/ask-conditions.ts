/** Asks the questions under the conditions; what is watched is read in the request that writes the answer, then judged. */

import { inFlight } from '../engine/in-flight.ts';
import type { EngineResult } from '../engine/request.ts';
import type { Judge } from '../judge/judge.ts';
import { LIKELIHOOD } from '../judge/likelihood.ts';
import { mean } from '../math/statistics.ts';
import type { ChatModel } from '../model/chat-model.ts';
import type { Progress } from '../model/progress.ts';
import { inFlightLimit } from '../rollout/ask.ts';
import { completeLog } from '../vector/complete-log.ts';
import { JUDGING_IN_FLIGHT } from '../vector/score.ts';
import { judgeBy } from '../vector/sweep.ts';
import { isJudged } from '../vector/tune.ts';
import { monitorKey, monitorRowSchema, type AnswerProjections, type MonitorRow } from './answer-row.ts';
import { messagesOf, type Condition } from './conditions.ts';
import { splitMeans, thinkingTokens } from './thinking.ts';
import { watchReads, type Watch } from './watch.ts';

export interface AskConditions {
  conditions: readonly Condition[];
  questions: readonly string[];
  samples: number;
  maxTokens: number;
  temperature: number;
  seed: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

interface Cell {
  /** its name */
  condition: string;
  under: Condition;
  question: string;
  questionIndex: number;
  sample: number;
}

/**
 * @param judges the first one's scores count, the others' stand beside
 * @param path monitor.jsonl; answers it holds are not asked again
 * @returns rows in the order of conditions, questions and samples
 */
export async function askConditions(
  model: ChatModel,
  watches: readonly Watch[],
  judges: readonly [Judge, ...Judge[]],
  path: string,
  options: AskConditions,
): Promise<MonitorRow[]> {
  const { conditions, questions, samples, signal } = options;
  const cells = conditions.flatMap((condition) =>
    questions.flatMap((question, questionIndex) =>
      Array.from({ length: samples }, (_, sample): Cell => ({
        condition: condition.id,
        under: condition,
        question,
        questionIndex,
        sample,
      })),
    ),
  );
  const ask = (cell: Cell, stop: AbortSignal): Promise<MonitorRow> =>
    answerOf(model, watches, judges, cell, options, stop);
  const elsewhere = judges.some(({ name }) => name !== LIKELIHOOD) ? JUDGING_IN_FLIGHT : 0; // the engine writes on
  return await completeLog<Cell, MonitorRow>(path, {
    schema: monitorRowSchema,
    keyOf: monitorKey,
    counts: isJudged,
    items: cells,
    make: (missing) => inFlight(missing, inFlightLimit(model) + elsewhere, ask, signal),
    label: 'asking and judging',
    unit: 'answers',
    onProgress: options.onProgress,
  });
}

async function answerOf(
  model: ChatModel,
  watches: readonly Watch[],
  judges: readonly [Judge, ...Judge[]],
  { condition, under, question, questionIndex, sample }: Cell,
  { maxTokens, temperature, seed }: AskConditions,
  signal: AbortSignal,
): Promise<MonitorRow> {
  const result = await model.engine.run(
    {
      prompt: model.render(messagesOf(under, question)),
      maxTokens,
      // the same seeds under every condition, so that conditions differ by the prompt alone
      sampling: { temperature, seed: seed + 1000 * questionIndex + sample },
      projections: watchReads(watches),
    },
    { signal },
  );
  return {
    condition,
    questionIndex,
    sample,
    question,
    answer: result.text,
    tokens: result.tokens.length,
    finishReason: result.finishReason,
    projections: await projectionsOf(model, watches, result),
    ...(await judgeBy(judges, { question, answer: result.text }, signal)),
  };
}

async function projectionsOf(
  model: ChatModel,
  watches: readonly Watch[],
  { text, tokens, projections }: EngineResult,
): Promise<Record<string, AnswerProjections>> {
  const thinking = /<\/?think>/.test(text)
    ? thinkingTokens((await model.engine.detokenize(tokens)).pieces)
    : undefined;
  return Object.fromEntries(
    watches.map(({ name }, i): [string, AnswerProjections] => {
      const { prompt, tokens: values } = projections![i]!;
      const answer = values.length > 0 ? mean(values) : null;
      return [name, { prompt, answer, ...(thinking === undefined ? {} : splitMeans(values, thinking)) }];
    }),
  );
}
