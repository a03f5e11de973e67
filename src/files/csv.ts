/** CSV as RFC 4180 has it: fields with a comma, quote or newline in quotes, quotes doubled. */

/** csvLine(['a', 1.5, null, 'b "c", d']) = 'a,1.5,,"b ""c"", d"' ; objects and lists become JSON text */
export function csvLine(values: readonly unknown[]): string {
  return values.map(csvField).join(',');
}

function csvField(value: unknown): string {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
