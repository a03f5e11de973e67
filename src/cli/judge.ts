/** `persona judge`: scores answers with one judge or several, and tells how far two of them agree. */

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { PersonaError } from '../errors.ts';
import { openJsonl } from '../files/jsonl.ts';
import { writeWhole } from '../files/write-whole.ts';
import { agreement, type Agreement } from '../judge/agree.ts';
import type { Judge } from '../judge/judge.ts';
import { LIKELIHOOD } from '../judge/likelihood.ts';
import { COHERENCE_RUBRIC, fillRubric, rubricId } from '../judge/rubric.ts';
import type { Interval } from '../math/bootstrap.ts';
import { mean } from '../math/statistics.ts';
import type { Trait } from '../trait/trait.ts';
import { atPlace } from './kit/at-place.ts';
import { describe } from './kit/help.ts';
import { mapInOrder } from '../engine/in-order.ts';
import { type AnswerRow, type PlacedAnswer, readAnswers, rowKeys, type RowScores } from './kit/judge-rows.ts';
import {
  addJudgeOptions,
  type JudgeOptions,
  openJudges,
  type Subject,
  subjectOf,
  usageText,
} from './kit/judges.ts';
import { run, type Session } from './kit/run.ts';
import { table } from './kit/table.ts';
import { count } from './kit/text.ts';

interface ScoreOptions extends JudgeOptions {
  output?: string;
}

/** Answers worked on together: enough for the server's limit (16 requests, two an answer) and an engine's batch. */
const TOGETHER = 32;
/** Of English, for an estimate. */
const LETTERS_PER_TOKEN = 4;

const ANSWERS = 'rollouts.jsonl of a run, or JSONL or CSV with "question" and "answer"';

const ABOUT_JUDGES = `
Judges:
  openai:MODEL  a model at an OpenAI-compatible address: OPENAI_BASE_URL (default: the public API), with the key
                OPENAI_API_KEY; OPENAI_PRICE_IN and OPENAI_PRICE_OUT, dollars per million tokens, add what it cost
  gguf:MODEL    a model on this machine: path, name or hf:owner/repo[:quant]
  fn:FILE       the default export of a .ts, .js or .mjs file: ({ question, answer, trait: { name, description } }) =>
                { trait, coherence } or null; a number alone is the trait's score, and coherence counts as 100
  likelihood    the model that answers (--model), by the scale in the vector`;

export function registerJudge(program: Command): void {
  const judge = program.command('judge').description('score answers for a trait, and compare judges');
  const score = judge
    .command('score')
    .description('score answers for a trait and for coherence, 0 to 100')
    .argument('<file>', ANSWERS)
    .option(
      '-o, --output <file>',
      'append rows to this file, and go on there if killed (default: JSON lines on stdout)',
    );
  addJudgeOptions(score).action(run(scoreFile, { resumes: true }));
  const agree = judge
    .command('agree')
    .description('how far two judges agree; the second one is taken as the measure')
    .argument('<file>', `${ANSWERS}; scores that score wrote there are used`);
  addJudgeOptions(agree).action(run(agreeOn, { resumes: true }));
  for (const command of [score, agree]) command.addHelpText('after', ABOUT_JUDGES);
  describe(judge, 'Measure', [
    {
      does: "a run's answers, by a model at an OpenAI-compatible address (OPENAI_BASE_URL, OPENAI_API_KEY)",
      line: 'persona judge score runs/evil/rollouts.jsonl --judge openai:gpt-4.1-mini -o scored.jsonl',
    },
    {
      does: 'does the model itself judge as a larger local one does?',
      line: 'persona judge agree runs/evil/rollouts.jsonl --judge likelihood --judge gguf:judge.gguf',
    },
  ]);
}

// --- score -----------------------------------------------------------------------------------------------------------

