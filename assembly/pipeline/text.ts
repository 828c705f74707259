/**
 * Writes text into bounded memory: literals, bytes, decimals, hexadecimals. What does not fit is
 * dropped and remembered, so that a writer never runs over its room. It never allocates.
 */

let start: usize = 0;
let at: usize = 0;
let end: usize = 0;
let fits: bool = true;

/** Begins a text in the `bytes` at `room`; an address of 0 has no room. */
export function textBegin(room: usize, bytes: u32): void {
  start = room;
  at = room;
  end = room == 0 ? 0 : room + bytes;
  fits = room != 0;
}

/** Bytes written since `textBegin`. */
export function textLength(): u32 {
  return (at - start) as u32;
}

/** False when something was dropped. */
export function textFits(): bool {
  return fits;
}

/** Writes an ASCII literal. */
export function putLiteral(text: string): void {
  const length = text.length as usize;
  if (length > end - at) {
    fits = false;
    return;
  }
  const from = changetype<usize>(text);
  for (let i: usize = 0; i < length; i++) store<u8>(at + i, load<u16>(from + i * 2) as u8);
  at += length;
}

/** Writes entry `index` of a literal list whose entries are ended by `|`; none beyond its end. */
export function putEntry(list: string, index: u32): void {
  const from = changetype<usize>(list);
  const length = list.length;
  let entry: u32 = 0;
  for (let i = 0; i < length && entry <= index; i++) {
    const letter = load<u16>(from + i * 2);
    if (letter == 0x7c) entry++;
    else if (entry == index) putByte(letter as u8);
  }
}

/** Writes one byte. */
export function putByte(byte: u8): void {
  if (at >= end) {
    fits = false;
    return;
  }
  store<u8>(at, byte);
  at++;
}

/** Writes `length` bytes as they are. */
export function putBytes(from: usize, length: u32): void {
  if ((length as usize) > end - at) {
    fits = false;
    return;
  }
  memory.copy(at, from, length);
  at += length;
}

/** Writes a number in decimal. */
export function putDecimal(value: u64): void {
  let digits: u32 = 1;
  for (let rest = value; rest >= 10; rest /= 10) digits++;
  if ((digits as usize) > end - at) {
    fits = false;
    return;
  }
  let rest = value;
  for (let i = digits; i > 0; i--) {
    store<u8>(at + i - 1, (48 + (rest % 10)) as u8);
    rest /= 10;
  }
  at += digits;
}

/** Writes bytes as lower-case hexadecimal. */
export function putHex(from: usize, length: u32): void {
  for (let i: u32 = 0; i < length; i++) {
    const byte = load<u8>(from + i) as u32;
    putByte(hexDigit(byte >> 4));
    putByte(hexDigit(byte & 15));
  }
}

function hexDigit(value: u32): u8 {
  return (value < 10 ? 48 + value : 87 + value) as u8;
}
