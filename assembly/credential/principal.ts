/**
 * Who calls, where no key says so: by the certificate of the peer or by a token that the mesh has
 * verified. It says what to ask the proxy and reads the answers; it never asks by itself, and it
 * never believes a header.
 */
import { PRINCIPAL_BYTES_MAX } from '../limits';
import { putByte, putBytes, putLiteral, textBegin, textLength } from '../pipeline/text';
import { AUDIENCES, Product, SOURCE_MTLS, SOURCES, Source, TextRecord } from '../policy/layout';
import { recordOf, textAt } from '../policy/policy';
import { ascii, asciiLength } from '../util/ascii';
import { equalBytes } from '../util/bytes';

/** What is asked of one token, in this order. */
const ASK_ISSUER: u32 = 0;
const ASK_AUDIENCE: u32 = 1;
const ASK_CLAIM: u32 = 2;

/** Path of a property, and what was learned of the caller: as long as both may be. */
const PATH_BYTES: u32 = 160;
const TEXT_BYTES: u32 = 640;
const PATH: usize = memory.data(PATH_BYTES, 8);
const TEXT: usize = memory.data(TEXT_BYTES, 8);

/** The property that names the peer by its certificate. */
export const PEER = ascii('connection\0uri_san_peer_certificate');

let policy: usize = 0;
/** The source asked about, and one more than the last. */
let next: u32 = 0;
let end: u32 = 0;
let step: u32 = ASK_ISSUER;
let pathLength: u32 = 0;
let length: u32 = 0;

/** Begins with the first way in which a product knows callers without a key. */
export function beginQuestions(from: usize, product: Product): void {
  policy = from;
  next = product.sourceFirst + product.sourceCount;
  end = next + product.identityCount;
  step = ASK_ISSUER;
  length = 0;
}

/** Whether the proxy has to be asked for a property more: the one at `questionAt`. */
export function nextQuestion(): bool {
  if (length != 0 || next >= end) return false;
  const source = sourceNow();
  textBegin(PATH, PATH_BYTES);
  if (source.kind == SOURCE_MTLS) {
    putBytes(PEER, asciiLength(PEER));
  } else {
    // Only the filter that verifies tokens writes there; without a verified token there is nothing.
    putLiteral('metadata\0filter_metadata\0envoy.filters.http.jwt_authn\0payload\0');
    if (step == ASK_ISSUER) putLiteral('iss');
    else if (step == ASK_AUDIENCE) putLiteral('aud');
    else putBytes(textAt(policy, source.name), source.nameLength);
  }
  pathLength = textLength();
  return true;
}

/** Path of the property to ask for, its parts parted by NUL. */
export function questionAt(): usize {
  return PATH;
}

/** Bytes of the path. */
export function questionLength(): u32 {
  return pathLength;
}

/** Takes what the proxy answered; no bytes stand for nothing. */
export function answerQuestion(at: usize, bytes: u32): void {
  const source = sourceNow();
  if (source.kind == SOURCE_MTLS) {
    if (isText(at, bytes)) {
      textBegin(TEXT, TEXT_BYTES);
      putLiteral('mtls');
      putPart(at, bytes);
      length = textLength();
    }
    next++;
    return;
  }
  let goesOn = false;
  if (step == ASK_ISSUER) {
    goesOn = bytes == source.prefixLength && equalBytes(at, textAt(policy, source.prefix), bytes);
  } else if (step == ASK_AUDIENCE) {
    goesOn = isMeantForUs(source, at, bytes);
  } else if (isText(at, bytes)) {
    textBegin(TEXT, TEXT_BYTES);
    putLiteral('jwt');
    putPart(textAt(policy, source.prefix), source.prefixLength);
    putPart(textAt(policy, source.name), source.nameLength);
    putPart(at, bytes);
    length = textLength();
  }
  step = goesOn ? step + 1 : ASK_ISSUER;
  if (!goesOn) next++;
}

/** What is known of the caller, in the form that docs/wire.md gives a digest of. */
export function principalAt(): usize {
  return TEXT;
}

/** Bytes of it; 0 when no way led to a caller. */
export function principalLength(): u32 {
  return length;
}

function sourceNow(): Source {
  return changetype<Source>(recordOf(policy, SOURCES, next));
}

function putPart(at: usize, bytes: u32): void {
  putByte(0);
  putBytes(at, bytes);
}

/**
 * Whether a value is a text that can be somebody: no other type of value is, but a number whose
 * eight bytes happen to be letters. Lists, flags and most numbers hold bytes that no text has.
 */
function isText(at: usize, bytes: u32): bool {
  if (bytes - 1 >= PRINCIPAL_BYTES_MAX) return false;
  for (let i: u32 = 0; i < bytes; i++) {
    const byte = <u32>load<u8>(at + i);
    if (byte < 0x20 || byte == 0x7f) return false;
  }
  return true;
}

/** Whether an audience of the token, one text or a list of them, is one of the source's. */
function isMeantForUs(source: Source, at: usize, bytes: u32): bool {
  if (isText(at, bytes)) return isAudience(source, at, bytes);
  // A list: how many, then for each its bytes and 0; then each ended by a NUL, and a NUL for the 0.
  if (bytes < 4) return false;
  const count = load<u32>(at);
  if (count > (bytes - 4) / 10) return false;
  let value: u32 = 4 + count * 8;
  for (let i: u32 = 0; i < count; i++) {
    const each = load<u32>(at + 4 + i * 8);
    if (load<u32>(at + 8 + i * 8) != 0 || each > bytes - value - 2) return false;
    if (isAudience(source, at + value, each)) return true;
    value += each + 2;
    if (value + 2 > bytes) return false;
  }
  return false;
}

function isAudience(source: Source, at: usize, bytes: u32): bool {
  for (let i: u32 = 0; i < source.audienceCount; i++) {
    const each = changetype<TextRecord>(recordOf(policy, AUDIENCES, source.audienceFirst + i));
    if (each.textLength == bytes && equalBytes(at, textAt(policy, each.text), bytes)) return true;
  }
  return false;
}
