/**
 * The hop token: with it a filter that let a request pass tells the filter behind it so, for this
 * one request and ten seconds. It mints and reads tokens; whether one may be believed also depends
 * on who brings it, which the pipeline asks.
 */
import {
  HOP_KEY_BYTES_MAX,
  HOP_KEY_BYTES_MIN,
  HOP_LIFE_MS,
  HOP_PRINCIPALS_MAX,
  HOP_SKEW_MS,
  HOP_TEXT_BYTES,
} from '../limits';
import { editSet } from '../pipeline/edits';
import { findNamed, HEADER_VALUE, HEADER_VALUE_LENGTH } from '../pipeline/headers';
import {
  requestAuthority,
  requestAuthorityLength,
  requestMethod,
  requestMethodLength,
  requestPath,
  requestPathLength,
} from '../pipeline/read';
import { putBytes, putHex, textBegin, textFits, textLength } from '../pipeline/text';
import { ascii, asciiLength } from '../util/ascii';
import { copyBytes, equalBytes, hexDigit } from '../util/bytes';
import { DIGEST_BYTES, sha256, sha256Slice } from '../util/sha256';

const NAME = ascii('x-sidegate-hop');
const REQUEST_ID = ascii('x-request-id');
/** A token: expiry u64, subscription u64, both most significant byte first, and the MAC; in hex. */
const TOKEN_BYTES: u32 = 48;
const TOKEN: usize = memory.data(TOKEN_BYTES, 8);
const TOKEN_TEXT: usize = memory.data(TOKEN_BYTES * 2, 8);
function pathText(): usize {
  return memory.data(HOP_TEXT_BYTES, 8);
}
const HEAD_BYTES: u32 = 24;
const HEAD: usize = memory.data(HEAD_BYTES, 8);
const SIZE_BYTES: u32 = 4;
const SIZE: usize = memory.data(SIZE_BYTES, 4);
const MAC: usize = memory.data(DIGEST_BYTES, 8);
const BLOCK_BYTES: u32 = 64;
const BLOCK: usize = memory.data(BLOCK_BYTES, 8);
/** Two keys, the one that mints first: the states of SHA-256 after its inner and outer block. */
const KEY_STATES: u32 = 2 * DIGEST_BYTES;
const KEYS: usize = memory.data(2 * KEY_STATES, 8);
const STATE: usize = memory.data(DIGEST_BYTES, 8);
/** Where Envoy notes in a request id whether the request is traced, which each proxy decides. */
const TRACE_PLACE: u32 = 14;

let known: u32 = 0;

/** Keeps the key that mints (0) or one that is only believed (1); of bad length it is none. */
export function keepHopKey(index: u32, at: usize, length: u32): void {
  if (length < HOP_KEY_BYTES_MIN || length > HOP_KEY_BYTES_MAX) return;
  memory.fill(BLOCK, 0, BLOCK_BYTES);
  if (length > BLOCK_BYTES) sha256(at, length, BLOCK);
  else memory.copy(BLOCK, at, length);
  turnBlock(0x36);
  sha256Slice(KEYS + index * KEY_STATES, BLOCK, 0, 2 * BLOCK_BYTES, BLOCK_BYTES);
  turnBlock(0x36 ^ 0x5c);
  const outer = KEYS + index * KEY_STATES + DIGEST_BYTES;
  sha256Slice(outer, BLOCK, 0, 2 * BLOCK_BYTES, BLOCK_BYTES);
  memory.fill(BLOCK, 0, BLOCK_BYTES);
  known |= 1 << index;
}

function turnBlock(by: u8): void {
  for (let i: usize = 0; i < BLOCK_BYTES; i++) store<u8>(BLOCK + i, load<u8>(BLOCK + i) ^ by);
}

/** Gives the request, which passes, a token; none without a key or without a request id. */
export function mintHop(product: u64, subscription: u64, unixMs: u64): void {
  if ((known & 1) == 0) return;
  const bytes = composeText(product, subscription, unixMs + HOP_LIFE_MS);
  if (bytes == 0) return;
  store<u64>(TOKEN, bswap(unixMs + HOP_LIFE_MS));
  store<u64>(TOKEN, bswap(subscription), 8);
  writeMac(0, bytes, TOKEN + 16);
  textBegin(TOKEN_TEXT, TOKEN_BYTES * 2);
  putHex(TOKEN, TOKEN_BYTES);
  editSet(NAME, asciiLength(NAME), TOKEN_TEXT, TOKEN_BYTES * 2);
}

