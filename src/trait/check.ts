/**
 * What a trait's texts must be like for its vector to mean something (paper §1.4, §13.2).
 *
 * **Errors** make the data wrong; such a trait is not loaded:
 * - `name`: not usable as file stem, column and vector name
 * - `empty`: a text without a letter or digit
 * - `pair-count`, `question-count`: not 5 pairs, not 20 questions in each set
 * - `graded-count`, `graded-same`: graded system prompts that are not 6, or two that are the same
 * - `pair-same`: a pair asks for the same thing twice, or an instruction occurs in two pairs, or both adjectives are one
 * - `question-twice`: two of the 40 questions are the same but for case, punctuation and spaces
 * - `question-names-trait`: a question contains the trait's name or its adjective, in whatever form of the word
 * - `slot`: the rubric lacks {question} or {answer}, or has one twice
 * - `brace`: the rubric has another brace, on which the reference's formatting fails
 *
 * **Warnings** may be meant, but are the usual ways for something else than the trait to get into the vector or the score:
 * - `pair-length`, `pair-form`: one text of a pair is much longer, or has more sentences, than the other
 * - `side-length`: over all pairs, one side's texts are longer
 * - `question-ending`: a question does not end in `?`, `.` or `!`
 * - `rubric-markers`: question or answer does not stand alone between its START and END markers
 * - `rubric-verdict`: the rubric does not offer REFUSAL and numbers from 0 to 100
 * - `article`: "a honest", "an unique": the model sees a mistake on one side only
 */

import { GRADED_STEPS } from './graded.ts';
import { articleFor } from './instruction.ts';
import type { Trait } from './trait.ts';
import { names, normalise } from './words.ts';

export type TraitRule =
  | 'name'
  | 'empty'
  | 'pair-count'
  | 'question-count'
  | 'graded-count'
  | 'graded-same'
  | 'pair-same'
  | 'question-twice'
  | 'question-names-trait'
  | 'slot'
  | 'brace'
  | 'pair-length'
  | 'pair-form'
  | 'side-length'
  | 'question-ending'
  | 'rubric-markers'
  | 'rubric-verdict'
  | 'article';

export interface TraitFinding {
  readonly rule: TraitRule;
  /** the field, as in `instruction[2].neg` */
  readonly path: string;
  readonly message: string;
}

export interface TraitCheck {
  readonly errors: TraitFinding[];
  readonly warnings: TraitFinding[];
}

export const PAIR_COUNT = 5;
/** in each of the two question sets */
export const QUESTION_COUNT = 20;
/** The longer text of a pair has at most this many times the characters of the shorter. */
const MAX_PAIR_LENGTH_RATIO = 1.25;
/** The same over a whole side, where chance differences between the pairs should have evened out. */
const MAX_SIDE_LENGTH_RATIO = 1.15;

const SIDES = ['pos', 'neg'] as const;
const QUESTION_SETS = ['questions', 'evaluation'] as const;
const SLOTS = ['question', 'answer'] as const;

/** All that is wrong with a trait; it may be used when there are no errors. */
export function checkTrait(trait: Trait): TraitCheck {
  return {
    errors: [
      ...checkName(trait),
      ...checkEmpty(trait),
      ...checkCounts(trait),
      ...checkPairsDiffer(trait),
      ...checkGraded(trait),
      ...checkQuestionsUnique(trait),
      ...checkQuestionsNameNothing(trait),
      ...checkSlots(trait),
    ],
    warnings: [
      ...checkArticles(trait),
      ...checkMirroring(trait),
      ...checkQuestionEndings(trait),
      ...checkRubric(trait),
    ],
  };
}

/** Usable as file stem, column and vector name. */
export function isTraitName(name: string): boolean {
  return /^[a-z0-9][a-z0-9_-]*$/.test(name);
}

