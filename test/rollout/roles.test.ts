/** The roles that ship, roles of the user's own, and the plan of asking them. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { planRoles, planUsual } from '../../src/rollout/plan-roles.ts';
import { loadRoles, spread, type RoleSet } from '../../src/rollout/roles.ts';
import { folder } from '../support/folder.ts';

const small: RoleSet = {
  neutral: ['be.'],
  questions: ['what?', 'why?'],
  roles: [
    { name: 'cat', prompts: ['purr', 'hiss'] },
    { name: 'dog', prompts: ['bark'] },
  ],
};

test('those that ship are many, each with prompts of its own, and no text is there twice', async () => {
  const { neutral, questions, roles } = await loadRoles();
  expect(neutral).toHaveLength(4);
  expect(questions.length).toBeGreaterThanOrEqual(40);
  expect(roles.length).toBeGreaterThanOrEqual(80);
  for (const { name, prompts } of roles) expect(prompts.length, name).toBeGreaterThanOrEqual(2);
  const texts = [...neutral, ...questions, ...roles.flatMap(({ prompts }) => prompts)];
  expect(new Set(texts).size).toBe(texts.length);
});

test('the plan: each question under each prompt, the questions of one prompt together', () => {
  const plan = [...planUsual(small), ...planRoles(small)];
  expect(plan.map(({ id }) => id)).toEqual([
    '*_-1_0', '*_-1_1', '*_0_0', '*_0_1',
    'cat_0_0', 'cat_0_1', 'cat_1_0', 'cat_1_1', 'dog_0_0', 'dog_0_1',
  ]); // prettier-ignore
  expect(plan[0]).toMatchObject({ role: null, messages: [{ role: 'user', content: 'what?' }] });
  expect(plan[3]).toMatchObject({
    role: null,
    messages: [
      { role: 'system', content: 'be.' },
      { role: 'user', content: 'why?' },
    ],
  });
  expect(plan[6]).toMatchObject({
    role: 'cat',
    promptIndex: 1,
    messages: [
      { role: 'system', content: 'hiss' },
      { role: 'user', content: 'what?' },
    ],
  });
});

test('a part of a list is spread over it', () => {
  const list = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  expect(spread(list, 3)).toEqual([0, 3, 6]);
  expect(spread(list, 10)).toEqual(list);
  expect(spread(list, Infinity)).toEqual(list);
});

test.each<[string, unknown, string]>([
  [
    'a role without prompts',
    { ...small, roles: [small.roles[0], { name: 'dog', prompts: [] }] },
    'roles[1].prompts',
  ],
  ['an empty question', { ...small, questions: ['what?', ' '] }, 'questions[1]'],
  ['one role', { ...small, roles: small.roles.slice(0, 1) }, 'roles'],
  ['no neutral prompt', { ...small, neutral: [] }, 'neutral'],
  ['an unknown field', { ...small, role: [] }, 'role'],
  [
    'a name that is none',
    { ...small, roles: [small.roles[0], { name: '*', prompts: ['x'] }] },
    'roles[1].name',
  ],
  [
    'a name twice',
    { ...small, roles: [...small.roles, small.roles[0]] },
    'roles[2].name: cat is also the name of roles[0]',
  ],
])('%s is refused with its field', async (_, set, field) => {
  const path = join(folder(), 'roles.json');
  writeFileSync(path, JSON.stringify(set));
  await expect(loadRoles(path)).rejects.toMatchObject({
    code: 'BAD_FILE',
    message: expect.stringContaining(`${path}: ${field}`.replace(/: role$/, '')),
  });
});

test('a file that is not there is named', async () => {
  await expect(loadRoles('nowhere/roles.json')).rejects.toMatchObject({
    message: expect.stringContaining('nowhere/roles.json'),
  });
});
