/**
 * Which memory of a message between threads is handed over instead of copied: that of bytes which
 * have all of it for themselves. Whoever sends such a message must never use it again.
 */

/** The memory of bytes in a message: at its top, in a list, or in fields of its top. */
export function bytesIn(value: unknown): ArrayBuffer[] {
  if (value instanceof Uint8Array) return ownMemory(value);
  if (Array.isArray(value)) return value.flatMap(bytesIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap((each) =>
    each instanceof Uint8Array ? ownMemory(each) : [],
  );
}

function ownMemory({ buffer, byteLength }: Uint8Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
}
