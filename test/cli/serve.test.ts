import { expect, test } from 'vitest';
import { startPersona } from '../support/start-persona.ts';
import { plantedHome } from '../support/planted-home.ts';

const home = plantedHome();

test('persona serve says what it serves and where, answers, and ends at a signal', async () => {
  const args = ['serve', '--model', home.model, '--threads', '1', '--port', '0', '--json'];
  const running = startPersona(home.folder, [
    ...args,
    '--vector',
    `mine=${home.folder}/vectors/pish.gguf`,
    '--steer',
    'mine=-0.5@1',
    '--monitor',
    'mine',
    '--host',
    '0.0.0.0',
    '--parallel',
    '2',
  ]);
  const line = await new Promise<string>((resolve, reject) => {
    running.child.stdout!.once('data', (text: string) => resolve(text));
    void running.ended.then(({ stderr }) => reject(new Error(stderr)));
  });
  const told = JSON.parse(line) as { port: number };
  expect(told).toMatchObject({
    model: 'planted',
    vectors: ['mine'],
    steering: ['mine=-0.5@1'],
    monitor: ['mine'],
  });
  const url = `http://127.0.0.1:${told.port}`;
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'a' }], max_tokens: 3 }),
  });
  expect(await response.json()).toMatchObject({
    choices: [{ persona: { steering: [{ vector: 'mine', layer: 1 }], traits: { mine: { layer: 2 } } } }],
  });
  running.child.kill('SIGTERM');
  const { code, stderr } = await running.ended;
  expect(code).toBe(0);
  expect(stderr).toContain('can be reached from other machines');
});

test.each<[words: RegExp, args: string[]]>([
  [/no vector file or name "evil"/, ['--vector', 'evil']],
  [/there is no layer 9/, ['--steer', 'pish=1@9']],
  [/is called pish too/, ['--vector', 'pish', '--vector', 'pish']],
  [/there is no such folder/, ['--vectors-folder', './none']],
  [/Expected 0 to 65535/, ['--port', '70000']],
])('%s', async (words, args) => {
  const { code, stderr } = await home.persona(
    'serve',
    '--model',
    home.model,
    '--threads',
    '1',
    '--port',
    '0',
    ...args,
  );
  expect(code).toBeGreaterThan(0);
  expect(stderr).toMatch(words);
});
