import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { openOutput } from '../../src/cli/kit/output.ts';
import { talk } from '../../src/cli/kit/talk.ts';
import { NO_STEERING } from '../../src/steer/resolve.ts';
import { vectorFinder } from '../../src/vector/find.ts';
import { plantedHome, QUICK } from '../support/planted-home.ts';

const home = plantedHome();
const chat = (lines: readonly string[], ...args: string[]): ReturnType<typeof home.persona> =>
  home.personaWithInput(
    lines.map((line) => `${line}\n`).join(''),
    'chat',
    '--model',
    home.model,
    ...QUICK,
    ...args,
  );

test('piped lines are answered one after the other, steered and watched as they say', async () => {
  const lines = [
    'hello',
    '/watch pish',
    '/steer pish=-4',
    'and now',
    '/steer off',
    '/watch off',
    '/steer',
    'again',
  ];
  const { code, stdout, stderr } = await chat([...lines, '/quit', 'never'], '--json');
  expect(code).toBe(0);
  const replies = stdout.trimEnd().split('\n').map((line) => JSON.parse(line)); // prettier-ignore
  expect(replies).toHaveLength(3);
  expect(replies[0]).toMatchObject({ tokens: 12, finish_reason: 'length', steering: [] });
  expect(replies[1].steering).toMatchObject([{ trait: 'pish', coefficient: -4, layer: 2 }]);
  expect(replies[1].persona.pish.mean).toBeLessThan(-5);
  expect(replies[1].text).not.toContain('P');
  expect(replies[2].steering).toEqual([]);
  expect(Object.keys(replies[0])).not.toContain('persona');
  expect(stderr.split('\n').filter((line) => /^\w+: /.test(line))).toEqual([
    'watching: pish at layer 2',
    'steering: pish -4 @2',
    'steering: off',
    'watching: nothing',
    'steering: off',
  ]);
  expect(stderr).toMatch(
    /\ntrait .*\npish .*\nof pish at layer 2, -12\.00 is the push of the steering itself\n/,
  );
});

test('the conversation goes on with what was said; /reset and /system begin anew', async () => {
  const { stdout } = await chat(['one', 'two', '/reset', 'two', '/system Be N.', 'two'], '--json');
  const texts = stdout.trimEnd().split('\n').map((line) => JSON.parse(line).text as string); // prettier-ignore
  await using model = await home.open();
  const reply = async (...said: string[]): Promise<string> => {
    const messages = said.map((content, i) => ({
      role: i % 2 === 0 ? ('user' as const) : ('assistant' as const),
      content,
    }));
    return await run(model.render(messages));
  };
  const run = async (prompt: string): Promise<string> =>
    (await model.engine.run({ prompt, maxTokens: 12, ignoreEnd: true, sampling: { temperature: 0 } })).text;
  const system = { role: 'system' as const, content: 'Be N.' };
  expect(texts).toEqual([
    await reply('one'),
    await reply('one', texts[0]!, 'two'),
    await reply('two'),
    await run(model.render([system, { role: 'user', content: 'two' }])),
  ]);
});

test('in a script a slip ends it', async () => {
  const { code, stdout, stderr } = await chat(['/stear pish', 'hello']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toBe('error: there is no command /stear\n  Write /help for those there are.\n');
});

/** A terminal on which a test types, and what is shown on it. */
async function atTerminal(
  maxTokens: number,
  type: (key: (text: string) => void, until: (text: RegExp) => Promise<void>) => Promise<void>,
): Promise<string> {
  await using model = await home.open();
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const output = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
  let shown = '';
  output.on('data', (chunk: Buffer) => (shown += stripVTControlCharacters(chunk.toString())));
  const settings = { json: false, quiet: false, verbose: false, color: false };
  const session = { ...openOutput(settings, output, output), signal: new AbortController().signal };
  const sampling = {
    temperature: 0,
    topP: 1,
    topK: 0,
    minP: 0,
    repeatPenalty: 1,
    maxTokens,
    ignoreEos: true,
  } as const;
  const plan = { specs: [], watchSpecs: [], controls: [], range: undefined, find: vectorFinder() };
  const talking = talk(
    session,
    { model, plan, steering: NO_STEERING, watches: [], system: undefined, sampling, seed: 0 },
    { input, output },
  );
  const until = async (text: RegExp): Promise<void> => {
    for (let waited = 0; !text.test(shown); waited += 5) {
      if (waited > 10_000) throw new Error(`${text} was not shown, but ${JSON.stringify(shown)}`);
      await sleep(5);
    }
  };
  await type((text) => void input.write(text), until);
  await talking;
  return shown;
}

const CTRL_C = '\x03';

test('Ctrl-C stops the reply that is being written, and the conversation goes on', async () => {
  const shown = await atTerminal(1500, async (key, until) => {
    await until(/> $/);
    key('hello\r');
    await until(/PPPPPPPP|NNNNNNNN|[a-z]{8}\w/);
    key(CTRL_C);
    await until(/\(stopped\)\n/);
    key('/steer pish=2\r');
    await until(/steering: pish \+2 @2\n/);
    key('/quit\r');
  });
  const reply = shown.slice(shown.indexOf('hello') + 5, shown.indexOf('(stopped)'));
  expect(reply.replaceAll(/[^\w .]/g, '').length).toBeLessThan(1500);
});

test('Ctrl-C clears what is typed, and on an empty line ends; a slip is told, and no end', async () => {
  const shown = await atTerminal(4, async (key, until) => {
    await until(/> $/);
    key('/stear\r');
    await until(/there is no command \/stear\n {2}Write \/help/);
    key('typed');
    await until(/typed/);
    key(CTRL_C);
    key('/steer\r');
    await until(/steering: off\n/);
    key(CTRL_C);
  });
  expect(shown).not.toContain('typed/steer');
});
