/** Writes what `torch.load(path, weights_only=True)` reads. */

import { basename } from 'node:path';
import { writeWhole } from '../../files/write-whole.ts';
import { storedZip } from '../../files/zip-write.ts';
import { pickle } from './pickle.ts';
import type { TorchValue } from './value.ts';

/** PyTorch puts the numbers on multiples of this, to map them into memory. Bytes. */
const ALIGNMENT = 64;

export async function writeTorch(path: string, value: TorchValue): Promise<void> {
  const stem = basename(path).replace(/\.[^.]*$/, '') || 'archive';
  const { pickle: written, storages } = pickle(value);
  const entries = [
    { name: `${stem}/data.pkl`, content: written },
    { name: `${stem}/byteorder`, content: Buffer.from('little') },
    ...storages.map((content, i) => ({ name: `${stem}/data/${i}`, content })),
    { name: `${stem}/version`, content: Buffer.from('3\n') },
  ];
  await writeWhole(path, storedZip(entries, { alignment: ALIGNMENT }));
}
