/** Writes a zip archive of plain, unpacked entries. The same entries give the same bytes. */

import { crc32 } from 'node:zlib';

export interface ZipEntry {
  name: string;
  content: Uint8Array;
}

export interface ZipOptions {
  /** Each content begins at a multiple of this, so that it can be mapped into memory. Bytes. @default 1 */
  alignment?: number;
}

const LOCAL_HEADER_BYTES = 30;
const EXTRA_HEADER_BYTES = 4;
/** The tag of PyTorch's own padding field; every reader passes over fields that it does not know. */
const PADDING_TAG = Buffer.from('FB');
const VERSION_NEEDED = 20; // 2.0
const UTF8_NAMES = 0x0800;
const MIDNIGHT_1980 = 0x21; // the earliest date that the format knows: January 1
const MAX_BYTES = 2 ** 32 - 1; // without the 64-bit extension

/** @throws RangeError beyond 4 GiB or 65,535 entries */
export function storedZip(entries: readonly ZipEntry[], { alignment = 1 }: ZipOptions = {}): Buffer {
  const parts: Uint8Array[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content } of entries) {
    const nameBytes = Buffer.from(name);
    const padding = paddingField(offset + LOCAL_HEADER_BYTES + nameBytes.length, alignment);
    const common = Buffer.alloc(26); // version, flags, method, time, date, crc, sizes, lengths of name and extra field
    common.writeUInt16LE(VERSION_NEEDED, 0);
    common.writeUInt16LE(UTF8_NAMES, 2);
    common.writeUInt16LE(MIDNIGHT_1980, 8);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(content.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(nameBytes.length, 22);
    const central = Buffer.from(common); // the padding stands only before the content
    common.writeUInt16LE(padding.length, 24);
    const place = Buffer.alloc(14); // length of comment, disk, attributes, offset
    place.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02'), u16(VERSION_NEEDED), central, place, nameBytes);
    const local = [Buffer.from('PK\x03\x04'), common, nameBytes, padding, content];
    parts.push(...local);
    offset = local.reduce((sum, part) => sum + part.length, offset);
    if (offset > MAX_BYTES) throw new RangeError(`a zip archive of more than ${MAX_BYTES} bytes`);
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, central, Buffer.from('PK\x05\x06'), end]);
}

/** Fills up to the alignment; empty where there is nothing to fill. */
function paddingField(at: number, alignment: number): Buffer {
  if (at % alignment === 0) return Buffer.alloc(0);
  const fill = (alignment - ((at + EXTRA_HEADER_BYTES) % alignment)) % alignment;
  return Buffer.concat([PADDING_TAG, u16(fill), Buffer.alloc(fill, 'Z')]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}
