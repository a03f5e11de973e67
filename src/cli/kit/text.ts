/** Text as a terminal shows it: widths, quantities in words, and foreign text made harmless. */

import { stripVTControlCharacters } from 'node:util';

const graphemes = new Intl.Segmenter();
const WIDE =
  /\p{Emoji_Presentation}|\uFE0F|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303F\uFF01-\uFF60]/u;
const UNSEEN = /^[\p{Mark}\p{Format}\p{Control}]+$/u;

/** Columns that a line takes. displayWidth('日本') = 4, displayWidth('é') = 1, and colours take none */
export function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of graphemes.segment(stripVTControlCharacters(text))) {
    if (!UNSEEN.test(segment)) width += WIDE.test(segment) ? 2 : 1;
  }
  return width;
}

/** At most `width` columns of a line without colours, an ellipsis where it was cut. clip('abcdef', 4) = 'abc…' */
export function clip(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let out = '';
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    used += displayWidth(segment);
    if (used > width - 1) break;
    out += segment;
  }
  return width > 0 ? `${out}…` : '';
}

/** Text of a model or a file, without the control characters by which it could redraw or retitle the terminal. */
export function harmless(text: string): string {
  return text.replace(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/g, '\uFFFD');
}

/** count(1234567) = '1,234,567', count(0.123) = '0.12' */
export function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value >= 100 ? 0 : value >= 10 ? 1 : 2 });
}

/** bytes(1_500_000) = '1.5 MB' */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

/** duration(75) = '1 min 15 s', duration(7500) = '2 h 05 min' */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