function* checkName({ name }: Trait): Generator<TraitFinding> {
  if (isTraitName(name)) return;
  const message = `expected small letters, digits, - and _ only, got ${JSON.stringify(name)}`;
  yield { rule: 'name', path: 'name', message };
}

function* checkEmpty(trait: Trait): Generator<TraitFinding> {
  for (const { path, text } of allTexts(trait)) {
    if (normalise(text) === '') yield { rule: 'empty', path, message: 'empty' };
  }
}

function* checkCounts(trait: Trait): Generator<TraitFinding> {
  const pairs = trait.instruction.length;
  if (pairs !== PAIR_COUNT) {
    yield { rule: 'pair-count', path: 'instruction', message: `expected ${PAIR_COUNT} pairs, got ${pairs}` };
  }
  for (const set of QUESTION_SETS) {
    const count = trait[set].length;
    if (count === QUESTION_COUNT) continue;
    yield {
      rule: 'question-count',
      path: set,
      message: `expected ${QUESTION_COUNT} questions, got ${count}`,
    };
  }
}

function* checkPairsDiffer(trait: Trait): Generator<TraitFinding> {
  const { pos, neg } = trait.assistant;
  if (normalise(pos) === normalise(neg)) {
    yield { rule: 'pair-same', path: 'assistant.neg', message: 'the same as assistant.pos' };
  }
  yield* repeats('pair-same', instructionTexts(trait));
}

function* checkGraded(trait: Trait): Generator<TraitFinding> {
  const count = trait.graded?.length ?? GRADED_STEPS;
  if (count !== GRADED_STEPS) {
    const message = `expected ${GRADED_STEPS} steps between the poles, got ${count}`;
    yield { rule: 'graded-count', path: 'graded', message };
  }
  yield* repeats('graded-same', gradedTexts(trait));
}

function* checkQuestionsUnique(trait: Trait): Generator<TraitFinding> {
  yield* repeats('question-twice', allQuestions(trait));
}

/** What no question may name. */
export function forbiddenTerms({ name, assistant }: Pick<Trait, 'name' | 'assistant'>): string[] {
  return [name, assistant.pos];
}

function* checkQuestionsNameNothing(trait: Trait): Generator<TraitFinding> {
  const terms = forbiddenTerms(trait);
  for (const { path, text } of allQuestions(trait)) {
    const term = terms.find((candidate) => names(text, candidate));
    if (term === undefined) continue;
    const message = `names the trait (${term}); a question may bring it out but not ask for it`;
    yield { rule: 'question-names-trait', path, message };
  }
}

function* checkSlots({ eval_prompt: rubric }: Trait): Generator<TraitFinding> {
  const path = 'eval_prompt';
  for (const slot of SLOTS) {
    const count = rubric.split(`{${slot}}`).length - 1;
    if (count !== 1) yield { rule: 'slot', path, message: `expected {${slot}} once, got it ${count} times` };
  }
  const brace = rubric.replaceAll(/\{(?:question|answer)\}/g, '').match(/.{0,12}[{}].{0,12}/);
  if (brace === null) return;
  yield { rule: 'brace', path, message: `a brace that is no slot, near ${JSON.stringify(brace[0])}` };
}

function* checkArticles(trait: Trait): Generator<TraitFinding> {
  for (const side of SIDES) {
    const adjective = trait.assistant[side];
    // Where the first letter misleads: a silent h, and vowels that are spoken as "you" or "one".
    const soundsOtherwise = /^(?:hono|honest|heir|uni(?!m|n)|us[aeu]|ut[ie]|eu|one\b)/i.test(adjective);
    if (!soundsOtherwise) continue;
    const message = `reads "${articleFor(adjective)} ${adjective} assistant"; choose an adjective with a plain first sound`;
    yield { rule: 'article', path: `assistant.${side}`, message };
  }
}

