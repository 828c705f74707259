/**
 * Checks a whole policy before it is swapped in, in slices: frame, bounds, order, every index and
 * every text. It is total on any bytes, changes nothing but the head before the policy, and what it
 * lets pass can be read without looking twice. It must never repair anything.
 */
import {
  HOSTS_MAX,
  IDENTITY_NAMES_MAX,
  NODES_MAX,
  OPERATIONS_MAX,
  PLANS_MAX,
  POLICY_BYTES_MAX,
  PRODUCTS_MAX,
} from '../limits';
import { NONE } from '../util/bytes';
import { CRC_START, crc32Add, crc32End } from '../util/crc32';
import {
  areSafe,
  checkFrame,
  FRAME_BYTES,
  FRAME_CHECKSUM,
  FRAME_LENGTH,
  FRAME_OK,
  findSection,
  isTable,
  sectionLength,
  TABLE_BYTES,
  tableCount,
} from '../util/frame';
import { Name } from '../util/name';
import { checkEdge, checkNode, edgeCount, PARENTS_BYTES } from './check-nodes';
import { checkRecord } from './check-records';
import { REFUSED_BOUND, REFUSED_INDEX, REFUSED_SHAPE, Refusal, takeTextCost } from './check-texts';
import {
  CORS,
  EDGES,
  FIELDS,
  HEAD_ANY_HOST,
  HEAD_IDENTITY_NAMES,
  HEAD_PART_KINDS,
  HEAD_SOURCE_KINDS,
  HEAD_SOURCE_NAMES,
  HOSTS,
  IDENTITY,
  LAST_KIND,
  MEDIATION,
  METHODS,
  NODES,
  OPERATIONS,
  PARTS,
  Part,
  PLANS,
  POLICY_HEAD_BYTES,
  POLICY_MAGIC,
  PRODUCTS,
  ROOT,
  recordBytes,
  SOURCE_HEADER,
  SOURCES,
  Source,
  STRINGS,
  TextRecord,
  WILDCARDS,
} from './layout';
import { countOf, partKinds, recordOf, sourceKinds, textAt } from './policy';

/** Answers of `checkStep`; below 0 is the code of a refusal. */
export const CHECK_GOES_ON: i32 = 0;
export const CHECK_VALID: i32 = 1;

/** Where a check stands. The map of nodes with a parent follows it. */
@unmanaged
class Check {
  policy: usize;
  length: u32;
  /** 0 = the checksum; else the kind of table being checked. */
  stage: u32;
  index: u32;
  edge: u32;
  crc: u32;
  result: i32;
}

/** Bytes that a check needs beside the policy. */
export const CHECK_STATE_BYTES: u32 = 32 + PARENTS_BYTES;

const ROOT_BYTES: u32 = 16;
/** The sections that are read, one bit per kind. */
const KNOWN: u32 = 0x4f1fffe;
/** Bytes of the checksum that cost as much as one record. */
const CHECKSUM_STEP: u32 = 64;

/**
 * Begins to check the `length` bytes that stand `POLICY_HEAD_BYTES` after `policy`. The
 * `CHECK_STATE_BYTES` at `state` and the policy must stay in place until `checkStep` has decided.
 */
export function checkBegin(state: usize, policy: usize, length: u32): void {
  memory.fill(state, 0, CHECK_STATE_BYTES);
  const check = changetype<Check>(state);
  check.policy = policy;
  check.length = length;
  check.crc = CRC_START;
  check.index = FRAME_BYTES;
  check.result = findTables(policy, length);
}

/**
 * Goes on for about `records` records: below 0 the policy is refused, 1 it is valid, 0 there is
 * more to do. Thousand records take about 50 µs.
 */
export function checkStep(state: usize, records: u32): i32 {
  const check = changetype<Check>(state);
  let left = <i32>min(records, <u32>i32.MAX_VALUE);
  while (left > 0 && check.result == CHECK_GOES_ON) {
    left -= check.stage == 0 ? addChecksum(check, left) : checkNext(state, check);
  }
  return check.result;
}

/** Finds all sections and writes their places into the head; 0 or a refusal. */
function findTables(policy: usize, length: u32): i32 {
  memory.fill(policy, 0, POLICY_HEAD_BYTES);
  if (length > POLICY_BYTES_MAX) return FRAME_LENGTH;
  const message = policy + POLICY_HEAD_BYTES;
  const code = checkFrame(message, length, POLICY_MAGIC, KNOWN);
  if (code != FRAME_OK) return code;
  for (let kind = ROOT; kind <= LAST_KIND; kind++) {
    const body = findSection(message, length, kind);
    if (body == 0 && kind > IDENTITY) continue;
    if (body == 0) return Refusal.of(kind, REFUSED_SHAPE);
    const bytes = sectionLength(body);
    if (kind == ROOT) {
      if (bytes < ROOT_BYTES || !areSafe(body, 1)) return Refusal.of(ROOT, REFUSED_SHAPE);
      store<u32>(policy, load<u32>(body, 8), HEAD_ANY_HOST);
    } else if (kind == STRINGS) {
      setTable(policy, kind, body, bytes, 1);
    } else {
      if (!isTable(body, recordBytes(kind))) return Refusal.of(kind, REFUSED_SHAPE);
      if (tableCount(body) > recordsMax(kind)) return Refusal.of(kind, REFUSED_BOUND);
      setTable(policy, kind, body + TABLE_BYTES, tableCount(body), load<u16>(body));
    }
  }
  const anyHost = load<u32>(policy, HEAD_ANY_HOST);
  if (anyHost != NONE && anyHost >= countOf(policy, NODES)) return Refusal.of(ROOT, REFUSED_INDEX);
  return 0;
}

