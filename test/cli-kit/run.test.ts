import { once } from 'node:events';
import { expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { FIXTURE, PERSONA, runCli } from '../support/run-cli.ts';

const fixture = (...args: string[]) => runCli(FIXTURE, args);

test('text goes to stdout, words and progress to stderr', async () => {
  const { code, stdout, stderr } = await fixture('say', 'hello', '--times', '2');
  expect(code).toBe(0);
  expect(stdout).toBe('hello hello\n');
  expect(stderr).toMatch(/^speaking\nsay: 2 words in \d\.\d s( \(.*\/s\))?\n$/);
});

test('--json prints one document, --quiet nothing else, --verbose more', async () => {
  const { stdout, stderr } = await fixture('say', 'hello', '--json', '--quiet');
  expect(JSON.parse(stdout)).toEqual({ text: 'hello', times: 1, vector: [], seed: 0 });
  expect(stderr).toBe('');
  expect((await fixture('--verbose', 'say', 'hello')).stderr).toContain('speaking\nin detail\n');
});

test('option values reach the verb parsed', async () => {
  const line = ['say', 'x', '--json', '--layers', '8-12:2', '--coefficients', '-2,-1,0.5'];
  const { stdout } = await fixture(...line, '--vector', 'a.gguf', '--vector', 'b.gguf', '--seed', '7');
  expect(JSON.parse(stdout)).toMatchObject({
    layers: [8, 10, 12],
    coefficients: [-2, -1, 0.5],
    vector: ['a.gguf', 'b.gguf'],
    seed: 7,
  });
});

test('a gate that is not met is 100, with its result', async () => {
  expect(await fixture('gate')).toMatchObject({ code: 100, stdout: 'not met\n' });
});

test('an error says what to do and is 1; with --json it is a document', async () => {
  expect(await fixture('fail')).toEqual({
    code: 1,
    stdout: '',
    stderr: 'error: made on another model\n  Extract it again.\n',
  });
  const { code, stdout } = await fixture('fail', '--json');
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toEqual({
    error: { code: 'WRONG_MODEL', message: 'made on another model', remedy: 'Extract it again.' },
  });
});

test('wrong usage is 2, whoever notices it, and names the option and what was got', async () => {
  expect(await fixture('misuse')).toMatchObject({
    code: 2,
    stderr: 'error: --layer and --layers exclude each other\n',
  });
  expect(await fixture('say')).toMatchObject({
    code: 2,
    stderr: "error: missing required argument 'text'\n",
  });
  expect(await fixture('sya')).toMatchObject({
    code: 2,
    stderr: "error: unknown command 'sya'\n  (Did you mean say?)\n",
  });
  expect(await fixture('say', 'x', '--times', '9')).toMatchObject({
    code: 2,
    stderr: "error: option '--times <n>' argument '9' is invalid. Expected 1 to 3.\n",
  });
  const { code, stdout } = await fixture('say', 'x', '--layers', '9-2', '--json');
  expect(code).toBe(2);
  expect(JSON.parse(stdout).error).toEqual({
    code: 'USAGE',
    message: `option '--layers <list>' argument '9-2' is invalid. "9-2" runs backwards.`,
  });
});

test('an unexpected error is short, and told with its stack on --verbose', async () => {
  const { code, stderr } = await fixture('break');
  expect(code).toBe(1);
  expect(stderr).toBe('error: x is not a function\n  Run the command with --verbose for more.\n');
  expect((await fixture('break', '--verbose')).stderr).toMatch(
    /TypeError: x is not a function\n +at .*persona-fixture/,
  );
  expect(JSON.parse((await fixture('break', '--json')).stdout).error.code).toBe('INTERNAL');
});

test('the first Ctrl-C stops the work and says how to go on', async () => {
  const { code, stderr } = await runCli(FIXTURE, ['work'], (child) => child.kill('SIGINT'));
  expect(code).toBe(130);
  expect(stderr).toContain('Stopping. Press Ctrl-C again to quit at once.\n');
  expect(stderr).toMatch(
    /error: stopped\n {2}What was done is kept: run the same command again to go on\.\n$/,
  );
});

test('the second Ctrl-C quits at once', async () => {
  const begun = performance.now();
  const { code, stdout } = await runCli(FIXTURE, ['deaf'], async (child) => {
    child.kill('SIGINT');
    await once(child.stdout, 'data');
    child.kill('SIGINT');
  });
  expect(code).toBe(130);
  expect(stdout).toBe('{"started":true}\n{"asked":true}\n');
  expect(performance.now() - begun).toBeLessThan(10_000);
});

test('a verb that ends well when it is asked to stop is done', async () => {
  const { code, stdout } = await runCli(FIXTURE, ['listen'], (child) => child.kill('SIGTERM'));
  expect(code).toBe(0);
  expect(stdout).toBe('{"started":true}\n{"ended":true}\n');
});

test('a reader that has seen enough ends the command without a word', async () => {
  const { code, stdout, stderr } = await runCli(FIXTURE, ['flood'], (child) => child.stdout.destroy());
  expect(stdout.length).toBeGreaterThan(0);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('help shows groups, examples and the options of every command', async () => {
  const { code, stdout } = await fixture('--help');
  expect(code).toBe(0);
  expect(stdout).toMatch(/\nStart:\n {2}say \[options\] <text> +say something\n/);
  expect(stdout).toContain('\nExamples:\n  # ');
  const verb = await fixture('say', '--help');
  expect(verb.stdout).toContain('# say it twice\n  persona say hello --times 2\n');
  expect(verb.stdout).toMatch(/--json +print one JSON document/);
  expect(await fixture()).toMatchObject({ code: 2, stdout: '' }); // help on stderr
});

test('the real command says its version', async () => {
  expect(await runCli(PERSONA, ['--version'])).toEqual({
    code: 0,
    stdout: `${packageJson.version}\n`,
    stderr: '',
  });
});
