/**
 * Properties a guest reads by path: those a test has set, and how their values are written in
 * bytes. What follows from a stream itself (its headers, its response) is in stream-properties.ts.
 */
import { bytesOf } from './memory.ts';

/**
 * A value as the ABI encodes it: text as UTF-8, bytes as they are, a bigint as 8 bytes (int64), a
 * number as 8 bytes (double), a boolean as one byte.
 */
export type PropertyValue = string | Uint8Array | bigint | number | boolean;

/** Property values by path; the parts of a path are parted by NUL if it holds one, else by `.`. */
export type PropertyList = Readonly<Record<string, PropertyValue>>;

/** What looking up a path gives: bytes, `map` for a path that only has children, or nothing. */
export type Found = Uint8Array | 'map' | undefined;

/** The bytes of a property's value. */
export function encodeProperty(value: PropertyValue): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  if (typeof value === 'boolean') return Uint8Array.of(value ? 1 : 0);
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  if (typeof value === 'bigint') view.setBigInt64(0, value, true);
  else view.setFloat64(0, value, true);
  return bytes;
}

/** Properties that were set by a test. */
export class Properties {
  readonly #byPath = new Map<string, Uint8Array>();
  /** Every proper prefix of a path, for telling a map from nothing. */
  readonly #prefixes = new Set<string>();

  constructor(list: PropertyList = {}) {
    for (const [path, value] of Object.entries(list)) this.set(path, value);
  }

  /** Sets a value; `path` as in `PropertyList`. */
  set(path: string, value: PropertyValue): void {
    const parts = path.includes('\0') ? path.split('\0') : path.split('.');
    this.#byPath.set(parts.join('\0'), encodeProperty(value));
    for (let i = 1; i < parts.length; i++) this.#prefixes.add(parts.slice(0, i).join('\0'));
  }

  /** Looks up a path whose parts are parted by NUL. */
  find(path: string): Found {
    return this.#byPath.get(path) ?? (this.#prefixes.has(path) ? 'map' : undefined);
  }
}

/** The bytes of a byte string, or undefined where there is none. */
export function optionalBytes(text: string | undefined): Uint8Array | undefined {
  return text === undefined ? undefined : bytesOf(text);
}
