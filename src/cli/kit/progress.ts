/**
 * One progress line: label, bar, done of total, rate, time left. In a terminal it is redrawn in place; elsewhere (a log,
 * CI) a plain line now and then says the same.
 */

import { bytes, clip, count, duration } from './text.ts';

export interface ProgressOptions {
  label: string;
  /** left out where it is not known */
  total?: number | undefined;
  /** what is counted, in the plural; `bytes` are shown as kB, MB … */
  unit: string;
  /** done before this run began; not part of the rate. @default 0 */
  start?: number;
  /** when it began, by performance.now(). @default now */
  begun?: number;
}

export interface Progress {
  /** `done` in all, not since the last time; `extra` is shown at the end of the line */
  update(done: number, extra?: string): void;
  /** a line above the bar that stays */
  note(text: string): void;
  /** ends the line with what was done and how long it took, or with the text */
  done(text?: string): void;
}

/** The part of a stream that is used. */
export interface Screen {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

/** A progress line together with what its owner needs, to print other things above it. */
export interface ProgressLine extends Progress {
  clear(): void;
  draw(): void;
  /** ends without a word: the last state stays visible */
  stop(): void;
}

const REDRAW_MS = 100; // 10 a second is smooth, more is only work
const LOG_MS = 10_000; // a line in a log every so often
const MEMORY_MS = 20_000; // the rate is that of about the last so many
const BAR_WIDTH = 24;
const CLEAR_LINE = '\r\x1b[2K';

export function progressLine(options: ProgressOptions, screen: Screen, onEnd: () => void): ProgressLine {
  const { label, total, unit, start = 0, begun = performance.now() } = options;
  const every = screen.isTTY ? REDRAW_MS : LOG_MS;
  const amount = unit === 'bytes' ? bytes : (value: number) => count(value);
  let done = start;
  let extra = '';
  let drawn = begun; // when; nothing is shown of what is over before the first time
  let ended = false;
  // rate = work / span, both fading: unbiased from the first moment on
  let work = 0;
  let span = 0;
  let step = 0; // the last update's part of the work
  let updated = begun;

  const timer = setInterval(draw, every);
  timer.unref();

  function update(value: number, text = ''): void {
    const now = performance.now();
    const fade = Math.exp((updated - now) / MEMORY_MS);
    step = value - done;
    work = work * fade + step;
    span = span * fade + (now - updated);
    updated = now;
    done = value;
    extra = text;
    if (now - drawn >= every) draw();
  }

  /** A second. It falls once the next update is later than the speed so far would have it. */
  function rate(now: number): number {
    return 1000 * Math.min(work / Math.max(1, span), (work + step) / Math.max(1, span + now - updated));
  }

  function draw(): void {
    if (ended) return;
    drawn = performance.now();
    const text = line(drawn);
    if (screen.isTTY) screen.write(CLEAR_LINE + clip(text, (screen.columns ?? 80) - 1));
    else screen.write(`${text}\n`);
  }

  function line(now: number): string {
    const speed = rate(now);
    const parts = [
      total === undefined ? `${amount(done)}${unitName()}` : `${amount(done)}/${amount(total)}${unitName()}`,
    ];
    if (speed > 0) parts.push(speed >= 0.1 ? `${amount(speed)}/s` : `${amount(speed * 60)}/min`);
    if (speed > 0 && total !== undefined && done < total)
      parts.push(`${duration((total - done) / speed)} left`);
    if (extra !== '') parts.push(extra);
    const bar = screen.isTTY && total !== undefined ? ` ${drawBar(total === 0 ? 1 : done / total)}` : '';
    return `${label}${bar} ${parts.join(' · ')}`;
  }

  function unitName(): string {
    return unit === 'bytes' ? '' : ` ${unit}`;
  }

  function clear(): void {
    if (screen.isTTY) screen.write(CLEAR_LINE);
  }

  function note(text: string): void {
    clear();
    screen.write(`${text}\n`);
    if (screen.isTTY) draw();
  }

  function finish(text?: string): void {
    if (ended) return;
    clear();
    const seconds = (performance.now() - begun) / 1000;
    const speed = seconds > 0 && done > start ? ` (${amount((done - start) / seconds)}/s)` : '';
    screen.write(`${text ?? `${label}: ${amount(done)}${unitName()} in ${duration(seconds)}${speed}`}\n`);
    end();
  }

  function stop(): void {
    if (ended) return;
    if (screen.isTTY) {
      draw();
      screen.write('\n');
    }
    end();
  }

  function end(): void {
    ended = true;
    clearInterval(timer);
    onEnd();
  }

  return { update, note, done: finish, clear, draw, stop };
}

function drawBar(share: number): string {
  const full = Math.round(BAR_WIDTH * Math.min(1, Math.max(0, share)));
  return '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full);
}
