/**
 * What an OpenAI-compatible server takes: all of them speak the same protocol, and each leaves something out. What a
 * server refuses by name is left out, or called as it wants it, from then on.
 */

export interface Dialect {
  /** newer servers want `max_completion_tokens` */
  maxTokens: 'max_tokens' | 'max_completion_tokens';
  seed: boolean;
  temperature: boolean;
  /** alternatives that may be asked for; 0: no log-probabilities at all */
  topLogprobs: number;
}

export const USUAL_DIALECT: Readonly<Dialect> = {
  maxTokens: 'max_tokens',
  seed: true,
  temperature: true,
  topLogprobs: 20,
};

/** Where 20 alternatives are too many, servers allow these. */
const FEW_ALTERNATIVES = 5;

/**
 * The dialect after a refusal, with what changed in words; undefined where what was sent is not what was refused.
 * @param sent the body that was refused
 * @param said what the server said about it
 */
export function adapt(
  dialect: Dialect,
  sent: object,
  said: string,
): { dialect: Dialect; note: string } | undefined {
  const refuses = (field: string): boolean => field in sent && new RegExp(`\\b${field}\\b`).test(said);
  if (refuses('max_tokens') && said.includes('max_completion_tokens') && !/context|too large/i.test(said)) {
    return {
      dialect: { ...dialect, maxTokens: 'max_completion_tokens' },
      note: 'the server wants max_completion_tokens: max_tokens is called so from now on',
    };
  }
  if (refuses('seed')) {
    return {
      dialect: { ...dialect, seed: false },
      note: 'the server takes no seed: asked without one from now on',
    };
  }
  if (refuses('temperature')) {
    return {
      dialect: { ...dialect, temperature: false },
      note: 'the server takes no temperature: asked without one from now on, so scores may vary',
    };
  }
  if (refuses('top_logprobs') && (sent as { top_logprobs: number }).top_logprobs > FEW_ALTERNATIVES) {
    return {
      dialect: { ...dialect, topLogprobs: FEW_ALTERNATIVES },
      note: `the server refuses that many log-probabilities: asked for ${FEW_ALTERNATIVES} from now on`,
    };
  }
  if (refuses('top_logprobs') || refuses('logprobs')) {
    return {
      dialect: { ...dialect, topLogprobs: 0 },
      note: 'the server gives no log-probabilities: asked without them from now on',
    };
  }
  return undefined;
}
