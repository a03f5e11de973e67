import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openOutput, type OutputSettings } from '../../src/cli/kit/output.ts';
import { progressLine, type ProgressOptions } from '../../src/cli/kit/progress.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A stream that remembers, and what a terminal would show of it. */
function screen(isTTY: boolean, columns = 100) {
  const writes: string[] = [];
  function shown(): string[] {
    const lines = [''];
    for (const part of writes.join('').split(/(\r\x1b\[2K|\n)/)) {
      if (part === '\n') lines.push('');
      else if (part === '\r\x1b[2K') lines[lines.length - 1] = '';
      else lines[lines.length - 1] += part;
    }
    return lines;
  }
  return { write: (text: string) => writes.push(text), isTTY, columns, writes, shown };
}

function open(options: ProgressOptions, isTTY: boolean, columns?: number) {
  const target = screen(isTTY, columns);
  return { line: progressLine(options, target, () => {}), target };
}

test('in a terminal the line shows bar, count, rate and time left', () => {
  const { line, target } = open({ label: 'extract', total: 200, unit: 'rollouts' }, true);
  for (let done = 1; done <= 50; done++) {
    vi.advanceTimersByTime(500);
    line.update(done, 'layer 12');
  }
  vi.advanceTimersByTime(100);
  expect(target.shown()).toEqual([
    'extract ██████░░░░░░░░░░░░░░░░░░ 50/200 rollouts · 2/s · 1 min 15 s left · layer 12',
  ]);
  line.done();
  expect(target.shown()).toEqual(['extract: 50 rollouts in 25 s (1.99/s)', '']);
});

test('it is redrawn at most ten times a second, and soon after the last update', () => {
  const { line, target } = open({ label: 'read', total: 1000, unit: 'rows' }, true);
  for (let done = 1; done <= 1000; done++) {
    vi.advanceTimersByTime(1);
    line.update(done);
  }
  expect(target.writes.length).toBeLessThanOrEqual(11);
  vi.advanceTimersByTime(100);
  expect(target.shown()[0]).toContain('1,000/1,000 rows');
  line.done();
});

test('in a log it is a plain line every ten seconds and one at the end', () => {
  const { line, target } = open({ label: 'screen', total: 400, unit: 'samples' }, false);
  for (let done = 1; done <= 200; done++) {
    vi.advanceTimersByTime(125);
    line.update(done);
  }
  line.done();
  expect(target.writes).toEqual([
    expect.stringMatching(/^screen (79|80)\/400 samples · 8\/s · 40 s left\n$/),
    expect.stringMatching(/^screen 1(59|60)\/400 samples · 8\/s · 30 s left\n$/),
    'screen: 200 samples in 25 s (8/s)\n',
  ]);
});

test('the rate follows a change of speed, and what was done before does not count', () => {
  const { line, target } = open({ label: 'go on', total: 2000, unit: 'rows', start: 900 }, true);
  for (let second = 1; second <= 20; second++) {
    vi.advanceTimersByTime(1000);
    line.update(900 + second);
  }
  vi.advanceTimersByTime(100);
  expect(target.shown()[0]).toContain('920/2,000 rows · 1/s');
  for (let second = 1; second <= 60; second++) {
    vi.advanceTimersByTime(1000);
    line.update(920 + second * 10);
  }
  const rate = Number(/· ([\d.]+)\/s/.exec(target.shown()[0]!)![1]);
  expect(rate).toBeGreaterThan(9);
  expect(rate).toBeLessThanOrEqual(10);
  line.done();
});

test('when nothing comes the rate falls', () => {
  const { line, target } = open({ label: 'wait', total: 100, unit: 'rows' }, true);
  vi.advanceTimersByTime(1000);
  line.update(10);
  vi.advanceTimersByTime(100);
  expect(target.shown()[0]).toContain('10/100 rows · 10/s · 9.0 s left');
  vi.advanceTimersByTime(8900);
  expect(target.shown()[0]).toContain('10/100 rows · 2/s · 45 s left');
  line.done();
});

test('an unknown total shows no bar and no time left; bytes are shown as such', () => {
  const { line, target } = open({ label: 'pull', unit: 'bytes' }, true);
  vi.advanceTimersByTime(1000);
  line.update(2_500_000);
  vi.advanceTimersByTime(100);
  expect(target.shown()).toEqual(['pull 2.5 MB · 2.5 MB/s']);
  line.done('pulled');
  expect(target.shown()).toEqual(['pulled', '']);
});

test('a narrow terminal cuts the line instead of wrapping it', () => {
  const { line, target } = open({ label: 'a long label', total: 10, unit: 'things' }, true, 20);
  vi.advanceTimersByTime(200);
  line.update(5);
  expect(target.shown()[0]).toHaveLength(19);
  line.done();
});

test('a finished line stays finished', () => {
  const { line, target } = open({ label: 'x', total: 1, unit: 'y' }, true);
  line.done();
  const before = target.writes.length;
  line.done();
  vi.advanceTimersByTime(5000);
  expect(target.writes).toHaveLength(before);
});

const PLAIN: OutputSettings = { json: false, quiet: false, verbose: false, color: true };

test('everything else is printed above the bar', () => {
  const terminal = screen(true);
  const output = openOutput(PLAIN, terminal, terminal);
  const outer = output.progress({ label: 'outer', total: 2, unit: 'parts' });
  vi.advanceTimersByTime(100);
  outer.note('a note');
  output.human('words');
  const inner = output.progress({ label: 'inner', total: 4, unit: 'steps' });
  vi.advanceTimersByTime(100);
  output.row({ n: 1 });
  expect(terminal.shown()).toEqual([
    'a note',
    'words',
    '{"n":1}',
    expect.stringMatching(/^inner .* 0\/4 steps$/),
  ]);
  inner.done();
  outer.update(1);
  vi.advanceTimersByTime(100);
  expect(terminal.shown().slice(3)).toEqual([
    'inner: 0 steps in 0.1 s',
    expect.stringMatching(/^outer .* 1\/2 parts · /),
  ]);
  output.close();
  expect(terminal.shown().at(-1)).toBe(''); // the shell's prompt has a line of its own
});

test('a text that is written as it comes is not wiped out by a bar', () => {
  const terminal = screen(true);
  const output = openOutput(PLAIN, terminal, terminal);
  output.progress({ label: 'load', unit: 'bytes' });
  output.stream('Hel');
  vi.advanceTimersByTime(1000);
  output.stream('lo');
  expect(terminal.shown()).toEqual(['load 0 B', 'Hello']);
});

test('--quiet shows no progress and no words, --json still shows both', () => {
  const [out, err] = [screen(false), screen(false)];
  const quiet = openOutput({ ...PLAIN, quiet: true }, out, err);
  quiet.human('words');
  quiet.progress({ label: 'x', total: 1, unit: 'y' }).done();
  expect(err.writes).toEqual([]);
  const json = openOutput({ ...PLAIN, json: true }, out, err);
  json.human('words');
  json.stream('a token');
  json.progress({ label: 'x', total: 1, unit: 'y' }).done();
  json.result({ norms: Float32Array.of(1, 2), bad: NaN }, 'text');
  expect(err.writes).toEqual(['words\n', 'x: 0 y in 0.0 s\n']);
  expect(out.writes).toEqual(['{"norms":[1,2],"bad":null}\n']);
  expect(() => json.result({})).toThrow('a command has one result');
});
