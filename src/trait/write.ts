/**
 * From a trait's name and description to its texts, written by a language model (paper §1.2): the parts one by one, each
 * checked as it comes and asked for once more when something is wrong with it.
 */

import type { Progress } from '../model/progress.ts';
import { checkTrait, forbiddenTerms, PAIR_COUNT, QUESTION_COUNT, type TraitFinding } from './check.ts';
import { GRADED_STEPS } from './graded.ts';
import { rubricOf } from './rubric.ts';
import { parseTrait } from './schema.ts';
import type { Trait } from './trait.ts';
import { names, normalise } from './words.ts';
import {
  ADJECTIVES,
  againMessages,
  gradedRequest,
  messagesOf,
  pairRequest,
  type PartRequest,
  questionsRequest,
  RUBRIC,
  type TraitBrief,
} from './write-prompts.ts';
import { listIn, pairIn, textIn } from './write-read.ts';
import type { TraitWriter } from './writer.ts';

export interface WriteTraitOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

export interface WrittenTrait {
  /** as far as it came: what could not be had is empty */
  trait: Trait;
  /** it is fit for use when there are none */
  errors: TraitFinding[];
  warnings: TraitFinding[];
  /** what was left out, in words */
  notes: string[];
}

/** Questions asked for at once: small models lose count in longer lists. */
const LOT = 10;
/** Four lots would do if every question could be used. */
const MAX_LOTS = 12;
/** After so many lots in a row without a question that could be used, more of them are of no use. */
const MAX_FRUITLESS = 3;
/** Longer than any sensible adjective or question: the writer told something else. */
const MAX_ADJECTIVE = 30;
const MAX_QUESTION = 200;
/** Eight words are asked for; far fewer are a remark, not a message that brings anything out. */
const MIN_QUESTION_WORDS = 5;

export async function writeTrait(
  writer: TraitWriter,
  brief: TraitBrief,
  options: WriteTraitOptions = {},
): Promise<WrittenTrait> {
  let trait = blank(brief);
  const parts = [adjectives, ...Array.from({ length: PAIR_COUNT }, (_, k) => pair(k)), rubric, graded];
  for (const [done, part] of parts.entries()) {
    options.onProgress?.({ label: 'writing the trait', done, total: parts.length, unit: 'parts' });
    trait = await writePart(writer, brief, part, trait, options.signal);
  }
  trait = { ...trait, ...(await writeQuestions(writer, brief, trait, options)) };
  const notes: string[] = [];
  if (findingsAt(trait, 'graded').errors.length > 0) {
    trait = { ...trait, graded: undefined };
    notes.push('there are no graded steps: the writer did not manage them, and a trait can do without');
  }
  trait = parseTrait(JSON.parse(JSON.stringify(trait)), brief.name);
  return { trait, ...checkTrait(trait), notes };
}

function blank({ name, description }: TraitBrief): Trait {
  const nothing = { pos: '', neg: '' };
  return {
    name,
    description,
    assistant: nothing,
    instruction: Array.from({ length: PAIR_COUNT }, () => nothing),
    graded: undefined,
    questions: [],
    evaluation: [],
    eval_prompt: '',
  };
}

/** A part of a trait that is written by one answer. */
interface Part {
  /** where its findings are */
  path: string;
  request(trait: Trait): PartRequest;
  /** The trait with this part from an answer; undefined where the answer has another form. */
  put(trait: Trait, answer: string): Trait | undefined;
  /** said of such an answer */
  form: string;
}

const adjectives: Part = {
  path: 'assistant',
  request: () => ADJECTIVES,
  put(trait, answer) {
    const found = pairIn(answer);
    if (found === undefined) return undefined;
    const [pos, neg] = [found.pos, found.neg].map((text) => text.replace(/^an? /i, '').replace(/\.$/, ''));
    if (pos!.length > MAX_ADJECTIVE || neg!.length > MAX_ADJECTIVE) return undefined;
    return { ...trait, assistant: { pos: pos!, neg: neg! } };
  },
  form: 'expected {"pos": "…", "neg": "…"} with one adjective each',
};