function setTable(policy: usize, kind: u32, at: usize, count: u32, stride: u32): void {
  const table = policy + kind * 16;
  store<u32>(table, <u32>at);
  store<u32>(table, count, 4);
  store<u32>(table, stride, 8);
}

/** Most records of a table; where none is named, the size of the policy is the bound. */
function recordsMax(kind: u32): u32 {
  switch (kind) {
    case HOSTS:
    case WILDCARDS:
      return HOSTS_MAX;
    case NODES:
    case EDGES:
      return NODES_MAX;
    case METHODS:
    case OPERATIONS:
      return OPERATIONS_MAX;
    case PRODUCTS:
    case CORS:
      return PRODUCTS_MAX;
    case PLANS:
    case FIELDS:
      return PLANS_MAX;
    case IDENTITY:
      return IDENTITY_NAMES_MAX;
    case MEDIATION:
      return OPERATIONS_MAX + PLANS_MAX;
    default:
      return POLICY_BYTES_MAX;
  }
}

/** Adds up to `most` times 64 bytes to the checksum; answers the cost. */
function addChecksum(check: Check, most: i32): i32 {
  const message = check.policy + POLICY_HEAD_BYTES;
  const left = check.length - check.index;
  const bytes = <u32>min(<u64>left, <u64>most * CHECKSUM_STEP);
  check.crc = crc32Add(check.crc, message + check.index, bytes);
  check.index += bytes;
  if (check.index == check.length) {
    if (crc32End(check.crc) != load<u32>(message, 12)) check.result = FRAME_CHECKSUM;
    beginTable(check, HOSTS);
  }
  return <i32>(bytes / CHECKSUM_STEP) + 1;
}

function beginTable(check: Check, kind: u32): void {
  check.stage = kind;
  check.index = 0;
  check.edge = 0;
}

/** Checks the next record or edge; answers the cost. */
function checkNext(state: usize, check: Check): i32 {
  const kind = check.stage;
  // Edges are reached through their nodes: only that way is it known which ones must be sorted.
  const walked = kind == EDGES ? NODES : kind;
  if (check.index >= countOf(check.policy, walked)) {
    if (kind == LAST_KIND) check.result = CHECK_VALID;
    else beginTable(check, kind + 1);
    return 1;
  }
  const parents = state + 32;
  let code: i32 = 0;
  if (kind == NODES) {
    code = checkNode(check.policy, parents, check.index);
  } else if (kind == EDGES) {
    if (check.edge < edgeCount(check.policy, check.index)) {
      code = checkEdge(check.policy, parents, check.index, check.edge);
      check.edge++;
      check.result = code;
      return 1 + <i32>takeTextCost();
    }
    check.edge = 0;
  } else {
    code = checkRecord(check.policy, kind, check.index);
    if (kind == IDENTITY && code == 0) noteIdentity(check.policy, check.index);
    if (kind == SOURCES && code == 0) noteSource(check.policy, check.index);
    if (kind == PARTS && code == 0) notePart(check.policy, check.index);
  }
  check.index++;
  check.result = code;
  return 1 + <i32>takeTextCost();
}

/** Adds an identity name to the set of the head. */
function noteIdentity(policy: usize, index: u32): void {
  const name = changetype<TextRecord>(recordOf(policy, IDENTITY, index));
  noteName(policy + HEAD_IDENTITY_NAMES, textAt(policy, name.text), name.textLength);
}

/** Adds a source to what the head says of all of them. */
function noteSource(policy: usize, index: u32): void {
  const source = changetype<Source>(recordOf(policy, SOURCES, index));
  store<u32>(policy, sourceKinds(policy) | (1 << source.kind), HEAD_SOURCE_KINDS);
  if (source.kind != SOURCE_HEADER) return;
  noteName(policy + HEAD_SOURCE_NAMES, textAt(policy, source.name), source.nameLength);
}

function noteName(names: usize, name: usize, length: u32): void {
  store<u64>(names, load<u64>(names) | Name.bit(Name.tag(name, length)));
}

/** Adds the kind of a part to those that the head says there are. */
function notePart(policy: usize, index: u32): void {
  const part = changetype<Part>(recordOf(policy, PARTS, index));
  store<u32>(policy, partKinds(policy) | (1 << part.kind), HEAD_PART_KINDS);
}
