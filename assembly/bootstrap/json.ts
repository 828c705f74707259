/**
 * A cursor over JSON text: strings, integers and punctuation, as far as the plugin configuration
 * needs them. Total on any bytes: it answers codes and never reads beyond the text.
 */

const OK: u32 = 0;
const NOT_JSON: u32 = 2;
const WRONG_TYPE: u32 = 5;
const OUT_OF_BOUNDS: u32 = 6;

let at: usize = 0;
let end: usize = 0;
let value: u64 = 0;

/** Begins to read `length` bytes at `from`. */
export function jsonBegin(from: usize, length: u32): void {
  at = from;
  end = from + length;
}

function skipBlanks(): void {
  while (at < end) {
    const byte = load<u8>(at);
    if (byte != 0x20 && byte != 0x09 && byte != 0x0a && byte != 0x0d) return;
    at++;
  }
}

/** The address of the next byte that is not blank. */
export function jsonByte(): usize {
  skipBlanks();
  return at;
}

/** The next byte that is not blank, not taken; 0 at the end. */
export function jsonPeek(): u32 {
  skipBlanks();
  return at < end ? load<u8>(at) : 0;
}

/** Takes the next byte that is not blank if it is `byte`. */
export function jsonTake(byte: u32): bool {
  if (jsonPeek() != byte || at >= end) return false;
  at++;
  return true;
}

/** True when nothing but blanks is left. */
export function jsonEnd(): bool {
  skipBlanks();
  return at == end;
}

/** The integer read last. */
export function jsonValue(): u64 {
  return value;
}

/**
 * Reads a string into the `most` bytes at `to`; answers its length, -1 when it is no string and
 * -2 when it is longer or holds a NUL. Escapes are decoded to UTF-8.
 */
export function jsonString(to: usize, most: i32): i32 {
  if (!jsonTake(0x22)) return -1;
  let length = 0;
  let bounded = true;
  while (at < end) {
    const byte = load<u8>(at) as u32;
    at++;
    if (byte == 0x22) return bounded ? length : -2;
    if (byte < 0x20) return -1;
    let point = byte;
    let raw = true;
    if (byte == 0x5c) {
      const escaped = readEscape();
      if (escaped < 0) return -1;
      point = escaped as u32;
      raw = false;
    }
    const size = raw || point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (point == 0 || length + size > most) bounded = false;
    if (!bounded) continue;
    writePoint(to + length, point, size);
    length += size;
  }
  return -1;
}

function writePoint(to: usize, point: u32, size: i32): void {
  if (size == 1) {
    store<u8>(to, point as u8);
    return;
  }
  for (let i = size - 1; i > 0; i--) {
    store<u8>(to + i, (0x80 | (point & 0x3f)) as u8);
    point >>= 6;
  }
  const lead: u32 = size == 2 ? 0xc0 : size == 3 ? 0xe0 : 0xf0;
  store<u8>(to, (lead | point) as u8);
}

/** The code point of the escape whose backslash was taken, or -1. */
function readEscape(): i32 {
  if (at >= end) return -1;
  const byte = load<u8>(at);
  at++;
  switch (byte) {
    case 0x22:
    case 0x5c:
    case 0x2f:
      return byte;
    case 0x62:
      return 8;
    case 0x66:
      return 12;
    case 0x6e:
      return 10;
    case 0x72:
      return 13;
    case 0x74:
      return 9;
    case 0x75:
      break;
    default:
      return -1;
  }
  const first = readHex();
  if (first < 0xd800 || first > 0xdfff) return first;
  if (first > 0xdbff || end - at < 6) return -1;
  if (load<u8>(at) != 0x5c || load<u8>(at, 1) != 0x75) return -1;
  at += 2;
  const second = readHex();
  if (second < 0xdc00 || second > 0xdfff) return -1;
  return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
}

function readHex(): i32 {
  if (end - at < 4) return -1;
  let point = 0;
  for (let i = 0; i < 4; i++) {
    const byte = load<u8>(at) as i32;
    const lower = byte | 0x20;
    let digit = -1;
    if (byte >= 0x30 && byte <= 0x39) digit = byte - 0x30;
    else if (lower >= 0x61 && lower <= 0x66) digit = lower - 0x57;
    if (digit < 0) return -1;
    point = (point << 4) | digit;
    at++;
  }
  return point;
}

/**
 * Reads a number that must be a whole one of at most 19 digits, written in any way JSON knows
 * (proxies write `8.64e+07` for large ones); its value is then `jsonValue()`.
 */
export function jsonInteger(): u32 {
  const begin = jsonPeek();
  const negative = begin == 0x2d;
  if (!negative && (begin < 0x30 || begin > 0x39)) return begin == 0 ? NOT_JSON : WRONG_TYPE;
  if (negative) at++;
  let digits: u64 = 0;
  let count: i32 = 0;
  let scale: i32 = 0;
  const first = at;
  let dot: usize = 0;
  while (at < end) {
    const byte = load<u8>(at);
    if (byte == 0x2e && dot == 0 && at > first) {
      dot = at;
      at++;
      continue;
    }
    if (byte < 0x30 || byte > 0x39) break;
    if (++count > 19) return OUT_OF_BOUNDS;
    digits = digits * 10 + (byte - 0x30);
    if (dot != 0) scale--;
    at++;
  }
  if (count == 0 || dot == at - 1) return NOT_JSON;
  if (load<u8>(first) == 0x30 && count > 1 && dot != first + 1) return NOT_JSON;
  if (!readExponent()) return NOT_JSON;
  scale += value as i32;
  if (negative && digits != 0) return OUT_OF_BOUNDS;
  return setScaled(digits, scale);
}

/** Reads an optional exponent and leaves it, signed, in `value`. */
function readExponent(): bool {
  value = 0;
  if (at >= end || (load<u8>(at) | 0x20) != 0x65) return true;
  at++;
  let minus = false;
  if (at < end && (load<u8>(at) == 0x2b || load<u8>(at) == 0x2d)) {
    minus = load<u8>(at) == 0x2d;
    at++;
  }
  const first = at;
  let exponent: i32 = 0;
  while (at < end && load<u8>(at) >= 0x30 && load<u8>(at) <= 0x39) {
    if (exponent < 1000) exponent = exponent * 10 + (load<u8>(at) - 0x30);
    at++;
  }
  value = (minus ? -exponent : exponent) as u64;
  return at > first;
}

function setScaled(digits: u64, scale: i32): u32 {
  value = digits;
  if (digits == 0) return OK;
  for (; scale < 0; scale++) {
    if (value % 10 != 0) return OUT_OF_BOUNDS;
    value /= 10;
  }
  for (; scale > 0; scale--) {
    if (value > u64.MAX_VALUE / 10) return OUT_OF_BOUNDS;
    value *= 10;
  }
  return OK;
}
