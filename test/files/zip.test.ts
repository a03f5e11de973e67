import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readStoredZip } from '../../src/files/zip-read.ts';
import { storedZip } from '../../src/files/zip-write.ts';

test('what is written is read, each content at its alignment', async () => {
  const entries = fc.uniqueArray(
    fc.record({ name: fc.stringMatching(/^[a-zä日]{1,20}$/), content: fc.uint8Array({ maxLength: 90 }) }),
    { selector: ({ name }) => name, maxLength: 6 },
  );
  await fc.assert(
    fc.asyncProperty(entries, fc.constantFrom(1, 4, 64), async (given, alignment) => {
      const bytes = storedZip(given, { alignment });
      const found = await readStoredZip(bytes, 'x.zip');
      expect([...found].map(([name, content]) => ({ name, content: new Uint8Array(content) }))).toEqual(
        given,
      );
      for (const content of found.values())
        expect((content.byteOffset - bytes.byteOffset) % alignment).toBe(0);
    }),
  );
});

test('entries that share their bytes are refused: they would read to more than the file', async () => {
  const one = storedZip([{ name: 'a', content: Buffer.alloc(1000, 'x') }]);
  const directoryAt = one.readUInt32LE(one.length - 6);
  const record = one.subarray(directoryAt, one.length - 22);
  const records = Array.from('abcd', (name) => {
    const copy = Buffer.from(record);
    copy.write(name, copy.length - 1, 'latin1');
    return copy;
  });
  const directory = Buffer.concat(records);
  const end = Buffer.from(one.subarray(one.length - 22));
  end.writeUInt16LE(4, 8);
  end.writeUInt16LE(4, 10);
  end.writeUInt32LE(directory.length, 12);
  const zip = Buffer.concat([one.subarray(0, directoryAt), directory, end]);
  await expect(readStoredZip(zip, 'x.zip')).rejects.toMatchObject({
    code: 'BAD_FILE',
    message: 'x.zip: zip archive: its entries are longer than the file, from b on',
  });
});