/** The subscription that the request's token names for a product; 0 without a good token. */
export function readHop(product: u64, unixMs: u64): u64 {
  const header = headerNamed(NAME);
  if (header == 0 || load<u32>(header, HEADER_VALUE_LENGTH) != TOKEN_BYTES * 2) return 0;
  if (!readHex(load<u32>(header, HEADER_VALUE))) return 0;
  const expiry = bswap(load<u64>(TOKEN));
  if (unixMs >= expiry || expiry - unixMs > HOP_LIFE_MS + HOP_SKEW_MS) return 0;
  const subscription = bswap(load<u64>(TOKEN, 8));
  const bytes = composeText(product, subscription, expiry);
  if (bytes == 0) return 0;
  for (let index: u32 = 0; index < 2; index++) {
    if (((known >> index) & 1) == 0) continue;
    writeMac(index, bytes, MAC);
    if (isSame()) return subscription;
  }
  return 0;
}

/** Whether a principal is one of those whose digests stand at `kept`; zeros are nobody's. */
export function isHopPrincipal(kept: usize, name: usize, length: u32): bool {
  if (length == 0) return false;
  sha256(name, length, MAC);
  for (let i: u32 = 0; i < HOP_PRINCIPALS_MAX; i++) {
    if (equalBytes(kept + i * DIGEST_BYTES, MAC, DIGEST_BYTES)) return true;
  }
  return false;
}

/** In a time that does not depend on where they differ: a caller may try. */
function isSame(): bool {
  let differs: u64 = 0;
  for (let i: usize = 0; i < DIGEST_BYTES; i += 8) {
    differs |= load<u64>(TOKEN + 16 + i) ^ load<u64>(MAC + i);
  }
  return differs == 0;
}

function writeMac(index: u32, bytes: u32, to: usize): void {
  const states: usize = KEYS + index * KEY_STATES;
  hashAfter(states, pathText(), bytes, to);
  hashAfter(states + DIGEST_BYTES, to, DIGEST_BYTES, to);
}

/** Writes the digest of the block that led to a state and of these bytes behind it. */
function hashAfter(begun: usize, from: usize, bytes: u32, to: usize): void {
  copyBytes(STATE, begun, DIGEST_BYTES);
  const all = BLOCK_BYTES + bytes;
  sha256Slice(STATE, from - BLOCK_BYTES, BLOCK_BYTES, all, all);
  copyBytes(to, STATE, DIGEST_BYTES);
}

/** Composes what is authenticated; 0 when the request has no id of its own or is too long. */
function composeText(product: u64, subscription: u64, expiry: u64): u32 {
  const id = headerNamed(REQUEST_ID);
  const idLength: u32 = id == 0 ? 0 : load<u32>(id, HEADER_VALUE_LENGTH);
  if (idLength == 0) return 0;
  store<u64>(HEAD, expiry);
  store<u64>(HEAD, subscription, 8);
  store<u64>(HEAD, product, 16);
  textBegin(pathText(), HOP_TEXT_BYTES);
  putBytes(HEAD, HEAD_BYTES);
  putSized(load<u32>(id, HEADER_VALUE), idLength);
  putSized(requestMethod(), requestMethodLength());
  putSized(requestAuthority(), requestAuthorityLength());
  putSized(requestPath(), requestPathLength());
  if (!textFits()) return 0;
  if (idLength > TRACE_PLACE) store<u8>(pathText() + HEAD_BYTES + SIZE_BYTES + TRACE_PLACE, 0);
  return textLength();
}

function putSized(at: usize, length: u32): void {
  store<u32>(SIZE, length);
  putBytes(SIZE, SIZE_BYTES);
  putBytes(at, length);
}

/** The one header of a name that `ascii` gave; 0 when there is none or more than one. */
function headerNamed(name: usize): usize {
  const length = asciiLength(name);
  const found = findNamed(name, length, 0);
  return found != 0 && findNamed(name, length, found) == 0 ? found : 0;
}

/** Reads a token in lower-case hex into TOKEN. */
function readHex(at: usize): bool {
  for (let i: u32 = 0; i < TOKEN_BYTES; i++) {
    const high = hexDigit(load<u8>(at + i * 2));
    const low = hexDigit(load<u8>(at + i * 2 + 1));
    if ((high | low) > 15) return false;
    store<u8>(TOKEN + i, <u8>((high << 4) | low));
  }
  return true;
}
