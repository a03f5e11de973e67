/** Text with each token on the colour of its z value: blue below the usual, grey usual, orange above. */

import type { ColorDepth } from './color.ts';
import { harmless } from './text.ts';

export interface HeatToken {
  text: string;
  /** standard deviations from the usual; NaN or undefined = not known, left without colour */
  z?: number | undefined;
}

export type Rgb = readonly [red: number, green: number, blue: number];

// All three are light, so that black letters stay readable on any of them, on a dark and on a light terminal.
const BELOW: Rgb = [90, 160, 255];
const USUAL: Rgb = [200, 200, 200];
const ABOVE: Rgb = [255, 150, 50];

const FULL_AT = 3; // standard deviations: the colour is at its end, rare in neutral text
const RESET = '\x1b[0m';
const LEGEND_STEPS = 13;

/** Without colours, the text itself. */
export function heat(tokens: readonly HeatToken[], depth: ColorDepth): string {
  return tokens.map(({ text, z }) => paint(harmless(text), z, depth)).join('');
}

/** What the colours mean, one line; empty without colours. */
export function heatLegend(trait: string, depth: ColorDepth): string {
  if (depth === 'none') return '';
  const steps = Array.from(
    { length: LEGEND_STEPS },
    (_, i) => (i / (LEGEND_STEPS - 1)) * 2 * FULL_AT - FULL_AT,
  );
  const scale = steps.map((z) => paint(' ', z, depth)).join('');
  return `less ${trait} −${FULL_AT} ${scale} +${FULL_AT} more ${trait} (standard deviations from the model's usual)`;
}

function paint(text: string, z: number | undefined, depth: ColorDepth): string {
  if (depth === 'none' || z === undefined || Number.isNaN(z)) return text;
  const start = `\x1b[30;48;${background(shade(z), depth)}m`;
  // a newline inside a colour would fill the rest of the line with it
  return text.replace(/[^\n]+/g, (part) => start + part + RESET);
}

/** shade(0) is grey, shade(3) and more full orange. */
function shade(z: number): Rgb {
  const share = Math.min(1, Math.abs(z) / FULL_AT);
  const end = z < 0 ? BELOW : ABOVE;
  const mixed = USUAL.map((from, i) => Math.round(from + share * (end[i]! - from)));
  return [mixed[0]!, mixed[1]!, mixed[2]!];
}

export function background(color: Rgb, depth: ColorDepth): string {
  if (depth === 'full') return `2;${color.join(';')}`;
  const [r, g, b] = color.map(cubeStep) as [number, number, number];
  return `5;${16 + 36 * r + 6 * g + b}`;
}

/** The nearest of the six steps 0, 95, 135, 175, 215, 255 of the 256-colour cube. */
function cubeStep(value: number): number {
  return value < 48 ? 0 : value < 115 ? 1 : Math.min(5, Math.round((value - 55) / 40));
}
