/**
 * Writes messages of docs/wire.md for the specs: integers, sections, tables, checksum. It is its
 * own reading of that page and must never import the filter's reader.
 */
import { crc32 } from '../../../assembly/util/crc32';
import { room } from './bytes';

/** A growing run of little-endian bytes. */
export class Writer {
  bytes: u8[] = [];

  u8(value: u32): Writer {
    this.bytes.push(<u8>value);
    return this;
  }

  u16(value: u32): Writer {
    return this.u8(value).u8(value >> 8);
  }

  u32(value: u32): Writer {
    return this.u16(value).u16(value >> 16);
  }

  u64(value: u64): Writer {
    return this.u32(<u32>value).u32(<u32>(value >> 32));
  }

  zero(count: u32): Writer {
    for (let i: u32 = 0; i < count; i++) this.bytes.push(0);
    return this;
  }

  text(text: string): Writer {
    const bytes = String.UTF8.encode(text);
    for (let i = 0; i < bytes.byteLength; i++) {
      this.bytes.push(load<u8>(changetype<usize>(bytes) + i));
    }
    return this;
  }

  add(other: Writer): Writer {
    for (let i = 0; i < other.bytes.length; i++) this.bytes.push(other.bytes[i]);
    return this;
  }

  /** The bytes from `from` up to but without `to`. */
  part(from: i32, to: i32): Writer {
    const part = new Writer();
    part.bytes = this.bytes.slice(from, to);
    return part;
  }

  get length(): u32 {
    return <u32>this.bytes.length;
  }

  /** Copies the bytes to memory that stays, `before` zero bytes in front of them. */
  place(before: u32 = 0): usize {
    const at = room(before + this.length);
    for (let i = 0; i < this.bytes.length; i++) store<u8>(at + before + i, this.bytes[i]);
    return at;
  }
}

/** Adds a section. */
export function section(to: Writer, kind: u32, body: Writer, flags: u32 = 0): void {
  to.u16(kind).u16(flags).u32(body.length).add(body);
}

/** A table of `count` records of `recordLength` bytes that were written one after another. */
export function table(recordLength: u32, records: Writer): Writer {
  const count = records.length / recordLength;
  return new Writer().u16(recordLength).u16(0).u32(count).add(records);
}

/** A message of sections: its header, checksum included, and then them. */
export function message(magic: string, sections: Writer): Writer {
  const whole = new Writer().text(magic).u16(1).u16(0);
  const sum = crc32(sections.place(), sections.length);
  return whole
    .u32(16 + sections.length)
    .u32(sum)
    .add(sections);
}

/** Writes the checksum of a message anew after some of its bytes were changed. */
export function seal(at: usize, length: u32): void {
  if (length >= 16) store<u32>(at, crc32(at + 16, length - 16), 12);
}
