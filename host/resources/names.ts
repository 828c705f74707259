/**
 * Reads the short texts of resources: names, hosts, headers, brands, digests, times and windows.
 * Each reader answers the value in the form the filter needs, or what is wrong with the text.
 */
import { BRAND_PATTERN } from '../credential/key.ts';
import { readCidr } from '../credential/rules.ts';
import { type Fault, fault, type Read, read } from './errors.ts';

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const HEADER_NAME = /^[0-9A-Za-z!#$%&'*+.^_`|~-]+$/;
const HEADER_NAME_MAX = 256;
const PREFIX_MAX = 64;

/** A DNS label. */
export function readName(text: string): Read<string> {
  if (LABEL.test(text)) return read(text);
  const label = text
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63);
  const meant = LABEL.test(label) ? { suggestion: label } : {};
  return fault('SG1112', { value: text }, meant);
}

/** A DNS label, or two with a slash between: a name, or a namespace and a name. */
export function readReference(text: string): Read<string> {
  const slash = text.indexOf('/');
  if (slash === -1) return readName(text);
  const space = readName(text.slice(0, slash));
  return space.ok ? readName(text.slice(slash + 1)) : space;
}

/** The name of an operation. */
export function readOperationName(text: string): Read<string> {
  if (/^[A-Za-z][0-9A-Za-z_-]{0,62}$/.test(text)) return read(text);
  return fault('SG1115', { value: text });
}

/** A host name in lower case, or `*.` and one. */
export function readHost(text: string): Read<string> {
  const no = (why: string, suggestion?: string): Fault =>
    fault('SG1201', { value: text, why }, suggestion === undefined ? {} : { suggestion });
  const name = text.startsWith('*.') ? text.slice(2) : text;
  const port = /:\d*$/.exec(text);
  if (port !== null) return no('names a port; ports are ignored', text.slice(0, port.index));
  if (/[A-Z]/.test(text)) return no('is not in lower case', text.toLowerCase());
  if (text.endsWith('.')) return no('ends with a dot', text.slice(0, -1));
  if (name.includes('*')) return no('may have * only as its whole first label');
  if (text.length > 253) return no('is longer than 253 characters');
  if (!name.split('.').every((label) => LABEL.test(label))) return no('is not a host name');
  return read(text);
}

/** A header name in lower case. */
export function readHeaderName(text: string): Read<string> {
  const no = (why: string): Fault => fault('SG1206', { value: text, why });
  if (text.startsWith(':')) return no('is a pseudo header');
  if (text === '') return no('is empty');
  if (text.length > HEADER_NAME_MAX) return no('is too long');
  if (!HEADER_NAME.test(text)) return no('has other characters');
  const name = text.toLowerCase();
  if (!FRAMING.has(name)) return read(name);
  return fault('SG1207', { value: text, why: 'this one belongs to the connection' });
}

/** Headers that carry the message itself; Envoy and its peers own them. */
const FRAMING = new Set(
  [
    'host connection content-length transfer-encoding te trailer upgrade keep-alive',
    'proxy-connection',
  ].flatMap((names) => names.split(' ')),
);

/** A header that mediation may edit, in lower case. */
export function readEditedHeader(text: string): Read<string> {
  const name = readHeaderName(text);
  if (!name.ok || !name.value.replaceAll('_', '-').startsWith('x-sidegate-')) return name;
  return fault('SG1207', { value: text, why: 'x-sidegate-* is kept for Sidegate' });
}

/** A header whose values may stand in one line, in lower case. */
export function readJoinedHeader(text: string): Read<string> {
  if (text.toLowerCase() !== 'set-cookie') return readEditedHeader(text);
  return fault('SG1207', { value: text, why: 'cookies cannot be joined; use add' });
}

/** What stands before a key in a header. */
export function readKeyPrefix(text: string): Read<string> {
  if (text === '') return fault('SG1214', { why: 'is empty' });
  if (text.length > PREFIX_MAX) return fault('SG1214', { why: 'is too long' });
  if (!/^[\x20-\x7e]+$/.test(text)) return fault('SG1214', { why: 'has other characters' });
  return read(text);
}

/** The name of a query parameter or cookie that holds a key. */
export function readKeyParameter(text: string): Read<string> {
  if (/^[0-9A-Za-z._~-]{1,64}$/.test(text)) return read(text);
  return fault('SG1217', { value: text });
}

/** What a key begins with before its `_`. */
export function readBrand(text: string): Read<string> {
  if (BRAND_PATTERN.test(text)) return read(text);
  const plain = text.toLowerCase().replace(/[^a-z0-9]/g, '');
  const meant = BRAND_PATTERN.test(plain) ? { suggestion: plain } : {};
  return fault('SG1213', { value: text }, meant);
}

/** A network that a key may be used from. */
export function readCidrText(text: string): Read<string> {
  const outcome = readCidr(text);
  if (outcome.ok) return read(text);
  const { why, meant } = outcome;
  return fault('SG1218', { value: text, why }, meant === undefined ? {} : { suggestion: meant });
}

