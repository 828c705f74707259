/**
 * Every problem that resources can have: one code each, its text and how to fix it. A code is
 * never given to another problem; a place in braces is filled with the facts of the case.
 */

import { MEANING_ERRORS } from './errors-meaning.ts';

/** What one code says. `summary` stands in the reference, the other two in front of people. */
export interface ErrorText {
  readonly summary: string;
  /** Lower case, without a full stop. */
  readonly message: string;
  /** Sentences. */
  readonly fix: string;
}

/** All codes. SG10 files, SG11 shape, SG12 values, SG13 references, SG14 meaning, SG15 store. */
export const ERRORS = {
  SG1001: {
    summary: 'The file is not YAML.',
    message: 'not valid YAML: {reason}',
    fix: 'Correct the YAML at this place.',
  },
  SG1002: {
    summary: 'A field stands twice in one mapping.',
    message: 'field "{field}" stands twice',
    fix: 'Keep one of the two.',
  },
  SG1003: {
    summary: 'Anchors, aliases and tags are not read, so that a file says what it shows.',
    message: '{what} are not supported',
    fix: 'Write the value out.',
  },
  SG1004: {
    summary: 'A document of the file is not a resource.',
    message: 'expected a resource, found {found}',
    fix: 'Begin with apiVersion, kind, metadata and spec; put --- between resources.',
  },
  SG1005: {
    summary: 'A bound on files and resources is passed.',
    message: '{count} {what}, at most {most}',
    fix: 'Split the set over several hosts or remove what is not needed.',
  },
  SG1006: {
    summary: 'The file is not UTF-8.',
    message: 'not valid UTF-8',
    fix: 'Save the file as UTF-8.',
  },
  SG1101: {
    summary: 'The apiVersion is not one of this version.',
    message: 'unknown apiVersion "{value}"',
    fix: 'Use {values}.',
  },
  SG1102: {
    summary: 'There is no such kind.',
    message: 'unknown kind "{value}"',
    fix: 'Use {values}.',
  },
  SG1103: {
    summary: 'There is no such field here.',
    message: 'unknown field "{field}"',
    fix: 'Fields here: {fields}.',
  },
  SG1104: {
    summary: 'A field that must be there is missing.',
    message: 'required field "{field}" is missing',
    fix: 'Add it: {about}',
  },
  SG1105: {
    summary: 'A value is of another type.',
    message: 'expected {expected}, found {found}',
    fix: 'Write {expected}{hint}.',
  },
  SG1106: {
    summary: 'A value is not one of the words that may stand here.',
    message: 'unknown value "{value}"',
    fix: 'Use {values}.',
  },
  SG1107: {
    summary: 'A number is out of its range.',
    message: '{value} is out of range',
    fix: 'Use a whole number from {least} to {most}.',
  },
  SG1108: {
    summary: 'A list or mapping has too many or too few entries.',
    message: '{count} entries, {bound}',
    fix: 'Keep within the bound.',
  },
  SG1109: {
    summary: 'A text is too long.',
    message: '{count} characters, at most {most}',
    fix: 'Shorten it.',
  },
  SG1110: {
    summary: 'A field of a later version.',
    message: 'field "{field}" is not supported yet',
    fix: 'Remove it; a later version brings it.',
  },
  SG1111: {
    summary: 'A value of a later version.',
    message: 'value "{value}" is not supported yet',
    fix: 'Use {values}; a later version brings it.',
  },
  SG1112: {
    summary: 'A name is not a DNS label.',
    message: 'name "{value}" is not a DNS label',
    fix: 'Use a–z, 0–9 and -, 1–63 characters, a letter or digit first and last.',
  },
  SG1113: {
    summary: 'Fields exclude each other, or one of them is needed.',
    message: 'exactly one of {fields} must stand here, found {found}',
    fix: 'Keep exactly one.',
  },
  SG1114: {
    summary: 'A value stands twice in a list.',
    message: '"{value}" stands twice in the list',
    fix: 'Keep one of the two.',
  },
  SG1115: {
    summary: 'The name of an operation cannot be shown everywhere.',
    message: 'operation name "{value}" has other characters or is too long',
    fix: 'Use 1–63 letters, digits, - and _, a letter first.',
  },
  SG1201: {
    summary: 'A host is not a host name.',
    message: 'host "{value}" {why}',
    fix: 'Use a name such as orders.example.com, or *.example.com for all names below.',
  },
  SG1202: {
    summary: 'A path template cannot be matched as written.',
    message: 'path "{value}" {why}',
    fix: 'Use literal segments, {param} or * for one segment, and ** at the end for the rest.',
  },
  SG1203: {
    summary: 'A window has an unknown unit.',
    message: 'unknown window unit "{unit}"',
    fix: 'Use s, m (minute), h or d.',
  },
  SG1204: {
    summary: 'A window is longer than this version counts.',
    message: 'a window of "{value}" is not supported yet',
    fix: 'Use 1s to 1d; a later version brings longer and calendar windows.',
  },
  SG1205: {
    summary: 'A window is not a length of time.',
    message: '"{value}" is not a length of time',
    fix: 'Write a whole number and its unit, such as 30s, 5m, 1h or 1d.',
  },
  SG1206: {
    summary: 'A header name has characters that no header name has.',
    message: 'header name "{value}" {why}',
    fix: 'Use letters, digits and -, at most 256 characters.',
  },
  SG1207: {
    summary: 'A header that must not be edited or read for keys.',
    message: 'header "{value}" is not open to resources',
    fix: 'Choose another header: {why}.',
  },
  SG1208: {
    summary: 'A header value names an unknown variable.',
    message: 'unknown variable "{value}"',
    fix: 'Use {values}.',
  },
  SG1209: {
    summary: 'A header value cannot be sent.',
    message: 'the header value {why}',
    fix: 'Use printable ASCII and variables; at most 4,096 characters and 16 parts.',
  },
  SG1210: {
    summary: 'A digest is not one. Its text is not shown, as it may be a key.',
    message: 'the digest is not a SHA-256 in hex',
    fix: 'Write the 64 lower-case hex digits of the SHA-256 of the key; never the key itself.',
  },
  SG1211: {
    summary: 'A time cannot be read.',
    message: '"{value}" is not a time',
    fix: 'Write date, time and zone, such as 2026-01-31T12:00:00Z.',
  },
  SG1212: {
    summary: 'A credential would never be valid.',
    message: 'notAfter is not later than notBefore',
    fix: 'Make notAfter the later of the two.',
  },
  SG1213: {
    summary: 'A brand cannot begin a key.',
    message: 'brand "{value}" cannot begin a key',
    fix: 'Use 2–16 lower-case letters and digits, a letter first.',
  },
  SG1214: {
    summary: 'A prefix cannot stand before a key.',
    message: 'the prefix {why}',
    fix: 'Use 1–64 printable ASCII characters, such as "Bearer ".',
  },
  SG1215: {
    summary: 'Brands belong to keys of the own format.',
    message: 'brands have no meaning with keyFormat opaque',
    fix: 'Remove brands, or use keyFormat sidegate.',
  },
  SG1216: {
    summary: 'A base path is not a path.',
    message: 'base path "{value}" {why}',
    fix: 'Use literal segments, such as /v1; no / at the end.',
  },
  SG1217: {
    summary: 'A query parameter or cookie for keys has a name that some servers read otherwise.',
    message: 'parameter name "{value}" has other characters or is too long',
    fix: 'Use 1–64 letters, digits and . _ ~ -.',
  },
  SG1218: {
    summary: 'A network that a key may be used from cannot be read.',
    message: 'network "{value}" {why}',
    fix: 'Write address and length, such as 10.0.0.0/8, 192.0.2.7/32 or 2001:db8::/32.',
  },
  SG1219: {
    summary: 'A referer is not a host name.',
    message: 'referer "{value}" {why}',
    fix: 'Use the host of the page alone, such as app.example.com, or *.example.com.',
  },
  SG1220: {
    summary: 'A principal is not the URI of a certificate in a mesh.',
    message: 'principal "{value}" {why}',
    fix: 'Write it as in the certificate, such as spiffe://cluster.local/ns/shop/sa/web.',
  },
  SG1221: {
    summary: 'The name or text of a claim cannot be compared.',
    message: 'the {what} of a claim is empty, too long or has other characters',
    fix: 'Use printable ASCII: at most 64 characters without spaces for a name, 255 for a text.',
  },
  SG1230: {
    summary: 'An origin is not written as browsers send it.',
    message: 'origin "{value}" {why}',
    fix: 'Use scheme and host, such as https://app.example.com or https://*.example.com, or *.',
  },
  SG1301: {
    summary: 'A reference leads nowhere.',
    message: 'no {kind} "{name}" in namespace "{namespace}"',
    fix: 'Declare it or correct the name.',
  },
  SG1302: {
    summary: 'A resource is declared twice.',
    message: '{kind} "{name}" is declared twice in namespace "{namespace}"',
    fix: 'Keep one of the two; the other stands at {where}.',
  },
  SG1303: {
    summary: 'A name stands twice where it must be unique.',
    message: '{what} "{name}" stands twice',
    fix: 'Give each a name of its own; the other stands at {where}.',
  },
  SG1304: {
    summary: 'An application subscribes to a product twice.',
    message: 'application "{application}" has two subscriptions to product "{product}"',
    fix: 'Keep one of the two; the other stands at {where}.',
  },
  SG1305: {
    summary: 'Two credentials are of one key, principal or claim.',
    message: 'the {what} is that of credential "{other}" as well',
    fix: 'Keep one of the two; the other stands at {where}.',
  },
  SG1306: {
    summary: 'A proxy group name is used in two namespaces; proxies know it by name alone.',
    message: 'proxy group "{name}" is declared in namespace "{other}" as well',
    fix: 'Give one of the two another name; the other stands at {where}.',
  },
  ...MEANING_ERRORS,
} as const satisfies Record<string, ErrorText>;