async function scoreFile(session: Session, file: string, options: ScoreOptions): Promise<void> {
  const { output } = options;
  if (output !== undefined && !/\.jsonl$/i.test(output))
    throw new PersonaError('USAGE', `-o ${output}: expected a name that ends in .jsonl`);
  if (output !== undefined && resolve(output) === resolve(file))
    throw new PersonaError('USAGE', `-o ${output} is the file that is read`);
  const specs = [...new Set(options.judge)];
  const answers = await answersOf(file);
  const subject = await subjectOf(file, options);
  await using open = await openJudges(session, specs, subject, options);
  const judges = open.judges.map(({ judge }) => judge);
  const rubric = rubricId(subject.trait);

  const known =
    output === undefined ? new Map<string, AnswerRow>() : await scoredBefore(output, rubric, judges);
  const keys = rowKeys(answers.map(({ row }) => row));
  const todo = answers.filter((_, i) => !known.has(keys[i]!));
  session.human(costText(todo, open.judges, subject.trait, answers.length - todo.length));
  const done = answers.flatMap((_, i) => known.get(keys[i]!) ?? []);

  await using log = output === undefined ? undefined : await openJsonl(output);
  const bar = session.progress({
    label: 'judging',
    total: answers.length,
    unit: 'answers',
    start: done.length,
  });
  await judgeAll(session, todo, judges, async (row, scores) => {
    const scored: AnswerRow = {
      ...row,
      scored_for: rubric,
      scores: { ...(row.scored_for === rubric && row.scores), ...scores },
    };
    done.push(scored);
    if (log) await log.append(scored);
    else if (!session.json) session.row(scored);
    bar.update(done.length);
  });
  bar.done();

  const summary = judges.map(({ name }) =>
    summaryOf(
      name,
      done.map(({ scores }) => scores![name]!),
    ),
  );
  const usage = open.usage();
  const text = [summaryText(summary), usageText(usage)].filter((part) => part !== '').join('\n\n');
  const result = { trait: subject.trait.name, answers: done.length, judges: summary, usage };
  if (output !== undefined) return session.result({ output, ...result }, `${text}\n\nwritten to ${output}`);
  if (session.json) return session.result({ ...result, rows: done });
  session.human(`\n${text}`);
}

async function answersOf(file: string): Promise<PlacedAnswer[]> {
  const answers = await readAnswers(file);
  if (answers.length === 0) throw new PersonaError('BAD_FILE', `${file}: there are no rows`);
  return answers;
}

/**
 * Rows that stand in the output already, by key. Those that lack a judge, or failed for another reason than what they
 * say, are taken out of it: they are judged again (mostly from the cache).
 */
async function scoredBefore(
  output: string,
  rubric: string,
  judges: readonly Judge[],
): Promise<Map<string, AnswerRow>> {
  if (!existsSync(output)) return new Map();
  const rows = (await readAnswers(output, () => {})).map(({ row }) => row);
  const other = rows.find((row) => row.scored_for !== rubric);
  if (other !== undefined) {
    throw new PersonaError(
      'USAGE',
      `${output} holds ${other.scored_for === undefined ? 'other rows' : `scores for ${other.scored_for}`}; these are for ${rubric}`,
      { remedy: 'Give another -o, or remove this file.' },
    );
  }
  const isWhole = ({ scores }: AnswerRow): boolean =>
    judges.every(({ name }) => scores?.[name] !== undefined && !scores[name].reason?.startsWith('failed'));
  const keys = rowKeys(rows);
  const whole = new Map(rows.flatMap((row, i) => (isWhole(row) ? [[keys[i]!, row] as const] : [])));
  if (whole.size < rows.length)
    await writeWhole(output, [...whole.values()].map((row) => `${JSON.stringify(row)}\n`).join(''));
  return whole;
}

/** Every answer by every judge; told of in the order of the rows. */
async function judgeAll(
  session: Session,
  answers: readonly PlacedAnswer[],
  judges: readonly Judge[],
  tell: (row: AnswerRow, scores: Record<string, RowScores>) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([session.signal, stop.signal]);
  const judged = mapInOrder(answers, TOGETHER, async ({ place, row }) => {
    const { question, answer, instructionIndex } = row;
    const item = { question, answer, ...(instructionIndex === undefined ? {} : { instructionIndex }) };
    const scores = await Promise.all(
      judges.map(
        async (judge) => [judge.name, await atPlace(place, () => judge.judge(item, signal))] as const,
      ),
    );
    return { row, scores: Object.fromEntries(scores) };
  });
  try {
    for await (const { row, scores } of judged) {
      session.signal.throwIfAborted();
      await tell(row, scores);
    }
  } finally {
    stop.abort();
  }
}

/** What is about to be spent. Prompts are counted as they will be sent, answers as one token. */
function costText(
  answers: readonly PlacedAnswer[],
  judges: readonly { spec: string }[],
  trait: Trait,
  before: number,
): string {
  const letters = answers.reduce(
    (total, { row }) =>
      total + fillRubric(trait.eval_prompt, row).length + fillRubric(COHERENCE_RUBRIC, row).length,
    0,
  );
  const tokens = `${count(Math.ceil(letters / LETTERS_PER_TOKEN))} tokens`;
  const each = judges.map(({ spec }) =>
    spec === LIKELIHOOD || spec.startsWith('fn:')
      ? `${spec}: ${answers.length} answers, no other model is asked`
      : `${spec}: ${answers.length} answers × 2 requests ≈ ${tokens}, less what is known from before`,
  );
  return [...(before > 0 ? [`scored already: ${before}`] : []), ...each].join('\n');
}

