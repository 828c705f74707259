/**
 * Memory and texts for the specs: bytes from literals and hexadecimal, and a seeded generator. It
 * allocates as it likes; nothing of the filter may import it.
 */

/** The bytes of an ASCII or UTF-8 text; they stay for the whole spec. */
export class Text {
  /** Kept so that the collector leaves the bytes alone. */
  private bytes: ArrayBuffer;
  at: usize;
  length: u32;

  constructor(text: string) {
    this.bytes = String.UTF8.encode(text);
    this.at = changetype<usize>(this.bytes);
    this.length = <u32>this.bytes.byteLength;
    kept.push(this.bytes);
  }
}

const kept: ArrayBuffer[] = [];

/** `length` zero bytes that stay for the whole spec. */
export function room(length: u32): usize {
  const bytes = new ArrayBuffer(<i32>length);
  kept.push(bytes);
  return changetype<usize>(bytes);
}

/**
 * The last `length` bytes of the memory: a read beyond them traps, as long as nothing else grows
 * the memory. Whoever uses them allocates before, not after.
 */
export function lastRoom(length: u32): usize {
  memory.grow(<i32>((length >> 16) + 1));
  return ((<usize>memory.size()) << 16) - length;
}

/** The bytes as lower-case hexadecimal. */
export function hex(at: usize, length: u32): string {
  let text = '';
  for (let i: u32 = 0; i < length; i++) {
    text += (<u32>load<u8>(at + i)).toString(16).padStart(2, '0');
  }
  return text;
}

/** The bytes as text. */
export function textOf(at: usize, length: u32): string {
  return String.UTF8.decodeUnsafe(at, length);
}

let state: u64 = 0;

/** Starts the generator over; the seed is part of the message of every check that uses it. */
export function seed(value: u64): void {
  state = value | 1;
}

/** The next number of the generator (xorshift64*). */
export function next(): u32 {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return <u32>((state * 0x2545f4914f6cdd1d) >> 32);
}

/** A number from 0 up to but without `bound`. */
export function below(bound: u32): u32 {
  return <u32>((<u64>next() * bound) >> 32);
}
