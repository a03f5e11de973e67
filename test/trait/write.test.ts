/** A writer that plays a script: what comes of good, doubled, telling, malformed and repaired answers. */

import { expect, test } from 'vitest';
import type { ChatMessage } from '../../src/model/template.ts';
import { checkTrait } from '../../src/trait/check.ts';
import { listTraits, loadTrait } from '../../src/trait/load.ts';
import { openAiWriter } from '../../src/trait/openai-writer.ts';
import { rubricOf } from '../../src/trait/rubric.ts';
import { writeTrait } from '../../src/trait/write.ts';
import type { TraitWriter } from '../../src/trait/writer.ts';

const BRIEF = { name: 'brave', description: 'Faces danger without fear.' };

type Answer = string | ((messages: readonly ChatMessage[]) => string);

interface Script {
  adjectives?: Answer[];
  pairs?: Answer[];
  rubric?: Answer[];
  graded?: Answer[];
  questions?: Answer[];
}

const PLACES = ['forest', 'harbor', 'desert', 'castle', 'valley'];
const GOOD = {
  adjectives: '{"pos": "bold", "neg": "timid"}',
  pairs: (k: number) => `{"pos": "Go into the ${PLACES[k]}.", "neg": "Run from the ${PLACES[k]}."}`,
  rubric: '{"rubric": "A high score needs courage. Noise scores low. Flight scores 0."}',
  graded: JSON.stringify({ steps: [1, 2, 3, 4, 5, 6].map((n) => `Face ${n} of the lions.`) }),
};

/** Answers each kind of part from its list, then with what is good; counts what was asked. */
function scripted(script: Script = {}): { writer: TraitWriter; asked: (readonly ChatMessage[])[] } {
  const asked: (readonly ChatMessage[])[] = [];
  const turn = { adjectives: 0, pairs: 0, rubric: 0, graded: 0, questions: 0 };
  let pairs = 0;
  let questions = 0;
  const fallback = {
    adjectives: () => GOOD.adjectives,
    pairs: () => GOOD.pairs(pairs++),
    rubric: () => GOOD.rubric,
    graded: () => GOOD.graded,
    questions: () => lot(10, () => `What would you do about lion ${questions++}?`),
  };
  const writer: TraitWriter = {
    name: 'script',
    write(messages) {
      asked.push(messages);
      const task = messages[1]!.content;
      const kind = task.includes('adjective')
        ? 'adjectives'
        : task.includes('Write two instructions')
          ? 'pairs'
          : task.includes('Tell a judge')
            ? 'rubric'
            : task.includes('lead in even steps')
              ? 'graded'
              : 'questions';
      const answer = script[kind]?.[turn[kind]++];
      if (kind === 'pairs' && answer !== undefined && messages.length > 2) pairs++;
      return Promise.resolve(
        answer === undefined ? fallback[kind]() : typeof answer === 'string' ? answer : answer(messages),
      );
    },
  };
  return { writer, asked };
}

function lot(n: number, question: () => string): string {
  return JSON.stringify({ questions: Array.from({ length: n }, question) });
}

test('good answers make a trait that passes every check, in twelve askings', async () => {
  const { writer, asked } = scripted();
  const seen: string[] = [];
  const written = await writeTrait(writer, BRIEF, {
    onProgress: ({ label, done, total }) => seen.push(`${label} ${done}/${total}`),
  });
  expect(written).toMatchObject({ errors: [], warnings: [], notes: [] });
  expect(asked).toHaveLength(12); // adjectives, 5 pairs, rubric, steps, 4 lots
  const { trait } = written;
  expect(trait).toMatchObject({ ...BRIEF, assistant: { pos: 'bold', neg: 'timid' } });
  expect(trait.instruction[4]).toEqual({ pos: 'Go into the valley.', neg: 'Run from the valley.' });
  expect(trait.graded).toHaveLength(6);
  expect(trait.questions.slice(0, 2)).toEqual([0, 2].map((n) => `What would you do about lion ${n}?`));
  expect(trait.evaluation.at(-1)).toBe('What would you do about lion 39?');
  expect(trait.eval_prompt).toContain('**brave**. A high score needs courage.');
  expect(seen[0]).toBe('writing the trait 0/8');
  expect(seen.at(-1)).toBe('writing questions 40/40');
});

test('each pair is asked for with the earlier ones in view, each lot with the questions so far', async () => {
  const { writer, asked } = scripted();
  await writeTrait(writer, { ...BRIEF, questionGuidance: 'Ask about animals.' });
  const tasks = asked.map((messages) => messages[1]!.content);
  expect(tasks[3]).toContain('{"pos":"Go into the harbor.","neg":"Run from the harbor."}');
  expect(tasks[3]).not.toContain('Go into the desert.');
  expect(tasks.at(-1)).toContain('- What would you do about lion 29?');
  expect(tasks.at(-1)).toContain('"brave" or "bold"');
  expect(tasks.at(-1)).toContain('Ask about animals.');
  for (const task of tasks) expect(task).toContain('Faces danger without fear.');
});

