/**
 * Which addresses a webhook may reach: those of the public internet. A URL that someone else chose must not have this
 * server talk to what only it can reach: itself, its network, the metadata of its cloud (SSRF, CWE-918).
 */

import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** Everything of IPv4 that is not globally reachable (the registry of special-purpose addresses), and multicast. */
const NOT_PUBLIC_4: readonly [network: string, bits: number][] = [
  ['0.0.0.0', 8], // this network
  ['10.0.0.0', 8], // private
  ['100.64.0.0', 10], // shared by carriers; metadata of one cloud
  ['127.0.0.0', 8], // loopback
  ['168.63.129.16', 32], // metadata of one cloud, behind an address that looks public
  ['169.254.0.0', 16], // link-local; metadata of most clouds
  ['172.16.0.0', 12], // private
  ['192.0.0.0', 24], // protocols; metadata of one cloud
  ['192.0.2.0', 24], // documentation
  ['192.88.99.0', 24], // relays to IPv6
  ['192.168.0.0', 16], // private
  ['198.18.0.0', 15], // benchmarks
  ['198.51.100.0', 24], // documentation
  ['203.0.113.0', 24], // documentation
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, broadcast
];

/** The other way round: of IPv6 only this part is given to hosts of the internet. Outside lie loopback, link-local, unique
 *  local, multicast, IPv4-mapped and IPv4-translated addresses … */
const PUBLIC_6: readonly [network: string, bits: number][] = [['2000::', 3]];
/** … and inside of it these, which wrap IPv4 addresses or are nobody's. */
const NOT_PUBLIC_6: readonly [network: string, bits: number][] = [
  ['2001::', 23], // protocols: Teredo, benchmarks, identifiers
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4
  ['3fff::', 20], // documentation
];

const private4 = list(NOT_PUBLIC_4, 'ipv4');
const public6 = list(PUBLIC_6, 'ipv6');
const private6 = list(NOT_PUBLIC_6, 'ipv6');

/** isPublicAddress('8.8.8.8') = true, isPublicAddress('::ffff:8.8.8.8') = false, isPublicAddress('no address') = false */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !private4.check(address);
  if (!isIPv6(address) || address.includes('%')) return false; // a zone is of a link
  return public6.check(address, 'ipv6') && !private6.check(address, 'ipv6');
}

function list(networks: readonly [string, number][], family: 'ipv4' | 'ipv6'): BlockList {
  const made = new BlockList();
  for (const [network, bits] of networks) made.addSubnet(network, bits, family);
  return made;
}
