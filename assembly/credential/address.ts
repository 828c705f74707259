/**
 * Reads the addresses of callers, IPv4 and IPv6, with or without a port, into 16 bytes; an IPv4
 * address becomes the IPv6 one that stands for it (RFC 4291, 2.5.5.2), so that both are one. Total
 * on any bytes.
 */
import { findByte, hexDigit } from '../util/bytes';

/** Bytes of an address. */
export const ADDRESS_BYTES: u32 = 16;

/** Where no `::` stands. */
const NO_GAP: u32 = 255;
const COLON: u32 = 0x3a;
const COLONS: u16 = 0x3a3a;
const DOT: u32 = 0x2e;
const PERCENT: u32 = 0x25;
const OPENING_BRACKET: u32 = 0x5b;
const CLOSING_BRACKET: u32 = 0x5d;

/** Writes the address that `length` bytes say at `out`; false when they say none. */
export function readAddress(at: usize, length: u32, out: usize): bool {
  memory.fill(out, 0, ADDRESS_BYTES);
  if (length == 0) return false;
  if (<u32>load<u8>(at) == OPENING_BRACKET) {
    const inside = findByte(at, length, CLOSING_BRACKET);
    if (inside == length) return false;
    return readV6(at + 1, inside - 1, out);
  }
  const colon = findByte(at, length, COLON);
  const behind = colon < length ? length - colon - 1 : 0;
  if (findByte(at + colon + 1, behind, COLON) != behind) return readV6(at, length, out);
  store<u16>(out, 0xffff, 10);
  return readV4(at, colon, out + 12);
}

/** Four decimal numbers up to 255 with dots between them, and nothing else. */
function readV4(at: usize, length: u32, out: usize): bool {
  let from: u32 = 0;
  for (let i: u32 = 0; i < 4; i++) {
    const digits = findByte(at + from, length - from, DOT);
    if (digits == 0 || digits > 3 || (i == 3) != (from + digits == length)) return false;
    let value: u32 = 0;
    for (let digit: u32 = 0; digit < digits; digit++) {
      const byte: u32 = load<u8>(at + from + digit) - 0x30;
      if (byte > 9) return false;
      value = value * 10 + byte;
    }
    if (value > 255) return false;
    store<u8>(out + i, value as u8);
    from += digits + 1;
  }
  return true;
}

/** Up to eight groups with colons between them, `::` for the zeros left out, IPv4 at the end. */
function readV6(at: usize, whole: u32, out: usize): bool {
  // A zone belongs to an interface of one machine and not to the address.
  const length = findByte(at, whole, PERCENT);
  let filled: u32 = 0;
  let gap: u32 = NO_GAP;
  let from: u32 = 0;
  if (length >= 2 && load<u16>(at) == COLONS) {
    gap = 0;
    from = 2;
  }
  while (from < length) {
    const digits = findByte(at + from, length - from, COLON);
    if (digits == 0) {
      if (from == 0 || gap != NO_GAP) return false;
      gap = filled;
      from++;
      continue;
    }
    if (filled + 2 > ADDRESS_BYTES) return false;
    const isLast = from + digits == length;
    if (isLast && findByte(at + from, digits, DOT) != digits) {
      if (filled + 4 > ADDRESS_BYTES || !readV4(at + from, digits, out + filled)) return false;
      return spread(out, filled + 4, gap);
    }
    if (!readGroup(at + from, digits, out + filled)) return false;
    filled += 2;
    if (isLast) break;
    from += digits + 1;
    if (from == length) return false;
  }
  return spread(out, filled, gap);
}

function readGroup(at: usize, digits: u32, out: usize): bool {
  if (digits > 4) return false;
  let value: u32 = 0;
  for (let i: u32 = 0; i < digits; i++) {
    const digit = hexDigit(load<u8>(at + i));
    if (digit > 15) return false;
    value = (value << 4) | digit;
  }
  store<u8>(out, (value >> 8) as u8);
  store<u8>(out, value as u8, 1);
  return true;
}

/** Moves what stands behind the gap to the end and fills the gap with zeros. */
function spread(out: usize, filled: u32, gap: u32): bool {
  if (gap == NO_GAP) return filled == ADDRESS_BYTES;
  if (filled == ADDRESS_BYTES) return false;
  const behind = filled - gap;
  memory.copy(out + ADDRESS_BYTES - behind, out + gap, behind);
  memory.fill(out + gap, 0, ADDRESS_BYTES - filled);
  return true;
}
