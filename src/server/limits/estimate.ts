/** How many tokens a request may use, before it is tokenized: characters / 4, and the longest answer it asks for. */

const CHARACTERS_PER_TOKEN = 4;

/** @param fallback tokens of an answer whose length the request leaves open */
export function estimateTokens(body: unknown, fallback: number): number {
  const { messages, prompt, max_tokens, max_completion_tokens, n } = (body ?? {}) as Record<string, unknown>;
  const answer = natural(max_completion_tokens) ?? natural(max_tokens) ?? fallback;
  const answers = natural(n) ?? 1;
  return Math.ceil(characters(messages ?? prompt) / CHARACTERS_PER_TOKEN) + answer * answers;
}

/** Of all strings within. */
function characters(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((sum, item) => sum + characters(item), 0);
}

function natural(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : undefined;
}
