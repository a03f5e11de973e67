/**
 * Reads what `torch.save` writes: a zip archive with a pickle (`STEM/data.pkl`) and the numbers beside it
 * (`STEM/data/0`, …). The pickle is read, never executed.
 */

import { PersonaError } from '../../errors.ts';
import { FLOAT_BYTES } from '../../files/float-formats.ts';
import { readCapped } from '../../files/read-capped.ts';
import { readStoredZip } from '../../files/zip-read.ts';
import type { TorchValue } from './value.ts';
import { unpickle } from './unpickle.ts';

/** All layers of the largest models are some 10 MB a vector; what is larger holds weights. */
const MAX_BYTES = 2 ** 30;
const ZIP_MAGIC = Buffer.from('PK\x03\x04');
/** PyTorch before 1.6: a pickle that begins with the whole number 0x1950a86a20f9469cfc6c. */
const LEGACY_MAGIC = Buffer.from('80028a0a6cfc9c46f9206aa85019', 'hex');

/** @throws PersonaError BAD_FILE or NOT_FOUND naming file, place and what was found there */
export async function readTorch(path: string): Promise<TorchValue> {
  const bytes = await readCapped(path, MAX_BYTES, 'a file of vectors');
  if (bytes.subarray(0, LEGACY_MAGIC.length).equals(LEGACY_MAGIC))
    throw new PersonaError('BAD_FILE', `${path}: the format of PyTorch before 1.6, which is not read`, {
      remedy: 'Save it again with a PyTorch of today: torch.save(torch.load(path, weights_only=True), path).',
    });
  if (!bytes.subarray(0, ZIP_MAGIC.length).equals(ZIP_MAGIC))
    throw new PersonaError('BAD_FILE', `${path}: expected a zip archive as torch.save writes it`, {
      remedy: 'Check that it is a .pt file of PyTorch, and whole.',
    });
  const entries = await readStoredZip(bytes, path);
  const pickles = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  const [pickle] = pickles;
  if (pickle === undefined || pickles.length > 1)
    throw new PersonaError('BAD_FILE', `${path}: expected one entry STEM/data.pkl, got ${pickles.length}`);
  const stem = pickle.slice(0, pickle.indexOf('/'));
  const order = Buffer.from(entries.get(`${stem}/byteorder`) ?? 'little').toString('latin1');
  if (order !== 'little')
    throw new PersonaError(
      'BAD_FILE',
      `${path}: ${stem}/byteorder is ${JSON.stringify(order.slice(0, 20))}, expected "little"`,
      { remedy: 'Save it again on a little-endian machine (x86, ARM).' },
    );
  return unpickle(entries.get(pickle)!, {
    place: `${path}: ${pickle}`,
    storage(key, format, elements) {
      const name = `${stem}/data/${key}`;
      const found = entries.get(name);
      const wanted = elements * FLOAT_BYTES[format];
      if (found?.length === wanted) return found;
      const got = found ? `has ${found.length} bytes, expected ${wanted}` : 'is missing';
      throw new PersonaError('BAD_FILE', `${path}: ${JSON.stringify(name)} ${got}`);
    },
  });
}
