/**
 * Reads the binary messages of docs/wire.md: integers, string references, sections, tables and the
 * message header. It is total on any bytes: what is wrong comes back as a code, it never throws,
 * and it must never know what a section means.
 */
import { crc32 } from 'node:zlib';
import { FORMAT_MAJOR, HEADER_BYTES } from './bytes.ts';

/** Why a message is refused. Names are stable. */
export type WireCode =
  | 'truncated'
  | 'wrong_magic'
  | 'wrong_major'
  | 'wrong_length'
  | 'wrong_crc'
  | 'wrong_section'
  | 'missing_section'
  | 'wrong_table'
  | 'wrong_value';

/** A message as read, or why it is refused as a whole. */
export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: WireCode; readonly what: string };

/** A refusal; `what` names the place in words of docs/wire.md. */
export function refuse(code: WireCode, what: string): Decoded<never> {
  return { ok: false, code, what };
}

/**
 * Reads forward through bytes. The first read that does not fit, or whose value is out of bounds,
 * fails the reader: it then answers zeros, and `code` says why. Callers check `code` once.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #code: WireCode | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Why reading failed, or undefined while all is well. */
  get code(): WireCode | undefined {
    return this.#code;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : this.#view.getUint8(at);
  }

  u16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : this.#view.getUint16(at, true);
  }

  u32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#view.getUint32(at, true);
  }

  /** Any u64. */
  u64(): bigint {
    const at = this.#take(8);
    return at < 0 ? 0n : this.#view.getBigUint64(at, true);
  }

  /** A u64 that must be a safe integer, as all ids, revisions, times and counters are. */
  safe(): number {
    const at = this.#take(8);
    if (at < 0) return 0;
    const high = this.#view.getUint32(at + 4, true);
    if (high > 0x1fffff) {
      this.fail('wrong_value');
      return 0;
    }
    return high * 0x100000000 + this.#view.getUint32(at, true);
  }

  /** A copy of the next `count` bytes. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return at < 0 ? new Uint8Array(0) : this.#bytes.slice(at, at + count);
  }

  /** The next `count` bytes as UTF-8; bytes that are none become U+FFFD. */
  text(count: number): string {
    const at = this.#take(count);
    return at < 0 ? '' : new TextDecoder().decode(this.#bytes.subarray(at, at + count));
  }

  skip(count: number): void {
    this.#take(count);
  }

  /** Fails the reader unless it failed before. */
  fail(code: WireCode): void {
    this.#code ??= code;
  }

  /** The place of the next `count` bytes, or -1. */
  #take(count: number): number {
    if (this.#code !== undefined) return -1;
    if (count > this.left) {
      this.#code = 'truncated';
      return -1;
    }
    const at = this.#at;
    this.#at += count;
    return at;
  }
}

/** The bodies of a message's known sections by kind, as views of the message. */
export type Sections = ReadonlyMap<number, Uint8Array>;

/**
 * Checks header and frame of a message and answers its sections. `kinds` lists the sections that
 * the caller knows; one that is not known is skipped when optional and refuses the message else.
 */
export function readMessage(
  bytes: Uint8Array,
  magic: string,
  kinds: readonly number[],
): Decoded<Sections> {
  const header = new ByteReader(bytes);
  const letters = String.fromCharCode(header.u8(), header.u8(), header.u8(), header.u8());
  const major = header.u16();
  header.skip(2);
  const length = header.u32();
  const crc = header.u32();
  if (header.code !== undefined) return refuse('truncated', 'header');
  if (letters !== magic) return refuse('wrong_magic', 'header');
  if (major !== FORMAT_MAJOR) return refuse('wrong_major', 'header');
  if (length !== bytes.length) return refuse('wrong_length', 'header');
  if (crc !== crc32(bytes.subarray(HEADER_BYTES))) return refuse('wrong_crc', 'header');
  return readSections(bytes.subarray(HEADER_BYTES), kinds);
}

function readSections(bytes: Uint8Array, kinds: readonly number[]): Decoded<Sections> {
  const sections = new Map<number, Uint8Array>();
  const reader = new ByteReader(bytes);
  let last = 0;
  while (reader.left > 0) {
    const kind = reader.u16();
    const flags = reader.u16();
    const length = reader.u32();
    const at = bytes.length - reader.left;
    reader.skip(length);
    if (reader.code !== undefined) return refuse('truncated', `section ${kind}`);
    if (kind <= last || flags > 1) return refuse('wrong_section', `section ${kind}`);
    last = kind;
    if (kinds.includes(kind)) sections.set(kind, bytes.subarray(at, at + length));
    else if (flags !== 1) return refuse('wrong_section', `section ${kind}`);
  }
  return { ok: true, value: sections };
}

/**
 * Reads a section by `read`, which uses the prefix it knows; bytes behind it are of a later minor
 * version. A section that is absent or shorter refuses the message.
 */
export function readSection<T>(
  sections: Sections,
  kind: number,
  read: (reader: ByteReader) => T,
): Decoded<T> {
  const body = sections.get(kind);
  if (body === undefined) return refuse('missing_section', `section ${kind}`);
  const reader = new ByteReader(body);
  const value = read(reader);
  if (reader.code !== undefined) return refuse(reader.code, `section ${kind}`);
  return { ok: true, value };
}

/** Reads a table section of at most `most` records, each by `read` from its known prefix. */
export function readTable<T>(
  sections: Sections,
  kind: number,
  recordBytes: number,
  most: number,
  read: (reader: ByteReader) => T,
): Decoded<T[]> {
  const body = sections.get(kind);
  if (body === undefined) return refuse('missing_section', `section ${kind}`);
  const head = new ByteReader(body);
  const recordLength = head.u16();
  head.skip(2);
  const count = head.u32();
  if (head.code !== undefined) return refuse('truncated', `section ${kind}`);
  if (recordLength < recordBytes || body.length !== 8 + recordLength * count || count > most) {
    return refuse('wrong_table', `section ${kind}`);
  }
  const records: T[] = [];
  for (let index = 0; index < count; index += 1) {
    const at = 8 + index * recordLength;
    const reader = new ByteReader(body.subarray(at, at + recordLength));
    records.push(read(reader));
    if (reader.code !== undefined) return refuse(reader.code, `section ${kind} record ${index}`);
  }
  return { ok: true, value: records };
}
