/**
 * Header lists in the layout of the ABI: `u32 count; {u32 nameLength, u32 valueLength}[count];
 * name\0 value\0 …`. Reading is total and as strict as Envoy's: whatever is wrong gives no pairs.
 */
import { PAIRS_BYTES_MAX, PAIRS_MAX } from './abi.ts';

/** A header or other pair; both parts are byte strings (see memory.ts). */
export type Pair = readonly [name: string, value: string];

/** The pairs in the layout of the ABI. No pairs give an empty buffer, as Envoy hands them over. */
export function encodePairs(names: readonly string[], values: readonly string[]): Buffer {
  if (names.length === 0) return Buffer.alloc(0);
  let size = 4;
  for (let i = 0; i < names.length; i++) {
    size += 10 + (names[i]?.length ?? 0) + (values[i]?.length ?? 0);
  }
  const bytes = Buffer.alloc(size);
  bytes.writeUInt32LE(names.length, 0);
  let at = 4 + 8 * names.length;
  for (let i = 0; i < names.length; i++) {
    const name = names[i] ?? '';
    const value = values[i] ?? '';
    bytes.writeUInt32LE(name.length, 4 + 8 * i);
    bytes.writeUInt32LE(value.length, 8 + 8 * i);
    at += bytes.write(name, at, 'latin1') + 1;
    at += bytes.write(value, at, 'latin1') + 1;
  }
  return bytes;
}

/**
 * Reads pairs a guest has sent, from [from, from + length) of `bytes`, which must lie inside; none
 * if they break the layout or a bound of Envoy's.
 */
export function decodePairs(bytes: Uint8Array, from = 0, length = bytes.length - from): Pair[] {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (length < 4 || length > PAIRS_BYTES_MAX) return [];
  const end = from + length;
  const count = buffer.readUInt32LE(from);
  let at = from + 4 + 8 * count;
  if (count > PAIRS_MAX || at > end) return [];
  const pairs: Pair[] = [];
  for (let i = 0; i < count; i++) {
    const nameEnd = at + buffer.readUInt32LE(from + 4 + 8 * i);
    const valueEnd = nameEnd + 1 + buffer.readUInt32LE(from + 8 + 8 * i);
    if (valueEnd + 1 > end) return [];
    if (buffer[nameEnd] !== 0 || buffer[valueEnd] !== 0) return [];
    const name = buffer.toString('latin1', at, nameEnd);
    pairs.push([name, buffer.toString('latin1', nameEnd + 1, valueEnd)]);
    at = valueEnd + 1;
  }
  return at === end ? pairs : [];
}