function pair(k: number): Part {
  return {
    path: `instruction[${k}]`,
    request: ({ instruction }) => pairRequest(instruction.slice(0, k)),
    put(trait, answer) {
      const found = pairIn(answer);
      return found && { ...trait, instruction: trait.instruction.with(k, found) };
    },
    form: 'expected {"pos": "…", "neg": "…"} with one instruction each',
  };
}

const rubric: Part = {
  path: 'eval_prompt',
  request: () => RUBRIC,
  put(trait, answer) {
    const body = textIn(answer);
    return body === '' ? undefined : { ...trait, eval_prompt: rubricOf(trait.name, body) };
  },
  form: 'expected {"rubric": "…"}',
};

const graded: Part = {
  path: 'graded',
  request: () => gradedRequest(GRADED_STEPS),
  put: (trait, answer) => ({ ...trait, graded: listIn(answer) }),
  form: 'expected a list',
};

/** The trait with the part: of two answers at most, the one with less to find fault with. */
async function writePart(
  writer: TraitWriter,
  brief: TraitBrief,
  part: Part,
  trait: Trait,
  signal: AbortSignal | undefined,
): Promise<Trait> {
  const request = part.request(trait);
  const { maxTokens, schema } = request;
  const messages = messagesOf(brief, request);
  const answer = await writer.write(messages, { maxTokens, schema }, signal);
  const first = part.put(trait, answer);
  const faults = first === undefined ? [part.form] : complaints(findingsAt(first, part.path));
  if (faults.length === 0) return first!;
  const again = await writer.write(againMessages(messages, answer, faults), { maxTokens, schema }, signal);
  const second = part.put(trait, again);
  if (first === undefined || second === undefined) return second ?? first ?? trait;
  return weight(findingsAt(second, part.path)) <= weight(findingsAt(first, part.path)) ? second : first;
}

type Findings = Pick<WrittenTrait, 'errors' | 'warnings'>;

/** What is wrong with one part; the others may not be there yet. */
function findingsAt(trait: Trait, path: string): Findings {
  const { errors, warnings } = checkTrait(trait);
  const here = (finding: TraitFinding): boolean => finding.path.startsWith(path);
  return { errors: errors.filter(here), warnings: warnings.filter(here) };
}

function complaints({ errors, warnings }: Findings): string[] {
  return [...errors, ...warnings].map(({ path, message }) => `${path}: ${message}`);
}

/** One error is worse than any number of warnings. */
function weight({ errors, warnings }: Findings): number {
  return 1000 * errors.length + warnings.length;
}

function enough(normalised: string): boolean {
  return normalised.split(' ').length >= MIN_QUESTION_WORDS;
}

/** Both sets, dealt out in turn, so that the two are alike. Questions that cannot be used are asked for anew. */
async function writeQuestions(
  writer: TraitWriter,
  brief: TraitBrief,
  trait: Trait,
  { signal, onProgress }: WriteTraitOptions,
): Promise<Pick<Trait, 'questions' | 'evaluation'>> {
  const wanted = 2 * QUESTION_COUNT;
  const terms = forbiddenTerms(trait).filter((term) => normalise(term) !== '');
  const accepted = new Map<string, string>(); // by their normalised text
  let fruitless = 0;
  for (let lot = 0; lot < MAX_LOTS && fruitless < MAX_FRUITLESS && accepted.size < wanted; lot++) {
    const before = accepted.size;
    onProgress?.({ label: 'writing questions', done: accepted.size, total: wanted, unit: 'questions' });
    const count = Math.min(LOT, wanted - accepted.size);
    const request = questionsRequest(brief, count, terms, [...accepted.values()]);
    const { maxTokens, schema } = request;
    const answer = await writer.write(messagesOf(brief, request), { maxTokens, schema }, signal);
    for (const question of listIn(answer)) {
      const key = normalise(question);
      const usable = /[?.!]$/.test(question) && question.length <= MAX_QUESTION && enough(key);
      if (!usable || accepted.has(key) || terms.some((term) => names(question, term))) continue;
      if (accepted.size < wanted) accepted.set(key, question);
    }
    fruitless = accepted.size > before ? 0 : fruitless + 1;
  }
  const all = [...accepted.values()];
  onProgress?.({ label: 'writing questions', done: all.length, total: wanted, unit: 'questions' });
  return {
    questions: all.filter((_, i) => i % 2 === 0),
    evaluation: all.filter((_, i) => i % 2 === 1),
  };
}
