/**
 * A guest's memory as the host sees it: bounds-checked reads and writes, and texts as byte strings.
 *
 * A **byte string** is a JavaScript string with one character (U+0000–U+00FF) per byte; header
 * names and values, property paths and log lines travel through the emulator in that form, because
 * they may hold any byte. Nothing here interprets what is read.
 */
import { decodePairs, type Pair } from './pairs.ts';

/** Turns text into a byte string: as it is if every character fits a byte, else as UTF-8. */
export function byteString(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0xff) return Buffer.from(text, 'utf8').toString('latin1');
  }
  return text;
}

/** The bytes of a byte string. */
export function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

/** Lower case for ASCII letters only; every other byte stays. */
export function asciiLowerCase(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x41 && code <= 0x5a) {
      return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    }
  }
  return text;
}

/** The memory of one instance. Views are renewed when the guest grows it. */
export class GuestMemory {
  readonly #memory: WebAssembly.Memory;
  #bytes: Buffer<ArrayBuffer>;
  #view: DataView;
  /** How often the memory was found grown. */
  growths = 0;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
    this.#bytes = Buffer.from(memory.buffer);
    this.#view = new DataView(memory.buffer);
  }

  /** All of the memory; valid until the guest runs again. */
  get bytes(): Buffer<ArrayBuffer> {
    if (this.#bytes.length === 0) this.#renew();
    return this.#bytes;
  }

  /** The size in bytes. */
  get size(): number {
    return this.bytes.length;
  }

  /** Renews the views after growth; answers whether the memory has grown. */
  #renew(): void {
    this.#bytes = Buffer.from(this.#memory.buffer);
    this.#view = new DataView(this.#memory.buffer);
    this.growths++;
  }

  /** Whether [at, at + length) lies inside; both are taken as unsigned 32-bit numbers. */
  holds(at: number, length: number): boolean {
    return at + length <= this.size;
  }

  /** The bytes of [at, at + length) as a byte string, or undefined if they lie outside. */
  text(at: number, length: number): string | undefined {
    const from = at >>> 0;
    const to = from + (length >>> 0);
    return to <= this.size ? this.#bytes.toString('latin1', from, to) : undefined;
  }

  /** A copy of [at, at + length), or undefined if they lie outside. */
  copy(at: number, length: number): Uint8Array<ArrayBuffer> | undefined {
    const from = at >>> 0;
    const to = from + (length >>> 0);
    return to <= this.size ? new Uint8Array(this.#bytes.subarray(from, to)) : undefined;
  }

  /** The pairs in [at, at + length), or undefined if they lie outside. */
  pairs(at: number, length: number): Pair[] | undefined {
    const from = at >>> 0;
    const size = length >>> 0;
    return from + size <= this.size ? decodePairs(this.#bytes, from, size) : undefined;
  }

  /** Writes bytes; false if they do not fit. */
  write(at: number, bytes: Uint8Array): boolean {
    const from = at >>> 0;
    if (from + bytes.length > this.size) return false;
    this.#bytes.set(bytes, from);
    return true;
  }

  /** Writes a byte string; false if it does not fit. */
  writeText(at: number, text: string): boolean {
    const from = at >>> 0;
    if (from + text.length > this.size) return false;
    this.#bytes.write(text, from, 'latin1');
    return true;
  }

  /** Reads a u32, or undefined outside. */
  u32(at: number): number | undefined {
    const from = at >>> 0;
    return from + 4 <= this.size ? this.#view.getUint32(from, true) : undefined;
  }

  /** Writes a u32; false outside. */
  setU32(at: number, value: number): boolean {
    const from = at >>> 0;
    if (from + 4 > this.size) return false;
    this.#view.setUint32(from, value, true);
    return true;
  }

  /** Writes a u64; false outside. */
  setU64(at: number, value: bigint): boolean {
    const from = at >>> 0;
    if (from + 8 > this.size) return false;
    this.#view.setBigUint64(from, value, true);
    return true;
  }
}
