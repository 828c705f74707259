/**
 * What a credential may be bound to: networks it may be used from and hosts of pages it may be
 * used for. It reads and encodes them; whether a caller is inside, the filter decides.
 */

/** The rules of one credential, as people write them. */
export interface CredentialRules {
  /** Such as `10.0.0.0/8` or `2001:db8::/32`; none = every address. */
  readonly cidrs: readonly string[];
  /** Hosts or `*.` and a domain; none = every page, and no page. */
  readonly referers: readonly string[];
}

/** The rules of a credential that has none. */
export const NO_RULES: CredentialRules = { cidrs: [], referers: [] };

/** Most CIDRs of one credential, and most referers. */
export const RULES_MAX = 16;

/** A network: its bits of 128, and 16 bytes. */
export interface Cidr {
  readonly bits: number;
  readonly address: Uint8Array;
}

/** A network, or what is wrong with its text and what was probably meant. */
export type CidrRead =
  | { readonly ok: true; readonly value: Cidr }
  | { readonly ok: false; readonly why: string; readonly meant?: string };

const MAPPED_BITS = 96;

/** Reads a network. One with bits behind its length says less than it seems and is refused. */
export function readCidr(text: string): CidrRead {
  const [host = '', length, ...rest] = text.split('/');
  const address = readAddress(host);
  if (address === undefined || rest.length > 0) return { ok: false, why: 'is not a network' };
  const isV4 = !host.includes(':');
  const most = isV4 ? 32 : 128;
  if (length === undefined) {
    return { ok: false, why: 'has no length', meant: `${host}/${most}` };
  }
  if (!/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > most) {
    return { ok: false, why: `has a length that is none of 0 to ${most}` };
  }
  const bits = Number(length) + (isV4 ? MAPPED_BITS : 0);
  const network = address.map(
    (byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - i * 8))),
  );
  if (!network.every((byte, i) => byte === address[i])) {
    return {
      ok: false,
      why: 'has bits behind its length',
      meant: `${textOf(network, isV4)}/${length}`,
    };
  }
  return { ok: true, value: { bits, address } };
}

/** The 16 bytes of an address; an IPv4 one becomes the IPv6 one that stands for it. */
function readAddress(text: string): Uint8Array | undefined {
  if (text.includes(':')) return readV6(text);
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return undefined;
  return Uint8Array.from([...new Array(10).fill(0), 0xff, 0xff, ...parts]);
}

function readV6(text: string): Uint8Array | undefined {
  if (!/^[0-9A-Fa-f:.]+$/.test(text)) return undefined;
  const url = URL.parse(`http://[${text}]/`);
  if (url === null) return undefined;
  const [before = '', after] = url.hostname.slice(1, -1).split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':')).map((g) => parseInt(g, 16));
  const [head, tail] = [groups(before), groups(after ?? '')];
  const all = [...head, ...new Array(8 - head.length - tail.length).fill(0), ...tail];
  return Uint8Array.from(all.flatMap((group: number) => [group >> 8, group & 0xff]));
}

function textOf(address: Uint8Array, isV4: boolean): string {
  if (isV4) return address.slice(12).join('.');
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((address[i * 2] ?? 0) << 8) | (address[i * 2 + 1] ?? 0)).toString(16),
  );
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

/** The name of a referer as the filter compares it: `.example.com` for `*.example.com`. */
export function refererName(text: string): string {
  return text.startsWith('*.') ? text.slice(1) : text;
}

/** Whether two sets of rules say the same in the same order. */
export function sameRules(a: CredentialRules, b: CredentialRules): boolean {
  return JSON.stringify([a.cidrs, a.referers]) === JSON.stringify([b.cidrs, b.referers]);
}