/** The host of pages that a key may be used for. */
export function readReferer(text: string): Read<string> {
  const host = readHost(text);
  if (host.ok) return host;
  const [, meant = ''] = /^\w+:\/\/([^/?#:]*)/.exec(text) ?? [];
  if (meant !== '') {
    const more = readHost(meant).ok ? { suggestion: meant } : {};
    return fault('SG1219', { value: text, why: 'is a URL and not a host' }, more);
  }
  return fault('SG1219', { value: text, why: host.facts.why ?? '' }, host);
}

/** A SHA-256 in hex. The text is never repeated in a fault: it may be a key. */
export function readDigest(text: string): Read<Uint8Array> {
  if (!/^[0-9a-f]{64}$/.test(text)) return fault('SG1210', {});
  return read(Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)));
}

/** Most bytes of what says who calls: of a principal, and of a claim and its issuer. */
const PRINCIPAL_MAX = 255;
const CLAIM_NAME_MAX = 64;

/** The URI of a certificate in a mesh. */
export function readPrincipal(text: string): Read<string> {
  const no = (why: string, suggestion?: string): Fault =>
    fault('SG1220', { value: text, why }, suggestion === undefined ? {} : { suggestion });
  if (text.length > PRINCIPAL_MAX) return no(`is longer than ${PRINCIPAL_MAX} characters`);
  // AuthorizationPolicy writes principals without the scheme.
  if (/^[a-z0-9._-]+\/ns\//.test(text)) return no('has no scheme', `spiffe://${text}`);
  if (!text.startsWith('spiffe://')) return no('does not begin with spiffe://');
  if (text.includes('*')) return no('may not have *: principals are compared as a whole');
  const form = /^spiffe:\/\/[a-z0-9._-]+(\/[A-Za-z0-9._-]+)+$/;
  return form.test(text) ? read(text) : no('has other characters or no path');
}

/** The name of a claim. */
export function readClaimName(text: string): Read<string> {
  if (text.length <= CLAIM_NAME_MAX && /^[\x21-\x7e]+$/.test(text)) return read(text);
  return fault('SG1221', { what: 'name' });
}

/** An issuer, an audience or what a claim says. */
export function readClaimText(text: string): Read<string> {
  if (text.length <= PRINCIPAL_MAX && /^[\x20-\x7e]+$/.test(text)) return read(text);
  return fault('SG1221', { what: 'text' });
}

const TIME = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)([Zz]|[+-]\d\d:\d\d)$/;

/** Unix milliseconds of a date, time and zone; 1970 and later. */
export function readTime(text: string): Read<number> {
  const parts = TIME.exec(text);
  const day = new Date(`${parts?.[1]}T00:00:00Z`);
  const ms = parts === null ? Number.NaN : Date.parse(`${parts[1]}T${parts[2]}${zoneOf(parts[3])}`);
  // A day such as the 31st of June is read as the 1st of July unless it is asked back.
  const real = !Number.isNaN(day.getTime()) && day.toISOString().startsWith(parts?.[1] ?? '-');
  if (Number.isNaN(ms) || ms <= 0 || !real) return fault('SG1211', { value: text });
  return read(ms);
}

function zoneOf(zone: string | undefined): string {
  return zone === undefined ? 'Z' : zone.toUpperCase();
}

const UNIT_SECONDS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** What people write for a unit, by the unit they mean. */
const UNIT_NAMES: Record<string, string> = {
  s: 'sec secs second seconds',
  m: 'min mins minute minutes',
  h: 'hr hrs hour hours',
  d: 'day days',
};

const LATER_UNITS = new Set(['w', 'mo', 'y', 'week', 'weeks', 'month', 'months', 'year', 'years']);

/** Longest window that is counted, in seconds. */
export const WINDOW_SECONDS_MAX = 86_400;

/** Seconds of a window, 1 … WINDOW_SECONDS_MAX. */
export function readWindow(text: string): Read<number> {
  const parts = /^(\d+)([A-Za-z]+)$/.exec(text);
  if (parts === null) return fault('SG1205', { value: text });
  const [count = '', unit = ''] = parts.slice(1);
  const seconds = UNIT_SECONDS[unit];
  if (seconds === undefined) {
    if (LATER_UNITS.has(unit.toLowerCase())) return fault('SG1204', { value: text });
    const meant = Object.keys(UNIT_NAMES).find((each) =>
      [each, ...(UNIT_NAMES[each] ?? '').split(' ')].includes(unit.toLowerCase()),
    );
    const more = meant === undefined ? {} : { suggestion: `${count}${meant}` };
    return fault('SG1203', { unit }, more);
  }
  const length = Number(count) * seconds;
  if (length === 0) return fault('SG1205', { value: text });
  return length > WINDOW_SECONDS_MAX ? fault('SG1204', { value: text }) : read(length);
}