function* checkMirroring({ instruction }: Trait): Generator<TraitFinding> {
  const total = { pos: 0, neg: 0 };
  for (const [i, { pos, neg }] of instruction.entries()) {
    total.pos += pos.length;
    total.neg += neg.length;
    const path = `instruction[${i}]`;
    if (lengthRatio(pos.length, neg.length) > MAX_PAIR_LENGTH_RATIO) {
      const message = `pos has ${pos.length} characters and neg ${neg.length}; let them mirror each other`;
      yield { rule: 'pair-length', path, message };
    }
    const [posSentences, negSentences] = [countSentences(pos), countSentences(neg)];
    if (posSentences !== negSentences) {
      const message = `sentences: ${posSentences} in pos, ${negSentences} in neg; let them mirror each other`;
      yield { rule: 'pair-form', path, message };
    }
  }
  if (lengthRatio(total.pos, total.neg) <= MAX_SIDE_LENGTH_RATIO) return;
  const message = `pos has ${total.pos} characters in all and neg ${total.neg}; the vector would carry length`;
  yield { rule: 'side-length', path: 'instruction', message };
}

function* checkQuestionEndings(trait: Trait): Generator<TraitFinding> {
  for (const { path, text } of allQuestions(trait)) {
    if (/[?.!]\s*$/.test(text)) continue;
    yield { rule: 'question-ending', path, message: 'does not end in ?, . or !' };
  }
}

function* checkRubric({ eval_prompt: rubric }: Trait): Generator<TraitFinding> {
  const path = 'eval_prompt';
  for (const slot of SLOTS) {
    const [start, end] = [`[${slot.toUpperCase()} START]`, `[${slot.toUpperCase()} END]`];
    const parts = rubric.split(start);
    const between = parts.length === 2 ? parts[1]!.split(end) : [];
    if (between.length === 2 && between[0]!.trim() === `{${slot}}`) continue;
    yield { rule: 'rubric-markers', path, message: `expected {${slot}} alone between ${start} and ${end}` };
  }
  for (const verdict of ['REFUSAL', '0', '100']) {
    if (new RegExp(`\\b${verdict}\\b`).test(rubric)) continue;
    yield {
      rule: 'rubric-verdict',
      path,
      message: `does not mention ${verdict}, one of the judge's answers`,
    };
  }
}

interface PlacedText {
  path: string;
  text: string;
}

function* allTexts(trait: Trait): Generator<PlacedText> {
  yield { path: 'name', text: trait.name };
  for (const side of SIDES) yield { path: `assistant.${side}`, text: trait.assistant[side] };
  yield { path: 'description', text: trait.description };
  yield* instructionTexts(trait);
  yield* gradedTexts(trait);
  yield* allQuestions(trait);
  yield { path: 'eval_prompt', text: trait.eval_prompt };
}

function* instructionTexts({ instruction }: Trait): Generator<PlacedText> {
  for (const [i, pair] of instruction.entries()) {
    for (const side of SIDES) yield { path: `instruction[${i}].${side}`, text: pair[side] };
  }
}

function* gradedTexts({ graded = [] }: Trait): Generator<PlacedText> {
  for (const [i, text] of graded.entries()) yield { path: `graded[${i}]`, text };
}

function* allQuestions(trait: Trait): Generator<PlacedText> {
  for (const set of QUESTION_SETS) {
    for (const [i, text] of trait[set].entries()) yield { path: `${set}[${i}]`, text };
  }
}

function* repeats(rule: TraitRule, texts: Iterable<PlacedText>): Generator<TraitFinding> {
  const seen = new Map<string, string>();
  for (const { path, text } of texts) {
    const key = normalise(text);
    const first = seen.get(key);
    if (first === undefined) seen.set(key, path);
    else if (key !== '') yield { rule, path, message: `the same as ${first}` };
  }
}

function lengthRatio(a: number, b: number): number {
  return Math.max(a, b) / Math.max(1, Math.min(a, b));
}

function countSentences(text: string): number {
  return text.match(/[.!?]+(?=\s|$)/g)?.length ?? 0;
}
