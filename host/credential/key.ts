/**
 * Makes and checks keys: `<brand>_<30 base62><6 base62 CRC-32>`. A key leaves here wrapped as a
 * secret; only its digest and display prefix may be kept anywhere.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Secret } from './secret.ts';

/** Answers that many random bytes of a cryptographic generator. */
export type RandomBytes = (count: number) => Uint8Array;

/** A fresh key with everything that may be kept of it. */
export interface FreshKey {
  /** Shown to its owner once, then forgotten. */
  readonly key: Secret;
  /** SHA-256 of the key, 32 bytes. */
  readonly digest: Uint8Array;
  /** First characters of the key, for people to tell keys apart. */
  readonly displayPrefix: string;
}

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Random characters of a key: 30 of 62 give 178 bits. */
export const KEY_RANDOM_LENGTH = 30;

/** Characters of the checksum: the least that hold 32 bits in base 62. */
export const KEY_CHECKSUM_LENGTH = 6;

/** Random characters shown in a display prefix: enough to tell keys apart, too few to matter. */
const DISPLAY_LENGTH = 6;

/** Brand of keys unless a product names others. */
export const DEFAULT_BRAND = 'sg';

/** A brand: a lower-case letter, then letters and digits, 2–16 characters in all. */
export const BRAND_PATTERN = /^[a-z][a-z0-9]{1,15}$/;

/** Bytes from this value on are thrown away: 62 does not divide 256, and they would skew. */
const REJECT_FROM = 256 - (256 % ALPHABET.length);

/** Makes a key of a brand that matches BRAND_PATTERN. */
export function makeKey(brand: string, randomBytes: RandomBytes): FreshKey {
  let body = `${brand}_`;
  const length = body.length + KEY_RANDOM_LENGTH;
  while (body.length < length) {
    for (const byte of randomBytes(length - body.length)) {
      if (byte < REJECT_FROM && body.length < length) body += ALPHABET[byte % ALPHABET.length];
    }
  }
  const key = body + checksum(body);
  return { key: new Secret(key), digest: digestOf(key), displayPrefix: displayPrefix(key) };
}

/** SHA-256 of a key's bytes in UTF-8, 32 bytes. */
export function digestOf(key: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(key).digest());
}

/** Whether a text is a well-formed key of one of the brands, checksum included. */
export function hasKeyFormat(text: string, brands: readonly string[]): boolean {
  const tail = KEY_RANDOM_LENGTH + KEY_CHECKSUM_LENGTH;
  const brand = text.slice(0, -tail - 1);
  if (text.length !== brand.length + 1 + tail || !brands.includes(brand)) return false;
  if (text[brand.length] !== '_' || !/^[0-9A-Za-z]+$/.test(text.slice(brand.length + 1))) {
    return false;
  }
  const body = text.slice(0, -KEY_CHECKSUM_LENGTH);
  return text.slice(-KEY_CHECKSUM_LENGTH) === checksum(body);
}

/** Brand, `_` and the first characters of a key in Sidegate's format. */
export function displayPrefix(key: string): string {
  return key.slice(0, key.indexOf('_') + 1 + DISPLAY_LENGTH);
}

/** CRC-32 (IEEE) of an ASCII text in base 62, most significant first, padded with `0`. */
export function checksum(body: string): string {
  let rest = crc32(body);
  let text = '';
  for (let i = 0; i < KEY_CHECKSUM_LENGTH; i++) {
    text = ALPHABET[rest % ALPHABET.length] + text;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return text;
}
