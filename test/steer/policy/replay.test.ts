import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compilePolicy } from '../../../src/steer/policy/compile.ts';
import { parseConfig } from '../../../src/steer/policy/load.ts';
import { policiesOf } from '../../../src/steer/policy/policies.ts';
import { openReplay } from '../../../src/steer/policy/replay.ts';
import { storedAnswer } from '../../../src/steer/policy/stored.ts';
import { A_MODEL } from '../../support/a-vector.ts';
import { at, EVIL } from './a-policy.ts';

const WHENS = [
  'evil > 2sd',
  'evil < -1sd over 3 tokens',
  'mean evil > 1sd after 4 tokens',
  'evil > 4 over 4 tokens and not before 2 tokens',
  'prompt evil > 1sd',
];
const zs = fc.array(fc.integer({ min: -4, max: 5 }), { minLength: 1, maxLength: 15 });

test('a replay tells what the server would have done: rules, cool-downs and drift, over conversations', () => {
  const cooldown = fc.constantFrom(
    '',
    'cooldown: 9 tokens, ',
    'cooldown: 20 tokens per key, ',
    'cooldown: 3m, ',
  );
  const answers = fc.array(fc.record({ prompt: fc.integer({ min: -2, max: 3 }), zs, conversation: fc.constantFrom('x', 'y') }), { maxLength: 8 }); // prettier-ignore
  fc.assert(
    fc.property(fc.constantFrom(...WHENS), cooldown, answers, (when, pause, asked) => {
      const { policies, defaults } = parseConfig(
        `policies: { p: { rules: [{ name: a, when: ${when}, ${pause}do: [log] }], drift: { traits: [evil], turns: 2, slope: 2sd, do: [log] } } }`,
        'a.yaml',
      );
      const find = (): typeof EVIL => EVIL;
      let ms = 0;
      const live = policiesOf({ policies, defaults }, find, A_MODEL, { now: () => ms });
      const compiled = compilePolicy('p', policies.p!, find, A_MODEL);
      const replay = openReplay(compiled);
      const turns = { x: 0, y: 0 };
      const expected: Record<string, [string, number][]> = { a: [], drift: [] };
      for (const [i, answer] of asked.entries()) {
        ms = 60_000 * i;
        const conversation = { id: answer.conversation, turn: turns[answer.conversation]++ };
        const run = live.begin({ keyId: 'k', policy: 'p' }, conversation);
        run.onPrompt(at(answer.prompt));
        for (const [index, z] of answer.zs.entries()) run.onToken(index, at(z));
        for (const rule of ['a', 'drift']) {
          const first = run.fired().find((fired) => fired.rule === rule);
          if (first) expected[rule]!.push([String(i), first.at]);
        }
        const evil = { prompt: at(answer.prompt).evil, tokens: answer.zs.map((z) => at(z).evil) };
        const row = { id: i, keyId: 'k', time: new Date(ms).toISOString(), conversation, traits: { evil } };
        replay.add(storedAnswer(row, i + 1, compiled.vectors));
      }
      for (const { rule, fired } of replay.records())
        expect(fired.map(({ id, at: place }) => [id, place])).toEqual(expected[rule]);
    }),
  );
});
