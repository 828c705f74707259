/**
 * Walks the `name=value` fields of a query or of a cookie header the way servers read them: split
 * at `&` or `;`, names and values percent-decoded, `+` a space in a query, quotes around a cookie
 * gone. It knows no policy and reads no byte outside of its text.
 */
import { KEY_BYTES_MAX } from '../limits';
import { hexDigit } from '../util/bytes';

const AMPERSAND: u32 = 0x26;
const SEMICOLON: u32 = 0x3b;
const EQUALS: u32 = 0x3d;
const PLUS: u32 = 0x2b;
const PERCENT: u32 = 0x25;
const SPACE: u32 = 0x20;
const TAB: u32 = 0x09;
const QUOTE: u32 = 0x22;

/** The value of one field, decoded: one byte more than a key may have, so that too long shows. */
const VALUE: usize = memory.data(520, 8);

let cookie: bool = false;
/** Where the text goes on, and where it ends. */
let rest: usize = 0;
let end: usize = 0;
/** The field as it stands, and the cursor of the decoder in it. */
let from: usize = 0;
let to: usize = 0;
let at: usize = 0;
let more: bool = false;
let valueBytes: u32 = 0;

/** Begins with the fields of a text: a cookie header, else a query. */
export function fieldsBegin(text: usize, length: u32, isCookie: bool): void {
  cookie = isCookie;
  rest = text;
  end = text + length;
  more = true;
}

/** Goes to the next field, an empty one included; false at the end. */
export function nextField(): bool {
  if (!more) return false;
  const separator: u32 = fieldSeparator();
  from = rest;
  at = rest;
  while (rest < end && <u32>load<u8>(rest) != separator) rest++;
  to = rest;
  more = rest < end;
  rest++;
  return true;
}

/**
 * Copies the field as it stands to `target`, which lies before it; answers the bytes written.
 * `isFirst`: the blanks that parted a cookie from the one before it are left out.
 */
export function moveField(target: usize, isFirst: bool): u32 {
  let begin = from;
  if (cookie && isFirst) while (begin < to && isBlank(load<u8>(begin))) begin++;
  memory.copy(target, begin, to - begin);
  return <u32>(to - begin);
}

/** What parts two fields. */
export function fieldSeparator(): u8 {
  return <u8>(cookie ? SEMICOLON : AMPERSAND);
}

/** The next byte at the cursor, decoded. A `%` without two digits stands for itself. */
function decoded(): u32 {
  const byte: u32 = load<u8>(at);
  at++;
  if (byte == PLUS && !cookie) return SPACE;
  if (byte != PERCENT || to - at < 2) return byte;
  const high = hexDigit(load<u8>(at));
  const low = hexDigit(load<u8>(at + 1));
  if (high > 15 || low > 15) return byte;
  at += 2;
  return (high << 4) | low;
}

function isBlank(byte: u32): bool {
  return byte == SPACE || byte == TAB;
}

/** Whether the field has this name; then the cursor stands before its value. */
export function fieldIsNamed(name: usize, length: u32): bool {
  at = from;
  if (cookie) while (at < to && isBlank(load<u8>(at))) at++;
  for (let i: u32 = 0; i < length; i++) {
    if (at == to || <u32>load<u8>(at) == EQUALS) return false;
    if (decoded() != <u32>load<u8>(name + i)) return false;
  }
  if (cookie) while (at < to && isBlank(load<u8>(at))) at++;
  if (at == to || <u32>load<u8>(at) != EQUALS) return false;
  at++;
  return true;
}

/** Whether the field has a value, whatever its name; then the cursor stands before it. */
export function fieldHasValue(): bool {
  at = from;
  while (at < to && <u32>load<u8>(at) != EQUALS) at++;
  at++;
  return at <= to;
}

/**
 * Decodes the value at the cursor, blanks around it left out; `fieldValueLength` tells its bytes.
 * One above `KEY_BYTES_MAX` is read no further than it takes to see that.
 */
export function fieldValue(): usize {
  let last = to;
  if (cookie) {
    while (at < last && isBlank(load<u8>(at))) at++;
    while (at < last && isBlank(load<u8>(last - 1))) last--;
    if (last - at >= 2 && <u32>load<u8>(at) == QUOTE && <u32>load<u8>(last - 1) == QUOTE) {
      at++;
      last--;
    }
  }
  let length: u32 = 0;
  let used: u32 = 0;
  while (at < last && length <= KEY_BYTES_MAX) {
    const byte = decoded();
    if (isBlank(byte) && length == 0) continue;
    store<u8>(VALUE + length, <u8>byte);
    length++;
    if (!isBlank(byte)) used = length;
  }
  valueBytes = length > KEY_BYTES_MAX ? length : used;
  return VALUE;
}

/** Bytes of the value read last. */
export function fieldValueLength(): u32 {
  return valueBytes;
}
