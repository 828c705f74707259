/**
 * Reads the plugin configuration: the verdict depends on its bytes alone, so that the canary of the
 * proxy refuses what every worker would refuse. It never traps, and never keeps half a result.
 */

import { BOOTSTRAP_BYTES_MAX, CLUSTERS_MAX, HOP_PRINCIPALS_MAX } from '../limits';
import { putEntry } from '../pipeline/text';
import { ascii, asciiEntry, asciiLength, asciiList } from '../util/ascii';
import { equalBytes } from '../util/bytes';
import { DIGEST_BYTES, sha256 } from '../util/sha256';
import {
  jsonBegin,
  jsonByte,
  jsonEnd,
  jsonInteger,
  jsonPeek,
  jsonString,
  jsonTake,
  jsonValue,
} from './json';

/** What a root keeps of its configuration. */
@unmanaged
export class Settings {
  startHoldMs: u32;
  holdMs: u32;
  heartbeatMs: u32;
  maxPolicyAgeMs: u32;
  trustedHops: u32;
  noPolicy: u8;
  otherHosts: u8;
  mode: u8;
  clientAddress: u8;
  filterState: u8;
  hop: u8;
}

/** Settings as read; valid after `readBootstrap` answered `BOOTSTRAP_OK`, until its next call. */
@unmanaged
export class Bootstrap extends Settings {
  clusters: u32;
  hopPrincipals: u32;
}

export const BOOTSTRAP_OK: u32 = 0;
export const BOOTSTRAP_TOO_LONG: u32 = 1;
export const BOOTSTRAP_NOT_JSON: u32 = 2;
export const BOOTSTRAP_UNKNOWN_KEY: u32 = 3;
export const BOOTSTRAP_DUPLICATE_KEY: u32 = 4;
export const BOOTSTRAP_WRONG_TYPE: u32 = 5;
export const BOOTSTRAP_OUT_OF_BOUNDS: u32 = 6;
export const BOOTSTRAP_MISSING: u32 = 7;

/** Choices of `noPolicy` and `otherHosts`. */
export const CHOICE_DENY: u8 = 0;
export const CHOICE_ALLOW: u8 = 1;

/** Where the address of a caller is found: nowhere, at the connection, in `x-forwarded-for`. */
export const ADDRESS_UNKNOWN: u8 = 0;
export const ADDRESS_OF_PEER: u8 = 1;
export const ADDRESS_FORWARDED: u8 = 2;
/** What becomes of hop tokens: nothing, they are minted, or they are believed. */
export const HOP_NONE: u8 = 0;
export const HOP_MINT: u8 = 1;
export const HOP_ACCEPT: u8 = 2;
const TRUSTED_HOPS_MAX: u32 = 16;

/** Of which requests the filter state tells: all, those denied or that would have been, none. */
export const STATE_OF_ALL: u8 = 0;
export const STATE_OF_DENIED: u8 = 1;

/** Bytes of one kept string: a length u16, then at most 255 bytes. */
export const NAME_SLOT: u32 = 258;
function names(): usize {
  return memory.data(6 * 258 + 4, 8);
}
const AUTHORITY: u32 = 4;
const GROUP: u32 = 5;
/** Bytes of all names together: what tells engines apart. */
export const IDENTITY_BYTES: u32 = 6 * 258;

const READ: usize = memory.data(64, 8);
const KEYS: u32 = 15;
/** Digests of the principals that hop tokens are taken from. */
const HOPS: usize = memory.data(HOP_PRINCIPALS_MAX * DIGEST_BYTES, 8);

let problemKey: usize = 0;
let problemKeyLength: u32 = 0;

/** The settings read last. */
export function bootstrap(): Bootstrap {
  return changetype<Bootstrap>(READ);
}

/** Where the names stand: clusters, authority, proxy group, each in a slot of `NAME_SLOT` bytes. */
export function bootstrapNames(): usize {
  return names();
}

/** Digests of `HOP_PRINCIPALS_MAX` principals; zero where there is none. */
export function bootstrapHops(): usize {
  return HOPS;
}

/** The slot of cluster `index` in a block of names. */
export function clusterSlot(names: usize, index: u32): usize {
  return names + index * NAME_SLOT;
}

/** The slot of the authority in a block of names. */
export function authoritySlot(names: usize): usize {
  return names + AUTHORITY * NAME_SLOT;
}

/** The slot of the proxy group in a block of names. */
export function groupSlot(names: usize): usize {
  return names + GROUP * NAME_SLOT;
}

/** Address of the key a refusal is about; its bytes are those of the configuration. */
export function bootstrapProblemKey(): usize {
  return problemKey;
}

/** Bytes of the key a refusal is about; 0 when it is about no key. */
export function bootstrapProblemKeyLength(): u32 {
  return problemKeyLength;
}

