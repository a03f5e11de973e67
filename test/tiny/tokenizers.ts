/**
 * The vocabularies of the tiny models, as GGUF metadata. Both have a token for every byte, so any text can be put in,
 * and neither joins characters, so token counts are known without a tokenizer:
 * - `byteTokenizer` is GPT-2's byte-level kind with no merges; token id = byte. ChatML, no bos.
 * - `charTokenizer` is SentencePiece's kind, as Gemma has: a token for each printable ASCII character, bytes for all
 *   else, a bos before every text, and Gemma's template, which has no system turn.
 */
import type { GgufValue } from '../../src/model/gguf.ts';

export interface TinyTokenizer {
  /** text of each token, by id */
  tokens: string[];
  metadata: [string, GgufValue][];
}

/** llama.cpp's token types. */
const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const BYTE = 6;

/** Ids of the byte tokenizer beyond the 256 bytes. */
export const BYTE_TOKENS = { endOfText: 256, imStart: 257, imEnd: 258 } as const;

const CHATML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const GEMMA =
  "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set prefix = messages[0]['content'] + '\\n\\n' %}" +
  "{% set turns = messages[1:] %}{% else %}{% set prefix = '' %}{% set turns = messages %}{% endif %}" +
  "{% for message in turns %}{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else 'user') + '\\n' " +
  "+ (prefix if loop.first else '') + message['content'] + '<end_of_turn>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}";

/** @param more tokens that a model may write, though no text is put in as them */
export function byteTokenizer(more: readonly string[] = []): TinyTokenizer {
  const tokens = [...byteCharacters(), '<|endoftext|>', '<|im_start|>', '<|im_end|>', ...more];
  const types = tokens.map((_, id) => (id < 256 || id > BYTE_TOKENS.imEnd ? NORMAL : CONTROL));
  return {
    tokens,
    metadata: [
      ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }],
      ['tokenizer.ggml.pre', { type: 'string', value: 'gpt-2' }],
      ['tokenizer.ggml.tokens', { type: 'array', of: 'string', items: tokens }],
      ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', items: new Int32Array(types) }],
      ['tokenizer.ggml.merges', { type: 'array', of: 'string', items: [] }],
      ['tokenizer.ggml.bos_token_id', { type: 'u32', value: BYTE_TOKENS.endOfText }],
      ['tokenizer.ggml.eos_token_id', { type: 'u32', value: BYTE_TOKENS.imEnd }],
      ['tokenizer.ggml.padding_token_id', { type: 'u32', value: BYTE_TOKENS.endOfText }],
      ['tokenizer.ggml.add_bos_token', { type: 'bool', value: false }],
      ['tokenizer.chat_template', { type: 'string', value: CHATML }],
    ],
  };
}

export function charTokenizer(): TinyTokenizer {
  const special = ['<pad>', '<eos>', '<bos>', '<unk>', '<start_of_turn>', '<end_of_turn>'];
  const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`);
  // '▁' stands for the space.
  const characters = ['▁', ...Array.from({ length: 0x7e - 0x20 }, (_, i) => String.fromCharCode(0x21 + i))];
  const types = [
    ...special.map((text) => (text === '<unk>' ? UNKNOWN : CONTROL)),
    ...bytes.map(() => BYTE),
    ...characters.map(() => NORMAL),
  ];
  const tokens = [...special, ...bytes, ...characters];
  return {
    tokens,
    metadata: [
      ['tokenizer.ggml.model', { type: 'string', value: 'llama' }],
      ['tokenizer.ggml.tokens', { type: 'array', of: 'string', items: tokens }],
      ['tokenizer.ggml.scores', { type: 'array', of: 'f32', items: new Float32Array(tokens.length) }],
      ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', items: new Int32Array(types) }],
      ['tokenizer.ggml.padding_token_id', { type: 'u32', value: 0 }],
      ['tokenizer.ggml.eos_token_id', { type: 'u32', value: 1 }],
      ['tokenizer.ggml.bos_token_id', { type: 'u32', value: 2 }],
      ['tokenizer.ggml.unknown_token_id', { type: 'u32', value: 3 }],
      ['tokenizer.ggml.add_bos_token', { type: 'bool', value: true }],
      ['tokenizer.ggml.add_space_prefix', { type: 'bool', value: false }],
      ['tokenizer.chat_template', { type: 'string', value: GEMMA }],
    ],
  };
}

/** GPT-2's printable stand-ins: a byte that is a visible Latin-1 character is itself, the others follow from U+0100. */
function byteCharacters(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const visible = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(visible ? byte : next++);
  });
}
