/** A file's bytes as numbers, by ggml's plain reference code (`to_float` of its type traits). */

import koffi from 'koffi';
import { openGgml, view } from '../../src/engine/ggml.ts';
import { GGML_TYPES, type GgmlType } from '../../src/model/gguf.ts';

/** of `to_float` in ggml_type_traits: after a name, three int64 and a bool */
const TO_FLOAT = 40;

const toFloat = koffi.proto('void test_to_float(const void *packed, float *numbers, int64_t count)');

export function unpack(type: GgmlType, bytes: Uint8Array): Float32Array {
  if (type === 'F32') return new Float32Array(new Uint8Array(bytes).buffer);
  const { id, blockSize, blockBytes } = GGML_TYPES[type];
  const numbers = new Float32Array((bytes.length / blockBytes) * blockSize);
  const traits = openGgml().native.libraries.ggmlBase.func('void *ggml_get_type_traits(int type)')(
    id,
  ) as bigint;
  const [address] = new BigUint64Array(view(traits + BigInt(TO_FLOAT), 8));
  koffi.call(address, toFloat, bytes, numbers, numbers.length);
  return numbers;
}
