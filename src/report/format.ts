/** Numbers, dates and hashes as people read them: a true minus sign, no −0, a dash where there is no number. */

const minus = '\u2212';
/** Keeps a number and its unit on one line. */
const space = '\u00a0';
/** Of a hash, what is shown: enough to tell two apart by eye. */
const hashDigits = 12;

/** 3.14159, 2 → "3.14" · null or NaN → "–" */
export function fixed(value: number | null | undefined, digits = 0): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace('-', '') : text.replace('-', minus);
}

/** 1.3, 1 → "+1.3" · -2 → "−2" · 0 → "0" */
export function signed(value: number | null | undefined, digits = 0): string {
  const text = fixed(value, digits);
  return value && value > 0 && Number.isFinite(value) && Number(text) !== 0 ? `+${text}` : text;
}

/** A steering coefficient, to three significant digits: 1 → "+1", 0.12345 → "+0.123" */
export function coefficient(value: number): string {
  return signed(value, decimals(value));
}

function decimals(value: number): number {
  const text = String(Number(value.toPrecision(3)));
  const exponent = /e-(\d+)$/.exec(text)?.[1];
  return Math.min((text.split('e')[0]?.split('.')[1]?.length ?? 0) + Number(exponent ?? 0), 100);
}

/** 0.917 → "92 %" */
export function percent(share: number, digits = 0): string {
  return `${fixed(share * 100, digits)}${space}%`;
}

/** A distance from the neutral baseline: 1.27 → "+1.3 σ" */
export function sigma(z: number): string {
  return Number.isFinite(z) ? `${signed(z, 1)}${space}σ` : fixed(z);
}

/** 2000 → "2 000" */
export function count(value: number): string {
  return fixed(value).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** "1 rollout", "2 rollouts" */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** "2026-11-24T06:00:00Z" → "24 November 2026, 06:00 UTC"; what is no date stays as it is. */
export function date(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  const day = time.toLocaleDateString('en-GB', { dateStyle: 'long', timeZone: 'UTC' });
  return `${day}, ${time.toISOString().slice(11, 16)} UTC`;
}

/** The first digits of a hash, or undefined when the text is none. */
export function shortHash(text: string): string | undefined {
  const found = /^((?:sha\d+:)?)([0-9a-f]{32,})$/i.exec(text);
  return found ? `${found[1]}${found[2]?.slice(0, hashDigits)}…` : undefined;
}

/** As one word of a POSIX shell's command line. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