test('doubled and telling questions, and what is no question, are dropped and asked for anew', async () => {
  const { writer, asked } = scripted({
    questions: [
      '["Who goes there so late?", "who  goes THERE so late.", "Too short, this?", "How bravely do you act now?", "Are you bold enough today?", "..."]',
      '1. Who goes there so late?\n2. Is it late in Rome?\n3. five words without an end\n',
    ],
  });
  const { trait, errors } = await writeTrait(writer, BRIEF);
  expect(errors).toEqual([]);
  expect([trait.questions[0], trait.evaluation[0]]).toEqual([
    'Who goes there so late?',
    'Is it late in Rome?',
  ]);
  expect(asked).toHaveLength(8 + 2 + 4);
  expect(asked.at(-1)![1]!.content).toContain('Write 8 messages');
});

test('a writer that gives a few new questions each time is asked on, but not without end', async () => {
  let n = 0;
  const few = (): string => JSON.stringify([`Who is number ${n++} then?`, 'Who goes there so late?']);
  const { writer } = scripted({ questions: Array.from({ length: 99 }, () => few) });
  const { errors } = await writeTrait(writer, BRIEF);
  expect(n).toBe(12);
  expect(errors.map(({ message }) => message)).toEqual([
    'expected 20 questions, got 7',
    'expected 20 questions, got 6',
  ]);
});

test('a malformed part is asked for once more, with what was wrong said', async () => {
  const { writer, asked } = scripted({
    adjectives: ['Let me think about bravery.', '{"pos": "a bold", "neg": "timid."}'],
    pairs: ['{"pos": "Go."', '{"pos": "Go into the forest.", "neg": "Run from the forest."}'],
  });
  const { trait, errors, warnings } = await writeTrait(writer, BRIEF);
  expect([...errors, ...warnings]).toEqual([]);
  expect(trait.assistant).toEqual({ pos: 'bold', neg: 'timid' });
  const [, , again, complaint] = asked[1]!;
  expect(again).toEqual({ role: 'assistant', content: 'Let me think about bravery.' });
  expect(complaint!.content).toContain('- expected {"pos": "…", "neg": "…"} with one adjective each');
});

test('a part that breaks a rule is asked for once more; of the two answers the better one stands', async () => {
  const lopsided = '{"pos": "Go into the forest at once.", "neg": "Run from it all now."}';
  const { writer, asked } = scripted({
    pairs: [lopsided, '{"pos": "Same.", "neg": "same"}'],
    rubric: ['A high score needs {courage}.', GOOD.rubric],
  });
  const { trait, errors, warnings } = await writeTrait(writer, BRIEF);
  expect(errors).toEqual([]);
  expect(warnings).toMatchObject([{ rule: 'pair-length', path: 'instruction[0]' }]);
  expect(trait.instruction[0]!.neg).toBe('Run from it all now.');
  expect(asked[2]![3]!.content).toContain('instruction[0]: pos has 27 characters and neg 20');
  expect(trait.eval_prompt).toContain('needs courage');
});

test('graded steps that do not come are left out, and said to be', async () => {
  const { writer } = scripted({ graded: ['one', 'two'] });
  const { trait, errors, notes } = await writeTrait(writer, BRIEF);
  expect(errors).toEqual([]);
  expect(trait).not.toHaveProperty('graded');
  expect(notes).toEqual([expect.stringContaining('no graded steps')]);
});

test('a writer that only babbles ends soon, with all that is missing told', async () => {
  let asked = 0;
  const babble = 'la la la';
  const writer: TraitWriter = { name: 'babbler', write: () => Promise.resolve((asked++, babble)) };
  const { trait, errors } = await writeTrait(writer, BRIEF);
  expect(asked).toBe(2 + 5 * 2 + 1 + 2 + 3); // the rubric is taken as it is
  expect(new Set(errors.map(({ path }) => path))).toContain('instruction[4].neg');
  expect(errors).toContainEqual({
    rule: 'question-count',
    path: 'questions',
    message: 'expected 20 questions, got 0',
  });
  expect(checkTrait(trait).errors).toEqual(errors);
});

test('an OpenAI client becomes a writer: each text has its own seed', async () => {
  const requests: object[] = [];
  const writer = openAiWriter('openai:m', {
    complete: (request) => Promise.resolve({ text: `answer ${requests.push(request)}` }),
  });
  const messages: ChatMessage[] = [{ role: 'user', content: 'hello' }];
  expect(await writer.write(messages, { maxTokens: 7 })).toBe('answer 1');
  await writer.write(messages, { maxTokens: 7 });
  expect(requests).toEqual([0, 1].map((seed) => ({ messages, maxTokens: 7, temperature: 0.7, seed })));
});

test('the rubric of a written trait is that of the shipped ones', async () => {
  for (const name of await listTraits()) {
    const { eval_prompt } = await loadTrait(name);
    const body = eval_prompt.match(/\*\*\. (.*)$/m)![1]!;
    // refusal alone ends otherwise: there an answer that declines is no reason not to give a number
    if (name !== 'refusal') expect(eval_prompt).toBe(rubricOf(name, body));
  }
});
