/**
 * Which tokens of an answer are a reasoning model's thoughts, and which its reply. The last token of the prompt says
 * little of what such a model will answer (paper §7): its thoughts say more, and are told apart from the reply.
 */

import { mean } from '../math/statistics.ts';

const OPEN = '<think>';
const CLOSE = '</think>';

/**
 * How many of the first tokens are thoughts, the closing mark among them; undefined where there are none. The opening
 * mark may stand in the prompt, written by the chat template; thoughts that are never closed are all there is.
 *
 * thinkingTokens(['<think>', 'hm', '</thi', 'nk>', 'Yes']) = 4
 */
export function thinkingTokens(pieces: readonly string[]): number | undefined {
  const text = pieces.join('');
  const close = text.lastIndexOf(CLOSE);
  if (close < 0) return text.trimStart().startsWith(OPEN) ? pieces.length : undefined;
  const end = close + CLOSE.length;
  let length = 0;
  let count = 0;
  while (length < end) length += pieces[count++]!.length;
  return count;
}

/** Mean projections of an answer's thoughts and of its reply; null where there is no token of that kind. */
export function splitMeans(
  projections: readonly number[],
  thinking: number,
): { thinking: number | null; reply: number | null } {
  const part = (values: readonly number[]): number | null => (values.length > 0 ? mean(values) : null);
  return { thinking: part(projections.slice(0, thinking)), reply: part(projections.slice(thinking)) };
}
