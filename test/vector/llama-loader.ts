/**
 * A child process that reads a control vector with llama.cpp's own loader (`common_control_vector_load`, the one behind
 * `--control-vector-scaled`) and prints it as JSON. The function is C++: its argument is a std::vector of
 * { float strength; std::string fname } and its result { int n_embd; std::vector<float> data } comes through a hidden
 * pointer, both in libstdc++'s layout.
 */
import { join } from 'node:path';
import koffi from 'koffi';
import { openNative } from '../../src/engine/ffi.ts';

const [path = '', strength = '1'] = process.argv.slice(2);
const { libraries } = openNative((text) => process.stderr.write(text));
const common = koffi.load(join(libraries.folder, 'libllama-common.so'), { global: true });
const load = common.func(
  '_Z26common_control_vector_loadRKSt6vectorI31common_control_vector_load_infoSaIS0_EE',
  'void',
  ['void *', 'void *'],
);

const text = Buffer.from(`${path}\0`);
const address = (buffer: Buffer | BigUint64Array): bigint => koffi.address(buffer);

// load_info: float strength at 0; std::string at 8: pointer, length, then 16 bytes of which the first 8 hold the capacity
const info = Buffer.alloc(40);
info.writeFloatLE(Number(strength), 0);
info.writeBigUInt64LE(address(text), 8);
info.writeBigUInt64LE(BigInt(text.length - 1), 16);
info.writeBigUInt64LE(BigInt(text.length - 1), 24);

// std::vector: begin, end, end of storage
const begin = address(info);
const infos = new BigUint64Array([begin, begin + 40n, begin + 40n]);
const result = new BigUint64Array(4);
load(result, infos);

const width = Number(BigInt.asIntN(32, result[0]!));
const [first, end] = [result[1]!, result[2]!];
const values = first === end ? [] : Array.from(new Float32Array(koffi.view(first, Number(end - first))));
process.stdout.write(JSON.stringify({ width, values }), () => process.exit(0));
