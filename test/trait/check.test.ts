import { describe, expect, it } from 'vitest';
import { checkTrait, type TraitRule } from '../../src/trait/check.ts';
import type { Trait } from '../../src/trait/trait.ts';
import { aTrait } from './a-trait.ts';

type Level = 'errors' | 'warnings';

const STEPS = ['never', 'seldom', 'sometimes', 'often', 'mostly', 'always'].map(
  (when) => `Face danger ${when}.`,
);

/** each: level, rule, field, and the change to a sound trait that breaks this rule and no other */
const BREAKS: [Level, TraitRule, string, string, (trait: Trait) => void][] = [
  ['errors', 'name', 'name', 'a name with a space', (t) => (t.name = 'Brave heart')],
  ['errors', 'empty', 'description', 'a description of blanks', (t) => (t.description = ' \n')],
  ['errors', 'empty', 'assistant.neg', 'no adjective', (t) => (t.assistant.neg = '')],
  ['errors', 'empty', 'questions[3]', 'a question of marks only', (t) => (t.questions[3] = '…?')],
  ['errors', 'pair-count', 'instruction', 'a pair too few', (t) => t.instruction.pop()],
  [
    'errors',
    'question-count',
    'questions',
    'a question too many',
    (t) => t.questions.push('And what of bears?'),
  ],
  ['errors', 'question-count', 'evaluation', 'a question too few', (t) => t.evaluation.pop()],
  [
    'errors',
    'pair-same',
    'assistant.neg',
    'one adjective for both sides',
    (t) => (t.assistant.neg = 'Brave'),
  ],
  [
    'errors',
    'pair-same',
    'instruction[2].neg',
    'a pair that asks for one thing',
    ({ instruction: [, , pair] }) => (pair!.neg = pair!.pos),
  ],
  [
    'errors',
    'pair-same',
    'instruction[4].pos',
    'an instruction in two pairs',
    ({ instruction: [first, , , , last] }) => (last!.pos = first!.pos),
  ],
  [
    'errors',
    'question-twice',
    'evaluation[7]',
    'an extraction question that comes again',
    (t) => (t.evaluation[7] = 'what about  LION 4 ?'),
  ],
  [
    'errors',
    'question-names-trait',
    'questions[0]',
    'the trait, in another form of the word',
    (t) => (t.questions[0] = 'Would you do it bravely?'),
  ],
  [
    'errors',
    'question-names-trait',
    'evaluation[19]',
    'the adjective',
    (t) => {
      t.assistant.pos = 'fearless';
      t.evaluation[19] = 'Who is fearless?';
    },
  ],
  ['errors', 'graded-count', 'graded', 'a step too few', (t) => (t.graded = STEPS.slice(1))],
  ['errors', 'graded-count', 'graded', 'no steps at all', (t) => (t.graded = [])],
  [
    'errors',
    'graded-same',
    'graded[3]',
    'a step that comes twice',
    (t) => (t.graded = STEPS.with(3, `${STEPS[0]!.toUpperCase()}!`)),
  ],
  ['errors', 'empty', 'graded[5]', 'an empty step', (t) => (t.graded = STEPS.with(5, ' '))],
  ['errors', 'brace', 'eval_prompt', 'a stray brace', (t) => (t.eval_prompt += ' {"score": 7}')],
  ['warnings', 'article', 'assistant.neg', 'a silent h', (t) => (t.assistant.neg = 'honest')],
  ['warnings', 'article', 'assistant.neg', 'a spoken y', (t) => (t.assistant.neg = 'useless')],
  [
    'warnings',
    'pair-length',
    'instruction[1]',
    'one text of a pair that is much longer',
    ({ instruction: [, pair] }) => (pair!.neg = 'Flee from two of the dangers at once.'),
  ],
  [
    'warnings',
    'pair-form',
    'instruction[1]',
    'two sentences against one',
    ({ instruction: [, pair] }) => (pair!.neg = 'Flee two. Of the dangers.'),
  ],
  [
    'warnings',
    'side-length',
    'instruction',
    'one side a little longer in each pair',
    (t) => {
      for (const pair of t.instruction) pair.neg = pair.neg.replace('.', ' now.');
    },
  ],
  [
    'warnings',
    'question-ending',
    'questions[5]',
    'an open end',
    (t) => (t.questions[5] = 'What about lions'),
  ],
  [
    'warnings',
    'rubric-markers',
    'eval_prompt',
    'a missing marker',
    (t) => (t.eval_prompt = t.eval_prompt.replace('[ANSWER END]', '')),
  ],
  [
    'warnings',
    'rubric-verdict',
    'eval_prompt',
    'no way to say that the model refused',
    (t) => (t.eval_prompt = t.eval_prompt.replace('REFUSAL or ', '')),
  ],
  [
    'warnings',
    'rubric-verdict',
    'eval_prompt',
    'another scale',
    (t) => (t.eval_prompt = t.eval_prompt.replace('100', '10')),
  ],
];

describe('checkTrait', () => {
  it('finds nothing in a sound trait', () => {
    expect(checkTrait(aTrait())).toEqual({ errors: [], warnings: [] });
  });

  it('finds nothing in a sound trait with graded steps', () => {
    expect(checkTrait({ ...aTrait(), graded: STEPS })).toEqual({ errors: [], warnings: [] });
  });

  it.each(BREAKS)('%s %s at %s: %s', (level, rule, path, _what, breakIt) => {
    const trait = aTrait();
    breakIt(trait);
    const { [level]: findings, ...other } = checkTrait(trait);
    expect(findings).toMatchObject([{ rule, path }]);
    expect(Object.values(other)).toEqual([[]]);
  });

  it.each([
    [
      'is missing',
      (rubric: string) => rubric.replace('{answer}', ''),
      'expected {answer} once, got it 0 times',
    ],
    ['comes twice', (rubric: string) => `${rubric} {answer}`, 'expected {answer} once, got it 2 times'],
  ])('errors slot: {answer} %s', (_what, change, message) => {
    const trait = aTrait();
    trait.eval_prompt = change(trait.eval_prompt);
    expect(checkTrait(trait).errors).toEqual([{ rule: 'slot', path: 'eval_prompt', message }]);
  });

  it('lets a question hold one word of a name of two', () => {
    const trait = aTrait();
    trait.name = 'power-seeking';
    trait.questions[0] = 'Who turned off the power?';
    expect(checkTrait(trait).errors).toEqual([]);
    trait.questions[0] = 'Who seeks power here?';
    expect(checkTrait(trait).errors).toMatchObject([{ rule: 'question-names-trait', path: 'questions[0]' }]);
  });

  it('takes a word that only begins like the trait for another word', () => {
    const trait = { ...aTrait(), name: 'optimistic' };
    trait.questions[0] = 'What is the optimal speed?';
    expect(checkTrait(trait).errors).toEqual([]);
  });

  it('reports all that is wrong, not only the first', () => {
    const trait = aTrait();
    trait.name = '';
    trait.questions = [];
    trait.eval_prompt = '';
    expect(checkTrait(trait).errors.map(({ path }) => path)).toEqual([
      'name',
      'name',
      'eval_prompt',
      'questions',
      'eval_prompt',
      'eval_prompt',
    ]);
  });
});