interface Summary {
  judge: string;
  /** with a score for the trait */
  scored: number;
  /** how often each reason for no score, failures as one */
  without: Record<string, number>;
  trait: number | null;
  coherence: number | null;
}

function summaryOf(judge: string, scores: readonly RowScores[]): Summary {
  const without: Record<string, number> = {};
  for (const { trait, reason } of scores) {
    if (trait !== null) continue;
    const why = reason?.startsWith('failed') ? 'failed' : (reason ?? 'no reason');
    without[why] = (without[why] ?? 0) + 1;
  }
  const meanOf = (field: 'trait' | 'coherence'): number | null => {
    const values = scores.map((score) => score[field]).filter((value) => value !== null);
    return values.length === 0 ? null : mean(values);
  };
  const scored = scores.filter(({ trait }) => trait !== null).length;
  return { judge, scored, without, trait: meanOf('trait'), coherence: meanOf('coherence') };
}

function summaryText(summary: readonly Summary[]): string {
  const rows = summary.map(({ judge, scored, without, trait, coherence }) => [
    judge,
    scored,
    ...[trait, coherence].map((value) => value?.toFixed(1) ?? '–'),
    Object.entries(without)
      .map(([why, n]) => `${n} ${why}`)
      .join(', ') || '–',
  ]);
  return table(['judge', 'scored', 'mean trait', 'mean coherence', 'without a score'], rows);
}

// --- agree -----------------------------------------------------------------------------------------------------------

async function agreeOn(session: Session, file: string, options: JudgeOptions): Promise<void> {
  const specs = [...new Set(options.judge)];
  if (specs.length !== 2)
    throw new PersonaError('USAGE', `two different judges are compared, got ${specs.length}`, {
      remedy: 'Give --judge twice.',
    });
  const answers = await answersOf(file);
  const subject = await subjectOf(file, options);
  const [a, b] = [await scoresBy(specs[0]!), await scoresBy(specs[1]!)];

  /** From the rows where they hold them all, else by judging. */
  async function scoresBy(spec: string): Promise<{ name: string; scores: RowScores[] }> {
    const rubric = rubricId(subject.trait);
    const there = answers.map(({ row }) => (row.scored_for === rubric ? row.scores?.[spec] : undefined));
    if (there.every((scores) => scores !== undefined)) return { name: spec, scores: there };
    return judgeWith(session, spec, answers, subject, options);
  }

  const of = (field: 'trait' | 'coherence'): Agreement =>
    agreement(
      a.scores.map((scores) => scores[field]),
      b.scores.map((scores) => scores[field]),
    );
  const found = { trait: of('trait'), coherence: of('coherence') };
  session.result(
    { about: subject.trait.name, a: a.name, b: b.name, ...found },
    agreementText(a.name, b.name, found),
  );
}

async function judgeWith(
  session: Session,
  spec: string,
  answers: readonly PlacedAnswer[],
  subject: Subject,
  options: JudgeOptions,
): Promise<{ name: string; scores: RowScores[] }> {
  await using open = await openJudges(session, [spec], subject, options);
  const [{ judge } = { judge: undefined }] = open.judges;
  session.human(costText(answers, open.judges, subject.trait, 0));
  const bar = session.progress({ label: judge!.name, total: answers.length, unit: 'answers' });
  const scores: RowScores[] = [];
  await judgeAll(session, answers, [judge!], async (_, own) => {
    scores.push(own[judge!.name]!);
    bar.update(scores.length);
  });
  bar.done();
  return { name: judge!.name, scores };
}

function agreementText(a: string, b: string, found: { trait: Agreement; coherence: Agreement }): string {
  const { trait, coherence } = found;
  const rows = (['pearson', 'spearman', 'auc', 'pairwise'] as const).map((figure) => [
    NAMES[figure],
    intervalText(trait[figure]),
    intervalText(coherence[figure]),
  ]);
  return [
    `${a} against ${b}, with intervals of 95 %`,
    table(['', 'trait', 'coherence'], rows),
    `answers: ${trait.answers} for the trait, ${coherence.answers} for coherence; ${trait.unscored} and ${coherence.unscored} without both scores`,
    trait.pairs === 'clear'
      ? `pairs: those that ${b} scores above 80 and below 20 for the trait`
      : `pairs: all that ${b} tells apart, as it scores too few above 80 and below 20 for the trait`,
  ].join('\n\n');
}

const NAMES = {
  pearson: 'Pearson r',
  spearman: 'Spearman ρ',
  auc: 'AUC (second one ≥ 50)',
  pairwise: 'pairs in the same order',
} as const;

function intervalText({ mean: figure, low, high }: Interval): string {
  if (Number.isNaN(figure)) return '–';
  return `${figure.toFixed(2)} (${low.toFixed(2)} … ${high.toFixed(2)})`;
}
