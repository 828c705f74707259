/**
 * Reads the tables of a policy that say which sites may read denials.
 */
import type { Range } from './policy.ts';
import type { ByteReader } from './reader.ts';

/** What a product says of CORS. */
export interface PolicyCors {
  readonly origins: Range;
  readonly anyOrigin: boolean;
  readonly credentials: boolean;
  /** Value of `Access-Control-Expose-Headers`. */
  readonly exposed: string;
}

/** An origin; with an end, every host between start and end is meant. */
export interface PolicyOrigin {
  readonly start: string;
  readonly end: string;
}

/** Reads a record of CORS; `*` with credentials fails the reader. */
export function readCors(reader: ByteReader, text: (reader: ByteReader) => string): PolicyCors {
  const origins = { first: reader.u32(), count: reader.u32() };
  const flags = reader.u32();
  if ((flags & 3) === 3) reader.fail('wrong_value');
  const anyOrigin = (flags & 1) !== 0;
  return { origins, anyOrigin, credentials: (flags & 2) !== 0, exposed: text(reader) };
}

/** Reads a record of ORIGINS. */
export function readOrigin(reader: ByteReader, text: (reader: ByteReader) => string): PolicyOrigin {
  return { start: text(reader), end: text(reader) };
}
