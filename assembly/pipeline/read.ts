/**
 * Reads from the header index what the phases of a request need, and marks for removal the identity
 * headers that nobody but the filter may set. It decides nothing.
 */
import {
  identityLengths,
  identityLetters,
  isIdentityName,
  lengthBit,
  OWN_PREFIX_BYTES,
} from '../policy/policy';
import { editRemove } from './edits';
import {
  HEADER_NAME_LENGTH,
  HEADER_VALUE,
  HEADER_VALUE_LENGTH,
  headerAt,
  headerCount,
} from './headers';

/** What a request is by its content type. */
export const GRPC_NONE: u32 = 0;
export const GRPC_PLAIN: u32 = 1;
export const GRPC_WEB: u32 = 2;

const LETTER_X: u32 = 23;
const EMPTY: usize = memory.data(16, 8);

/** Entries of the header index; `EMPTY` for what the request does not have. */
let method: usize = EMPTY;
let path: usize = EMPTY;
let authority: usize = EMPTY;
let grpc: u32 = GRPC_NONE;

/** Forgets the request read before. */
export function readNothing(): void {
  method = EMPTY;
  path = EMPTY;
  authority = EMPTY;
  grpc = GRPC_NONE;
}

/** One walk: what the phases need, and the identity headers nobody but us may set. */
export function readRequest(policy: usize): void {
  readNothing();
  const letters = identityLetters(policy);
  const lengths = identityLengths(policy);
  const count = headerCount();
  for (let i: u32 = 0; i < count; i++) {
    const header = headerAt(i);
    const name = load<u32>(header) as usize;
    const length = load<u32>(header, HEADER_NAME_LENGTH);
    if (length == 0) continue;
    const first: u32 = load<u8>(name);
    if (first == 0x3a) {
      readPseudo(header, name, length);
    } else {
      if (length == 12 && first == 0x63) readContentType(header, name);
      // The proxy hands names over in lower case: most are none of ours by letter and length.
      const letter = first - 0x61;
      if (letter < 26) {
        const mayBeOwn = letter == LETTER_X && length >= OWN_PREFIX_BYTES;
        const isListed = ((letters >> (letter + 1)) & 1) != 0 && (lengths & lengthBit(length)) != 0;
        if (!mayBeOwn && !isListed) continue;
      }
      if (isIdentityName(policy, name, length)) editRemove(name, length);
    }
  }
}

/** Removes what Sidegate's own filters say to one another, and nothing else. */
export function removeOwn(): void {
  for (let i: u32 = 0; i < headerCount(); i++) {
    const header = headerAt(i);
    const name = load<u32>(header) as usize;
    const length = load<u32>(header, HEADER_NAME_LENGTH);
    if (isIdentityName(0, name, length)) editRemove(name, length);
  }
}

/**
 * Pseudo headers are told apart by length and first letter: there are few, all set by the proxy.
 */
function readPseudo(header: usize, name: usize, length: u32): void {
  const second = load<u8>(name, 1);
  if (length == 5 && second == 0x70) path = header;
  else if (length == 7 && second == 0x6d) method = header;
  else if (length == 10 && second == 0x61) authority = header;
}

/**
 * `content-type: application/grpc`, alone or with `+…`, as the proxy itself tells gRPC; or that
 * with `-web…`, which no proxy knows without a filter of its own.
 */
function readContentType(header: usize, name: usize): void {
  if (load<u64>(name) != 0x2d746e65746e6f63 || load<u32>(name, 8) != 0x65707974) return;
  const length = lengthOf(header);
  if (length < 16) return;
  const value = valueOf(header);
  if (load<u64>(value) != 0x746163696c707061) return;
  if (load<u64>(value, 8) != 0x637072672f6e6f69) return;
  if (length == 16 || load<u8>(value, 16) == 0x2b) grpc = GRPC_PLAIN;
  else if (length >= 20 && load<u32>(value, 16) == 0x6265772d) grpc = GRPC_WEB;
}

function valueOf(header: usize): usize {
  return load<u32>(header, HEADER_VALUE) as usize;
}

function lengthOf(header: usize): u32 {
  return load<u32>(header, HEADER_VALUE_LENGTH);
}

/** Whether the request is a gRPC one, and which; its denials carry a gRPC status. */
export function requestGrpc(): u32 {
  return grpc;
}

/** The method; likewise the others. Empty when the request has none. */
export function requestMethod(): usize {
  return valueOf(method);
}

/** Bytes of the method. */
export function requestMethodLength(): u32 {
  return lengthOf(method);
}

/** The path with its query. */
export function requestPath(): usize {
  return valueOf(path);
}

/** Bytes of the path. */
export function requestPathLength(): u32 {
  return lengthOf(path);
}

/** The authority as the caller sent it. */
export function requestAuthority(): usize {
  return valueOf(authority);
}

/** Bytes of the authority. */
export function requestAuthorityLength(): u32 {
  return lengthOf(authority);
}