const PROBLEMS = asciiList(
  '|is longer than 4096 bytes|is not a JSON object|is no key of it|stands twice|' +
    'has a value of the wrong type|has a value out of bounds|is missing|',
);

/** Writes what is wrong, in words, for a code of `readBootstrap`. */
export function putBootstrapProblem(code: u32): void {
  putEntry(PROBLEMS, code);
}

/** Reads `length` bytes at `at`; answers `BOOTSTRAP_OK` or why they are refused. */
export function readBootstrap(at: usize, length: u32): u32 {
  problemKeyLength = 0;
  setDefaults();
  if (length > BOOTSTRAP_BYTES_MAX) return BOOTSTRAP_TOO_LONG;
  jsonBegin(at, length);
  if (!jsonTake(0x7b)) return BOOTSTRAP_NOT_JSON;
  let seen: u32 = 0;
  if (!jsonTake(0x7d)) {
    do {
      const key = readKey();
      if (key == KEYS) return problemKeyLength > 0 ? BOOTSTRAP_UNKNOWN_KEY : BOOTSTRAP_NOT_JSON;
      if ((seen & (1 << key)) != 0) return BOOTSTRAP_DUPLICATE_KEY;
      seen |= 1 << key;
      if (!jsonTake(0x3a)) return notJson();
      const code = readValue(key);
      if (code != BOOTSTRAP_OK) return code == BOOTSTRAP_NOT_JSON ? notJson() : code;
    } while (jsonTake(0x2c));
    if (!jsonTake(0x7d)) return notJson();
  }
  if (!jsonEnd()) return notJson();
  if ((seen & 1) == 0) return missing(ascii('clusters'));
  const read = bootstrap();
  if (read.hop == HOP_ACCEPT && read.hopPrincipals == 0) return missing(ascii('hopPrincipals'));
  return BOOTSTRAP_OK;
}

function notJson(): u32 {
  problemKeyLength = 0;
  return BOOTSTRAP_NOT_JSON;
}

function missing(key: usize): u32 {
  problemKey = key;
  problemKeyLength = asciiLength(key);
  return BOOTSTRAP_MISSING;
}

function setDefaults(): void {
  const read = bootstrap();
  read.clusters = 0;
  read.noPolicy = CHOICE_DENY;
  read.otherHosts = CHOICE_DENY;
  read.mode = 0;
  read.clientAddress = ADDRESS_UNKNOWN;
  read.filterState = STATE_OF_ALL;
  read.trustedHops = 1;
  read.hop = HOP_NONE;
  read.hopPrincipals = 0;
  memory.fill(HOPS, 0, HOP_PRINCIPALS_MAX * DIGEST_BYTES);
  read.startHoldMs = 3_000;
  read.holdMs = 60;
  read.heartbeatMs = 1_000;
  read.maxPolicyAgeMs = 86_400_000;
  memory.fill(names(), 0, IDENTITY_BYTES);
  setName(AUTHORITY, ascii('sidegate'));
  setName(GROUP, ascii('default'));
}

function setName(slot: u32, name: usize): void {
  // A kept string begins with its length as a text does.
  memory.copy(names() + slot * NAME_SLOT, name - 2, asciiLength(name) + 2);
}

const KEY_NAMES = asciiList(
  'clusters|authority|proxyGroup|noPolicy|otherHosts|mode|startHoldMs|holdMs|heartbeatMs|' +
    'maxPolicyAgeMs|trustedHops|clientAddress|hop|hopPrincipals|filterState|',
);

/** The number of the key that comes next, or `KEYS`; remembers its bytes for the log line. */
function readKey(): u32 {
  problemKeyLength = 0;
  if (jsonPeek() != 0x22) return KEYS;
  problemKey = jsonByte() + 1;
  const length = jsonString(KEY_ROOM, 255);
  if (length < 0) return KEYS;
  problemKeyLength = (jsonByte() - 1 - problemKey) as u32;
  return entryOf(KEY_NAMES, KEY_ROOM, length);
}

/** Which entry of a list the text is; the number of entries when it is none. */
function entryOf(list: usize, at: usize, length: i32): u32 {
  let index: u32 = 0;
  for (let entry = list; entry != 0; entry = asciiEntry(list, index)) {
    const letters: u32 = load<u8>(entry);
    if (letters == (length as u32) && equalBytes(entry + 1, at, letters)) return index;
    index++;
  }
  return index;
}

const KEY_ROOM: usize = memory.data(256, 8);

