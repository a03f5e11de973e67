import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isPublicAddress } from '../../src/server/webhook/address.ts';
import { sign, verifySignature } from '../../src/server/webhook/signature.ts';
import { findTarget } from '../../src/server/webhook/target.ts';

const PUBLIC = ['8.8.8.8', '1.1.1.1', '172.15.255.255', '172.32.0.0', '100.63.255.255', '100.128.0.0', '169.253.255.255',
  '192.167.255.255', '198.17.255.255', '198.20.0.0', '223.255.255.255', '168.63.129.17',
  '2606:4700:4700::1111', '2a00:1450:4001:81b::200e', '2001:4860:4860::8888']; // prettier-ignore

const NOT_PUBLIC = ['0.0.0.0', '0.255.255.255', '10.0.0.1', '10.255.255.255', '100.64.0.1', '100.100.100.200', '127.0.0.1',
  '127.255.255.254', '168.63.129.16', '169.254.169.254', '172.16.0.1', '172.31.255.255', '192.0.0.192', '192.0.2.1',
  '192.168.0.1', '198.18.0.1', '198.19.255.255', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255',
  '::', '::1', '::ffff:8.8.8.8', '::ffff:127.0.0.1', '::ffff:a9fe:a9fe', '0:0:0:0:0:ffff:7f00:1', '::127.0.0.1',
  '64:ff9b::7f00:1', '64:ff9b:1::1', '100::1', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'fc00::1', 'fd00:ec2::254', 'ff02::1',
  '2001::1', '2001:db8::1', '2002:7f00:1::', '2606:4700:4700::1111%eth0', '3fff::1', '4000::1',
  '', 'localhost', '127.1', '0x7f000001', '2130706433', '8.8.8.8 ', '8.8.8.8/32']; // prettier-ignore

test.each(PUBLIC)('%s may be reached', (address) => expect(isPublicAddress(address)).toBe(true));
test.each(NOT_PUBLIC)('%s may not be reached', (address) => expect(isPublicAddress(address)).toBe(false));

test('no IPv4 address becomes public by being written as IPv6', () => {
  const octet = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(octet, octet, octet, octet, (a, b, c, d) => {
      const dotted = `${a}.${b}.${c}.${d}`;
      const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
      for (const wrapped of [
        `::ffff:${dotted}`,
        `::${dotted}`,
        `::ffff:${hex}`,
        `::ffff:0:${hex}`,
        `64:ff9b::${dotted}`,
        `2002:${hex}::`,
      ])
        expect(isPublicAddress(wrapped)).toBe(false);
    }),
  );
});

const answers =
  (...addresses: string[]) =>
  async (): Promise<{ address: string; family: number }[]> =>
    addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));

test('a host with any private address is refused, unless it is listed', async () => {
  const url = 'https://hooks.example/a';
  await expect(findTarget(url, { resolve: answers('8.8.8.8', '10.0.0.1') })).rejects.toMatchObject({
    code: 'FORBIDDEN',
  });
  await expect(findTarget(url, { resolve: answers('8.8.8.8', '::1') })).rejects.toMatchObject({
    code: 'FORBIDDEN',
  });
  expect(await findTarget(url, { resolve: answers('8.8.8.8', '1.1.1.1') })).toMatchObject({
    address: '8.8.8.8',
    family: 4,
  });
  const resolve = answers('10.0.0.1');
  expect(await findTarget(url, { resolve, allowPrivate: ['hooks.example'] })).toMatchObject({
    address: '10.0.0.1',
  });
  await expect(findTarget(url, { resolve, allowPrivate: ['example'] })).rejects.toMatchObject({
    code: 'FORBIDDEN',
  });
  await expect(findTarget(url, { resolve, allowPrivate: ['hooks.example:8443'] })).rejects.toMatchObject({
    code: 'FORBIDDEN',
  });
});

test.each([
  'http://127.0.0.1/',
  'http://2130706433/',
  'http://0x7f.1/',
  'http://0177.0.0.1/',
  'http://[::1]/',
  'http://[::ffff:8.8.8.8]/',
  'http://169.254.169.254/latest',
])('%s is refused without asking a resolver', async (url) => {
  const resolve = (): never => {
    throw new Error('asked');
  };
  await expect(findTarget(url, { resolve })).rejects.toMatchObject({ code: 'FORBIDDEN' });
});

test.each([
  'ftp://example.com/',
  'file:///etc/passwd',
  'javascript:alert(1)',
  'hooks',
  'http://me:secret@example.com/',
])('%s is no webhook', async (url) => {
  const error = await findTarget(url, { resolve: answers('8.8.8.8') }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'USAGE' });
  expect(String(error)).not.toContain('secret');
});

test('a signature holds for its body, secret and time', () => {
  const header = sign('s', '{"a":1}', 1_900_000_000);
  // python3 -c "import hmac; print(hmac.new(b's', b'1900000000.{\"a\":1}', 'sha256').hexdigest())"
  expect(header).toBe('t=1900000000,v1=facd26877e595f604933d90b5bd8f405121275543a60d1262ebf6a2748ff37fc');
  expect(verifySignature('s', '{"a":1}', header, 1_900_000_100)).toBe(true);
  expect(verifySignature('s', '{"a":2}', header, 1_900_000_100)).toBe(false);
  expect(verifySignature('t', '{"a":1}', header, 1_900_000_100)).toBe(false);
  expect(verifySignature('s', '{"a":1}', header, 1_900_000_400)).toBe(false);
  expect(verifySignature('s', '{"a":1}', header.replace('t=19', 't=18'), 1_800_000_000)).toBe(false);
  expect(verifySignature('s', '{"a":1}', 'nonsense', 1_900_000_100)).toBe(false);
});
