/** Fields that would change the text and cannot be honoured: an answer without what was asked for would be a lie. */

import { refuse } from '../errors.ts';

/** field → why */
const REFUSED: Readonly<Record<string, string>> = Object.fromEntries([
  ...['tools', 'tool_choice', 'functions', 'function_call', 'web_search_options'].map((field) => [
    field,
    'tools are not supported',
  ]),
  ...['audio', 'modalities'].map((field) => [field, 'only text is written']),
  ...['logit_bias', 'allowed_token_ids', 'bad_words', 'stop_token_ids'].map((field) => [
    field,
    'single tokens cannot be made likelier, banned or made an end; stop takes texts',
  ]),
  ...['reasoning_effort', 'verbosity', 'chat_template', 'chat_template_kwargs', 'continue_final_message'].map(
    (field) => [field, "the model's own chat template is used as it is"],
  ),
  ...['grammar', 'json_schema', 'guided_json', 'guided_regex', 'guided_choice', 'guided_grammar'].map(
    (field) => [field, 'use response_format'],
  ),
  ...[
    'mirostat',
    'typical_p',
    'tfs_z',
    'top_a',
    'xtc_probability',
    'dry_multiplier',
    'dynatemp_range',
    'min_tokens',
    'length_penalty',
    'use_beam_search',
    'samplers',
    'top_n_sigma',
  ].map((field) => [field, 'this way of sampling is not supported']),
  ...[
    'vllm_xargs',
    'extra_args',
    'steering_vectors',
    'steer',
    'control_vectors',
    'lora',
    'lora_adapters',
  ].map((field) => [field, 'this field is of another server; here it is steering']),
  ['suffix', 'text is only written at the end of a prompt'],
  ['echo', 'the prompt is not given back'],
]);

/** @throws ApiError naming the first field that is set to something */
export function refuseUnsupported(body: Readonly<Record<string, unknown>>): void {
  for (const [field, value] of Object.entries(body)) {
    if (!Object.hasOwn(REFUSED, field) || asksNothing(field, value)) continue;
    throw refuse(field, REFUSED[field]!, 'unsupported_parameter');
  }
}

/** A value that asks for nothing beyond what is done anyway. */
function asksNothing(field: string, value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === '') return true;
  if (value === 0 || value === 'none') return true;
  if (field === 'tool_choice' && value === 'auto') return true;
  if (field === 'modalities') return Array.isArray(value) && value.every((each) => each === 'text');
  return typeof value === 'object' && Object.keys(value).length === 0;
}
