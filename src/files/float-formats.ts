/** The four formats of floating-point numbers that tensors come in, little endian, widened or narrowed to float32. */

/** As safetensors and GGUF name them. */
export type FloatFormat = 'F64' | 'F32' | 'F16' | 'BF16';

export const FLOAT_BYTES: Readonly<Record<FloatFormat, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2 };

export function isFloatFormat(name: string): name is FloatFormat {
  return Object.hasOwn(FLOAT_BYTES, name);
}

/** The numbers that lie in `bytes`, in a new array. A float64 beyond float32 becomes infinite. */
export function toFloats(bytes: Uint8Array, format: FloatFormat): Float32Array {
  const { buffer } = new Uint8Array(bytes); // a copy: typed arrays need their own alignment
  switch (format) {
    case 'F32':
      return new Float32Array(buffer);
    case 'F64':
      return Float32Array.from(new Float64Array(buffer));
    case 'F16':
      return new Float32Array(new Float16Array(buffer));
    case 'BF16': {
      const halves = new Uint16Array(buffer);
      const words = new Uint32Array(halves.length);
      for (let i = 0; i < halves.length; i++) words[i] = halves[i]! << 16; // a bfloat16 is the upper half of a float32
      return new Float32Array(words.buffer);
    }
  }
}

/** A view of the numbers as they stand in a file. */
export function floatBytes(numbers: Float32Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}
