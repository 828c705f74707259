/**
 * Writes the binary messages of docs/wire.md: little-endian integers, string references, sections
 * and the message header. It knows the frame alone and must never know what a section means.
 */
import { crc32 } from 'node:zlib';

/** Marks an absent index in a table. */
export const NONE = 0xffffffff;

/** Bytes of the header of a message. */
export const HEADER_BYTES = 16;

/** Major version of every message format written here. */
export const FORMAT_MAJOR = 1;

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** A growing run of bytes. Integers out of their range throw: what is written was validated. */
export class ByteWriter {
  readonly #capacity: number;
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;
  /** Where what was not taken yet begins. */
  #from = 0;

  /** Starts empty; `capacity` only spares copies. */
  constructor(capacity = 256) {
    this.#capacity = capacity;
    this.#bytes = Buffer.allocUnsafe(capacity);
    this.#view = viewOf(this.#bytes);
  }

  /** Bytes written so far and not taken. */
  get length(): number {
    return this.#length - this.#from;
  }

  u8(value: number): this {
    const at = this.#grow(1, value, 0xff);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2, value, 0xffff);
    this.#view.setUint16(at, value, true);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4, value, 0xffffffff);
    this.#view.setUint32(at, value, true);
    return this;
  }

  /** Writes a u64 from a safe integer or a bigint of 0 … 2^64-1. */
  u64(value: number | bigint): this {
    if (typeof value === 'bigint') {
      if (value < 0n || value > 0xffffffffffffffffn) throw new RangeError(`not a u64: ${value}`);
      this.#view.setBigUint64(this.#grow(8, 0, 0), value, true);
      return this;
    }
    const at = this.#grow(8, value, Number.MAX_SAFE_INTEGER);
    const high = value <= 0xffffffff ? 0 : Math.floor(value / 0x100000000);
    this.#view.setUint32(at, value - high * 0x100000000, true);
    this.#view.setUint32(at + 4, high, true);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length, 0, 0);
    this.#bytes.set(value, at);
    return this;
  }

  /** Writes a text of ASCII alone; any other throws. */
  ascii(value: string): this {
    const at = this.#grow(value.length, 0, 0);
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) throw new RangeError(`not ASCII: ${value}`);
      this.#bytes[at + i] = code;
    }
    return this;
  }

  /** Writes `count` zero bytes. */
  zero(count: number): this {
    const at = this.#grow(count, 0, 0);
    for (let i = 0; i < count; i++) this.#bytes[at + i] = 0;
    return this;
  }

  /** A copy of what was written and not taken. */
  finish(): Uint8Array {
    return new Uint8Array(this.#bytes.subarray(this.#from, this.#length));
  }

  /**
   * What was written since the last taking, without a copy: many small pieces share few blocks of
   * memory, each of this writer's capacity. Nothing is written there any more.
   */
  take(): Uint8Array {
    const { buffer, byteOffset } = this.#bytes;
    const taken = new Uint8Array(buffer, byteOffset + this.#from, this.length);
    this.#from = this.#length;
    return taken;
  }

  /** Makes room for `count` bytes, checks the value that goes there and answers its place. */
  #grow(count: number, value: number, most: number): number {
    if (!Number.isSafeInteger(value) || value < 0 || value > most) {
      throw new RangeError(`not an integer of 0 … ${most}: ${value}`);
    }
    if (this.#length + count > this.#bytes.length) this.#move(count);
    const at = this.#length;
    this.#length = at + count;
    return at;
  }

  /** Goes on in another block, which has room for `count` bytes more. */
  #move(count: number): void {
    const held = this.#bytes.subarray(this.#from, this.#length);
    const least = this.#from > 0 ? this.#capacity : this.#bytes.length * 2;
    const next = Buffer.allocUnsafe(Math.max(held.length + count, least));
    next.set(held);
    this.#length = held.length;
    this.#from = 0;
    this.#bytes = next;
    this.#view = viewOf(next);
  }
}

/** One section of a message. */
export interface Section {
  readonly kind: number;
  readonly optional?: boolean;
  readonly body: Uint8Array;
}

/** The body of a table section: its header of 8 bytes and the records one after another. */
export function tableBody(recordLength: number, count: number, records: Uint8Array): Uint8Array {
  if (records.length !== recordLength * count) throw new RangeError('records of another length');
  return new ByteWriter(8 + records.length)
    .u16(recordLength)
    .u16(0)
    .u32(count)
    .bytes(records)
    .finish();
}

/** A whole message: header, then the sections, which must come in ascending kind. */
export function writeMessage(magic: string, sections: readonly Section[]): Uint8Array {
  const body = new ByteWriter(sections.reduce((sum, s) => sum + s.body.length + 8, 0));
  let last = 0;
  for (const section of sections) {
    if (section.kind <= last) throw new RangeError(`section ${section.kind} after ${last}`);
    last = section.kind;
    body
      .u16(section.kind)
      .u16(section.optional === true ? 1 : 0)
      .u32(section.body.length);
    body.bytes(section.body);
  }
  const rest = body.finish();
  const message = new ByteWriter(HEADER_BYTES + rest.length);
  for (const letter of magic) message.u8(letter.charCodeAt(0));
  message.u16(FORMAT_MAJOR).u16(0);
  message
    .u32(HEADER_BYTES + rest.length)
    .u32(crc32(rest))
    .bytes(rest);
  return message.finish();
}

/**
 * Collects the STRINGS section of a message. The same text gets the same place, so that equal
 * contents give equal bytes; the empty text is `{0, 0}`.
 */
export class StringPool {
  readonly #places = new Map<string, number>();
  readonly #writer = new ByteWriter(4096);
  readonly #encoder = new TextEncoder();

  /** Appends the reference of `text` (8 bytes) to `target`. */
  reference(text: string, target: ByteWriter): void {
    if (text === '') {
      target.u32(0).u32(0);
      return;
    }
    const bytes = this.#encoder.encode(text);
    let offset = this.#places.get(text);
    if (offset === undefined) {
      offset = this.#writer.length;
      this.#places.set(text, offset);
      this.#writer.bytes(bytes);
    }
    target.u32(offset).u32(bytes.length);
  }

  /** The section's body. */
  finish(): Uint8Array {
    return this.#writer.finish();
  }
}
