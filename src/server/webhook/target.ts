/** From a webhook's URL to the one address that is connected to: resolved once, checked, and never asked for again. */

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { PersonaError } from '../../errors.ts';
import { isPublicAddress } from './address.ts';

export interface Target {
  url: URL;
  address: string;
  family: 4 | 6;
}

export interface TargetOptions {
  /** hosts (`hooks.internal`) or hosts with ports (`127.0.0.1:8080`) that may have private addresses */
  allowPrivate?: readonly string[] | undefined;
  /** all addresses of a host. @default the system's resolver */
  resolve?: ((host: string) => Promise<{ address: string; family: number }[]>) | undefined;
}

/** @throws PersonaError USAGE for what is no URL that can be posted to */
export function checkWebhookUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new PersonaError('USAGE', 'a webhook needs an http or https URL');
  if (url.username !== '' || url.password !== '')
    throw new PersonaError('USAGE', `the webhook at ${url.host} has a user and password in its URL`, {
      remedy: 'Its receiver can trust the signature instead.',
    });
  return url;
}

/** @throws PersonaError USAGE, FORBIDDEN; or the resolver's error, which may pass */
export async function findTarget(text: string, options: TargetOptions = {}): Promise<Target> {
  const { allowPrivate = [], resolve = (host) => lookup(host, { all: true }) } = options;
  const url = checkWebhookUrl(text);
  const host = bareHost(url);
  const literal = isIP(host);
  const found = literal === 0 ? await resolve(host) : [{ address: host, family: literal }];
  const first = found[0];
  if (first === undefined) throw new Error(`${host} has no address`);
  // one private address among public ones is enough to refuse: which of them a connection takes is chance
  const allowed = allowPrivate.some((each) => each === host || each === url.host);
  if (!allowed && !found.every(({ address }) => isPublicAddress(address)))
    throw new PersonaError('FORBIDDEN', `the webhook at ${url.host} has an address that is not public`, {
      remedy: 'If it is yours, list its host among those that may be private.',
    });
  return { url, address: first.address, family: first.family === 6 ? 6 : 4 };
}

/** Without the brackets of an IPv6 address. */
function bareHost({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}
