/**
 * Reads a checked policy in place. `policy` is always the address of its head; an index or a text
 * comes from the policy itself, which `check` has proved to stay inside it, so nothing here checks
 * again. It decides nothing.
 */
import { ascii } from '../util/ascii';
import { Byte, compareBytes, NONE } from '../util/bytes';
import { Name } from '../util/name';
import {
  HEAD_ANY_HOST,
  HEAD_IDENTITY_NAMES,
  HEAD_PART_KINDS,
  HEAD_SOURCE_KINDS,
  HEAD_SOURCE_NAMES,
  IDENTITY,
  LIMITS,
  Limit,
  NamedNode,
  OPERATIONS,
  Operation,
  PLANS,
  Plan,
  PRODUCTS,
  Product,
  STRINGS,
  TextRecord,
} from './layout';

/** Records of a table. */
export function countOf(policy: usize, kind: u32): u32 {
  return load<u32>(policy + kind * 16, 4);
}

/** The record `index` of a table. */
export function recordOf(policy: usize, kind: u32, index: u32): usize {
  const table = policy + kind * 16;
  return <usize>load<u32>(table) + <usize>index * load<u32>(table, 8);
}

/** The address of a text; its length stands beside the reference. */
export function textAt(policy: usize, offset: u32): usize {
  return <usize>load<u32>(policy + STRINGS * 16) + offset;
}

/** The node for hosts that no product names, or NONE. */
export function anyHostNode(policy: usize): u32 {
  return load<u32>(policy, HEAD_ANY_HOST);
}

/** The operation `index`. */
export function operationAt(policy: usize, index: u32): Operation {
  return changetype<Operation>(recordOf(policy, OPERATIONS, index));
}

/** The product `index`. */
export function productAt(policy: usize, index: u32): Product {
  return changetype<Product>(recordOf(policy, PRODUCTS, index));
}

/** The limit `index`; the limits of a plan are `limitFirst` and those after it. */
export function limitAt(policy: usize, index: u32): Limit {
  return changetype<Limit>(recordOf(policy, LIMITS, index));
}

/** The address of the plan with this id, or 0. */
export function planById(policy: usize, id: u64): usize {
  return recordById(policy, PLANS, id);
}

/** The address of the record with this id, or 0, in a table that is sorted by id. */
export function recordById(policy: usize, kind: u32, id: u64): usize {
  let low: u32 = 0;
  let high = countOf(policy, kind);
  while (low < high) {
    const middle = (low + high) >> 1;
    const record = recordOf(policy, kind, middle);
    const found = load<u64>(record);
    if (found == id) return record;
    if (found < id) low = middle + 1;
    else high = middle;
  }
  return 0;
}

/** The plan at an address that `planById` answered. */
export function planAt(at: usize): Plan {
  return changetype<Plan>(at);
}

/**
 * The node that a text leads to among `count` records from `first` on of HOSTS, WILDCARDS or EDGES,
 * which are sorted, or NONE.
 */
export function findNode(
  policy: usize,
  kind: u32,
  first: u32,
  count: u32,
  text: usize,
  length: u32,
): u32 {
  let low: u32 = first;
  let high = first + count;
  while (low < high) {
    const middle = (low + high) >> 1;
    const entry = changetype<NamedNode>(recordOf(policy, kind, middle));
    const order = compareBytes(text, length, textAt(policy, entry.text), entry.textLength);
    if (order == 0) return entry.node;
    if (order > 0) low = middle + 1;
    else high = middle;
  }
  return NONE;
}

/** The kinds of sources of all products, one bit each. */
export function sourceKinds(policy: usize): u32 {
  return load<u32>(policy, HEAD_SOURCE_KINDS);
}

/** The kinds of parts that the header values of all programs are made of, one bit each. */
export function partKinds(policy: usize): u32 {
  return load<u32>(policy, HEAD_PART_KINDS);
}

/** Whether any header source of any product may have this name. */
export function maySourceHave(policy: usize, name: usize, length: u32): bool {
  return (load<u64>(policy, HEAD_SOURCE_NAMES) & Name.bit(Name.tag(name, length))) != 0;
}

const OWN_PREFIX = ascii('x-sidegate-');
/** Bytes of `x-sidegate-`. */
const OWN_PREFIX_BYTES: u32 = 11;

/** The names of IDENTITY as a set; none without a policy. */
export function identityNames(policy: usize): u64 {
  return policy == 0 ? 0 : load<u64>(policy, HEAD_IDENTITY_NAMES);
}

/** A byte of a header name as identity names are compared: lower case, `_` as `-`. */
function identityByte(byte: u32): u32 {
  return byte == 0x5f ? 0x2d : Byte.lower(byte);
}

/**
 * Whether a header name is one that only the filter may set: `x-sidegate-…`, or a name of the
 * policy's IDENTITY. `_` and `-` are the same, because many servers make them so. A policy of 0 has
 * the first kind alone.
 */
export function isIdentityName(policy: usize, name: usize, length: u32): bool {
  if (length >= OWN_PREFIX_BYTES && Name.isOwn(name) && isOwnName(name)) return true;
  if ((identityNames(policy) & Name.bit(Name.tag(name, length))) == 0) return false;
  let low: u32 = 0;
  let high = countOf(policy, IDENTITY);
  while (low < high) {
    const middle = (low + high) >> 1;
    const record = changetype<TextRecord>(recordOf(policy, IDENTITY, middle));
    const order = compareIdentity(name, length, textAt(policy, record.text), record.textLength);
    if (order == 0) return true;
    if (order > 0) low = middle + 1;
    else high = middle;
  }
  return false;
}

function isOwnName(name: usize): bool {
  for (let at: u32 = 0; at < OWN_PREFIX_BYTES; at++) {
    if (identityByte(load<u8>(name + at)) != <u32>load<u8>(OWN_PREFIX + at)) return false;
  }
  return true;
}

function compareIdentity(name: usize, length: u32, known: usize, knownLength: u32): i32 {
  const common = min(length, knownLength);
  for (let at: u32 = 0; at < common; at++) {
    const difference = <i32>identityByte(load<u8>(name + at)) - <i32>load<u8>(known + at);
    if (difference != 0) return difference;
  }
  return length == knownLength ? 0 : length < knownLength ? -1 : 1;
}
