/**
 * Cuts the path of a request into segments in their normal form, and refuses paths that two servers
 * may read differently: what is matched here must be what the service behind sees. It knows no
 * policy.
 */
import { SEGMENT_BYTES_MAX, SEGMENTS_MAX } from '../limits';
import { Byte, hexDigit } from '../util/bytes';

/** Answers of `readPath`. */
export const PATH_READ: i32 = 0;
export const PATH_AMBIGUOUS: i32 = 1;
export const PATH_TOO_LONG: i32 = 2;

/** Per segment: address u32, length u32. */
function segments(): usize {
  return memory.data(SEGMENTS_MAX * 8, 8);
}
const DECODED_BYTES: u32 = 256;
/** Room for the normal form of segments with escapes. */
function decodedRoom(): usize {
  return memory.data(SEGMENTS_MAX * DECODED_BYTES, 8);
}

let count: u32 = 0;
/** Whether the segment being read has escapes. */
let escapes: bool = false;

const SLASH: u32 = 0x2f;
const DOT: u32 = 0x2e;
const DOTS: u16 = 0x2e2e;
const PERCENT: u32 = 0x25;

/** Segments of the path read last; at most `SEGMENTS_MAX`. */
export function segmentCount(): u32 {
  return count;
}

/** The bytes of a segment: in the request, or in room of ours that stands until the next path. */
export function segmentAt(index: u32): usize {
  return load<u32>(segments() + (index << 3));
}

/** Bytes of a segment in normal form. Of those above `SEGMENT_BYTES_MAX` no more may be read. */
export function segmentLength(index: u32): u32 {
  return load<u32>(segments() + (index << 3), 4);
}

/** Whether a byte needs no escape anywhere in a path (RFC 3986, unreserved). */
function isUnreserved(byte: u32): bool {
  return Byte.isAlphanumeric(byte) || byte == 0x2d || byte == DOT || byte == 0x5f || byte == 0x7e;
}

/** Whether a byte must not stand in a path: what some servers cut at, split by or drop. */
function isRefused(byte: u32): bool {
  return byte < 0x21 || byte > 0x7e || byte == 0x3b || byte == 0x5c;
}

/**
 * Whether an escaped byte must not stand in a path: separators that some servers decode early, and
 * what needs no escape. A proxy that normalises has decoded the latter before it is seen here; one
 * that does not would choose its route by the escape, and the service behind by the letter.
 */
function isRefusedEscape(byte: u32): bool {
  return byte == SLASH || byte == 0x5c || byte == 0 || isUnreserved(byte);
}

function isEnd(byte: u32): bool {
  return byte == 0x3f || byte == 0x23;
}

/**
 * Reads a path up to its query. Ambiguous are paths that do not begin with `/`, hold an empty
 * segment before the last, `.` or `..`, escapes of separators, of zeros or of what needs none, `;`,
 * `\`, bytes outside of visible ASCII, or a `%` without two digits. A path that is not ambiguous
 * but has more than `SEGMENTS_MAX` segments is too long.
 */
export function readPath(path: usize, length: u32): i32 {
  count = 0;
  if (length == 0 || <u32>load<u8>(path) != SLASH) return PATH_AMBIGUOUS;
  let tooLong = false;
  let from: u32 = 1;
  while (true) {
    const end = readSegment(path, from, length);
    if (end == 0) return PATH_AMBIGUOUS;
    const isLast = end == length || isEnd(load<u8>(path + end));
    if ((end == from && !isLast) || isDots(path + from, end - from)) return PATH_AMBIGUOUS;
    if (count < SEGMENTS_MAX) {
      addSegment(path + from, end - from);
    } else {
      tooLong = true;
    }
    if (isLast) return tooLong ? PATH_TOO_LONG : PATH_READ;
    from = end + 1;
  }
}

/** Whether a segment is `.` or `..`; dots that are escaped are refused before. */
function isDots(at: usize, length: u32): bool {
  if (length == 1) return <u32>load<u8>(at) == DOT;
  return length == 2 && load<u16>(at) == DOTS;
}

/** Where the segment from `from` on ends, or 0 if it is ambiguous. */
function readSegment(path: usize, from: u32, length: u32): u32 {
  escapes = false;
  let at = from;
  for (; at < length; at++) {
    const byte: u32 = load<u8>(path + at);
    if (Byte.isAlphanumeric(byte)) continue;
    if (byte == SLASH || isEnd(byte)) break;
    if (byte != PERCENT) {
      if (isRefused(byte)) return 0;
      continue;
    }
    if (length - at < 3) return 0;
    const high = hexDigit(load<u8>(path + at + 1));
    const low = hexDigit(load<u8>(path + at + 2));
    if (high > 15 || low > 15) return 0;
    const escaped = (high << 4) | low;
    if (isRefusedEscape(escaped)) return 0;
    escapes = true;
    at += 2;
  }
  return at;
}

/**
 * Adds a segment of `length` bytes as sent; one with escapes is put into normal form, which has as
 * many.
 */
function addSegment(at: usize, length: u32): void {
  let place = at;
  if (escapes) {
    place = decodedRoom() + count * DECODED_BYTES;
    // A longer one equals no segment of a template, so that its bytes do not matter.
    if (length <= SEGMENT_BYTES_MAX) decode(at, length, place);
  }
  const segment = segments() + (count << 3);
  store<u32>(segment, <u32>place);
  store<u32>(segment, length, 4);
  count++;
}

/** Writes the normal form: escapes in capitals. */
function decode(from: usize, length: u32, to: usize): void {
  for (let i: u32 = 0; i < length; i++) {
    const byte: u32 = load<u8>(from + i);
    if (byte != PERCENT) {
      store<u8>(to++, <u8>byte);
      continue;
    }
    store<u8>(to++, <u8>PERCENT);
    store<u8>(to++, capitalDigit(hexDigit(load<u8>(from + i + 1))));
    store<u8>(to++, capitalDigit(hexDigit(load<u8>(from + i + 2))));
    i += 2;
  }
}

function capitalDigit(value: u32): u8 {
  return <u8>(value < 10 ? 0x30 + value : 0x37 + value);
}
