/**
 * Whether a request comes from where a key may be used: networks and pages (docs/wire.md, section
 * 4).
 */
import { isIPv4, isIPv6 } from 'node:net';
import type { Pair } from '../../../host/emulator/index.ts';
import type { Credential, Settings } from './world.ts';

/** Why a key may not be used from here, or undefined if it may. */
export function ruleAgainst(
  credential: Credential,
  headers: readonly Pair[],
  settings: Settings,
): string | undefined {
  const { cidrs, referers } = credential;
  const page = refererHost(headers);
  const isBelow = (domain: string) => page !== domain && page?.endsWith(domain);
  const isPage = (name: string) => (name.startsWith('.') ? isBelow(name) : page === name);
  if (referers.length > 0 && !referers.some(isPage)) return 'referer_denied';
  const address = settings.clientAddress === 'xff' ? forwardedFor(headers) : undefined;
  const lies = (bits: number, network: Uint8Array) =>
    address !== undefined && bitsOf(address).startsWith(bitsOf(network).slice(0, bits));
  return cidrs.length > 0 && !cidrs.some((cidr) => lies(cidr.bits, cidr.address))
    ? 'cidr_denied'
    : undefined;
}

/** The last address that proxies wrote down: one hop is trusted. */
function forwardedFor(headers: readonly Pair[]): Uint8Array | undefined {
  const values = headers.filter(([name]) => name === 'x-forwarded-for').map(([, value]) => value);
  const last = values
    .join(',')
    .split(',')
    .at(-1)
    ?.replace(/^[ \t]+|[ \t]+$/g, '');
  return last === undefined ? undefined : addressOf(last);
}

function addressOf(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return addressOf(`::ffff:${text}`);
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const quad = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const hex = (high: unknown, low: unknown) => (Number(high) * 256 + Number(low)).toString(16);
  const plain = quad ? `${quad[1]}${hex(quad[2], quad[3])}:${hex(quad[4], quad[5])}` : text;
  const [head = '', tail] = plain.split('::');
  const groups = (list: string) => (list === '' ? [] : list.split(':'));
  const end = groups(tail ?? '');
  const gap = tail === undefined ? 0 : 8 - groups(head).length - end.length;
  const all = [...groups(head), ...Array.from({ length: gap }, () => '0'), ...end];
  return Uint8Array.from(
    all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]),
  );
}

function bitsOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
}

function refererHost(headers: readonly Pair[]): string | undefined {
  const values = headers.filter(([name]) => name === 'referer').map(([, value]) => value);
  const [, rest] = /^[^:]+:\/\/(.*)$/s.exec(values.length === 1 ? (values[0] ?? '') : '') ?? [];
  const authority = rest
    ?.split(/[/?#\\]/)[0]
    ?.split('@')
    .at(-1);
  return authority
    ?.replace(/:.*$/s, '')
    .replace(/\.$/, '')
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