function readValue(key: u32): u32 {
  switch (key) {
    case 0:
      return readClusters();
    case 1:
      return readName(AUTHORITY);
    case 2: {
      const code = readName(GROUP);
      if (code != BOOTSTRAP_OK) return code;
      return isLabel(names() + GROUP * NAME_SLOT) ? BOOTSTRAP_OK : BOOTSTRAP_OUT_OF_BOUNDS;
    }
    case 3:
      return readChoice(offsetof<Bootstrap>('noPolicy'), asciiList('deny|allow|'), 2);
    case 4:
      return readChoice(offsetof<Bootstrap>('otherHosts'), asciiList('deny|allow|'), 2);
    case 5:
      return readChoice(offsetof<Bootstrap>('mode'), asciiList('enforce|shadow|off|'), 3);
    case 6:
      return readNumber(offsetof<Bootstrap>('startHoldMs'), 0, 30_000);
    case 7:
      return readNumber(offsetof<Bootstrap>('holdMs'), 0, 1_000);
    case 8:
      return readNumber(offsetof<Bootstrap>('heartbeatMs'), 200, 60_000);
    case 9:
      return readNumber(offsetof<Bootstrap>('maxPolicyAgeMs'), 60_000, 2_592_000_000);
    case 11:
      return readChoice(offsetof<Bootstrap>('clientAddress'), asciiList('none|peer|xff|'), 3);
    case 12:
      return readChoice(offsetof<Bootstrap>('hop'), asciiList('none|mint|accept|'), 3);
    case 13:
      return readHops();
    case 14:
      return readChoice(offsetof<Bootstrap>('filterState'), asciiList('all|denied|none|'), 3);
    default:
      return readNumber(offsetof<Bootstrap>('trustedHops'), 1, TRUSTED_HOPS_MAX);
  }
}

function readClusters(): u32 {
  if (jsonPeek() != 0x5b) return BOOTSTRAP_WRONG_TYPE;
  jsonTake(0x5b);
  if (jsonTake(0x5d)) return BOOTSTRAP_OUT_OF_BOUNDS;
  const read = bootstrap();
  do {
    if (read.clusters >= CLUSTERS_MAX) return BOOTSTRAP_OUT_OF_BOUNDS;
    const code = readName(read.clusters);
    if (code != BOOTSTRAP_OK) return code;
    read.clusters++;
  } while (jsonTake(0x2c));
  return jsonTake(0x5d) ? BOOTSTRAP_OK : BOOTSTRAP_NOT_JSON;
}

function readHops(): u32 {
  if (jsonPeek() != 0x5b) return BOOTSTRAP_WRONG_TYPE;
  jsonTake(0x5b);
  const read = bootstrap();
  do {
    if (read.hopPrincipals >= HOP_PRINCIPALS_MAX) return BOOTSTRAP_OUT_OF_BOUNDS;
    const length = readString(KEY_ROOM);
    if (length < 0) return -length;
    sha256(KEY_ROOM, length, HOPS + read.hopPrincipals * DIGEST_BYTES);
    read.hopPrincipals++;
  } while (jsonTake(0x2c));
  return jsonTake(0x5d) ? BOOTSTRAP_OK : BOOTSTRAP_NOT_JSON;
}

function readName(slot: u32): u32 {
  const at = names() + slot * NAME_SLOT;
  memory.fill(at, 0, NAME_SLOT);
  const length = readString(at + 2);
  if (length < 0) return -length;
  store<u16>(at, length as u16);
  return BOOTSTRAP_OK;
}

/** Reads a string of 1 to 255 bytes to `at`; answers its length, or below 0 the code why not. */
function readString(at: usize): i32 {
  if (jsonPeek() != 0x22) return -(BOOTSTRAP_WRONG_TYPE as i32);
  const length = jsonString(at, 255);
  if (length == -2 || length == 0) return -(BOOTSTRAP_OUT_OF_BOUNDS as i32);
  return length < 0 ? -(BOOTSTRAP_NOT_JSON as i32) : length;
}

/** A DNS label: 1 to 63 of a-z, 0-9 and `-`, which neither begins nor ends it. */
function isLabel(slot: usize): bool {
  const length = load<u16>(slot) as u32;
  if (length > 63) return false;
  for (let i: u32 = 0; i < length; i++) {
    const byte = load<u8>(slot + 2 + i);
    const plain = (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39);
    if (!plain && (byte != 0x2d || i == 0 || i == length - 1)) return false;
  }
  return true;
}

function readNumber(field: usize, least: u32, most: u32): u32 {
  const code = jsonInteger();
  if (code != BOOTSTRAP_OK) return code;
  if (jsonValue() < (least as u64) || jsonValue() > (most as u64)) return BOOTSTRAP_OUT_OF_BOUNDS;
  store<u32>(READ + field, jsonValue() as u32);
  return BOOTSTRAP_OK;
}

function readChoice(field: usize, choices: usize, count: u32): u32 {
  const length = readString(KEY_ROOM);
  if (length < 0) return -length;
  const choice = entryOf(choices, KEY_ROOM, length);
  if (choice == count) return BOOTSTRAP_OUT_OF_BOUNDS;
  store<u8>(READ + field, choice as u8);
  return BOOTSTRAP_OK;
}
