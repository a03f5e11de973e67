/**
 * Re-encodes a model file in another quantisation with llama.cpp's own quantiser, in a process of its own
 * (a broken file may abort the native code).
 */

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PersonaError } from '../errors.ts';
import { openNative } from './ffi.ts';

export type QuantizationType = 'F32' | 'F16' | 'Q4_0' | 'Q8_0';

/** llama_ftype values */
const fileTypes: Record<QuantizationType, number> = { F32: 0, F16: 1, Q4_0: 2, Q8_0: 7 };

export interface QuantizeOptions {
  /** @default all cores */
  threads?: number;
  /** Re-encode from an already quantised file: what that lost stays lost. @default true */
  allowRequantize?: boolean;
}

/**
 * Writes `source` as `target` in `type`.
 * @throws PersonaError ENGINE_FAILED with llama.cpp's own last words
 */
export async function quantizeModel(
  source: string,
  target: string,
  type: QuantizationType,
  options: QuantizeOptions = {},
): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), [source, target, type, JSON.stringify(options)], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: [],
  });
  let log = '';
  child.stderr!.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-4000)));
  const code = await new Promise<number | string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve(status ?? signal ?? 'killed'));
  });
  if (code !== 0) {
    const words = log.trim().split('\n').slice(-3).join('; ');
    throw new PersonaError(
      'ENGINE_FAILED',
      `cannot write ${target} as ${type} from ${source}: ${words || `exit ${code}`}`,
    );
  }
}

function quantizeHere(
  source: string,
  target: string,
  type: QuantizationType,
  options: QuantizeOptions,
): number {
  const native = openNative((text, level) => {
    if (level >= 3) process.stderr.write(text);
  });
  const params = native.llama_model_quantize_default_params();
  params.ftype = fileTypes[type];
  params.allow_requantize = options.allowRequantize ?? true;
  params.nthread = options.threads ?? 0;
  return native.llama_model_quantize(source, target, params) as number;
}

const [script, source, target, type, options] = process.argv.slice(1);
if (process.send && script === fileURLToPath(import.meta.url) && source && target && type && options) {
  process.exit(
    quantizeHere(source, target, type as QuantizationType, JSON.parse(options) as QuantizeOptions) === 0
      ? 0
      : 1,
  );
}