/** A code of {@link ERRORS}. */
export type ErrorCode = keyof typeof ERRORS;

/** The facts that fill the places of a text. */
export type Facts = Readonly<Record<string, string | number>>;

/** Longest text of a file that a message repeats. */
const SHOWN_MAX = 80;

/**
 * Fills the places in braces. A place without a fact stays, such as the {param} of a template.
 * What comes from a file is shortened and shown without control characters.
 */
export function fill(text: string, facts: Facts): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => {
    const fact = facts[name];
    if (fact === undefined) return place;
    const shown = String(fact).replace(/\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}/gu, ' ');
    const quoted = text.includes(`"${place}"`);
    return quoted && shown.length > SHOWN_MAX ? `${shown.slice(0, SHOWN_MAX - 1)}…` : shown;
  });
}

/** What is wrong with a text: a code, its facts and, where known, which part of the text. */
export interface Fault {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly facts: Facts;
  /** What was probably meant. */
  readonly suggestion?: string;
  /** Part of the text in UTF-16 units; the whole when absent. */
  readonly at?: number;
  readonly length?: number;
}

/** Outcome of reading a text. */
export type Read<T> = { readonly ok: true; readonly value: T } | Fault;

/** A text that was read. */
export function read<T>(value: T): Read<T> {
  return { ok: true, value };
}

/** A text that was not. */
export function fault(code: ErrorCode, facts: Facts, more: Partial<Fault> = {}): Fault {
  return { ...more, ok: false, code, facts };
}
