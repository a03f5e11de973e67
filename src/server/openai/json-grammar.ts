export function anyJsonGrammar(): string {
  return '';
}
export function schemaGrammar(_schema: unknown, _path: string): string {
  return '';
}
