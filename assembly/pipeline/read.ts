/**
 * Reads from the header index what the phases of a request need, and marks for removal the identity
 * headers that nobody but the filter may set. It decides nothing.
 */
import { identityNames, isIdentityName } from '../policy/policy';
import { ascii, asciiLength } from '../util/ascii';
import { editRemove } from './edits';
import {
  findHeader,
  findNamed,
  forgetHeaders,
  HEADER_NAME_LENGTH,
  HEADER_VALUE,
  HEADER_VALUE_LENGTH,
  headerAt,
  headerCount,
  mayHaveOwn,
} from './headers';

/** What a request is by its content type. */
export const GRPC_NONE: u32 = 0;
export const GRPC_PLAIN: u32 = 1;
export const GRPC_WEB: u32 = 2;

const EMPTY: usize = memory.data(16, 8);

/** Entries of the header index; `EMPTY` for what the request does not have. */
let method: usize = EMPTY;
let path: usize = EMPTY;
let authority: usize = EMPTY;

/** The request could not be read: forgets the one before, whose headers are still indexed. */
export function readNothing(): void {
  forgetHeaders();
  method = EMPTY;
  path = EMPTY;
  authority = EMPTY;
}

/** Finds what the phases need, and the identity headers nobody but us may set. */
export function readRequest(policy: usize): void {
  method = entryOf(ascii(':method'));
  path = entryOf(ascii(':path'));
  authority = entryOf(ascii(':authority'));
  removeOwn(policy);
}

/**
 * Removes the identity headers of a policy; with a policy of 0 what Sidegate's own filters say to
 * one another, and nothing else.
 */
export function removeOwn(policy: usize): void {
  // Most requests have no name that is one of ours, which the index knows without a look at each.
  if (!mayHaveOwn(identityNames(policy))) return;
  const count = headerCount();
  for (let i: u32 = 0; i < count; i++) {
    const header = headerAt(i);
    const name: usize = load<u32>(header);
    const length = load<u32>(header, HEADER_NAME_LENGTH);
    if (isIdentityName(policy, name, length)) editRemove(name, length);
  }
}

function entryOf(name: usize): usize {
  const entry = findHeader(name);
  return entry == 0 ? EMPTY : entry;
}

function valueOf(header: usize): usize {
  return load<u32>(header, HEADER_VALUE) as usize;
}

function lengthOf(header: usize): u32 {
  return load<u32>(header, HEADER_VALUE_LENGTH);
}

/** Whether the request is a gRPC one, and which; its denials carry a gRPC status. */
export function requestGrpc(): u32 {
  const name = ascii('content-type');
  let grpc = GRPC_NONE;
  for (let at = findHeader(name); at != 0; at = findNamed(name, asciiLength(name), at)) {
    grpc = max(grpc, grpcOf(valueOf(at), lengthOf(at)));
  }
  return grpc;
}

/**
 * `application/grpc`, alone or with `+…`, as the proxy itself tells gRPC; or that with `-web…`,
 * which no proxy knows without a filter of its own.
 */
function grpcOf(value: usize, length: u32): u32 {
  if (length < 16) return GRPC_NONE;
  if (load<u64>(value) != 0x746163696c707061) return GRPC_NONE;
  if (load<u64>(value, 8) != 0x637072672f6e6f69) return GRPC_NONE;
  if (length == 16 || load<u8>(value, 16) == 0x2b) return GRPC_PLAIN;
  return length >= 20 && load<u32>(value, 16) == 0x6265772d ? GRPC_WEB : GRPC_NONE;
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
