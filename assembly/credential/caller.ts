/**
 * Holds a caller to the rules of its credential: networks it may call from, pages it may call for.
 * What cannot be read is never inside a rule. It reads the header index and makes no call.
 */
import { CIDR_BYTES, firstCidr, firstReferer, Rules } from '../directory/rules';
import { withoutPort } from '../match/host';
import {
  HEADER_NAME_LENGTH,
  HEADER_VALUE,
  HEADER_VALUE_LENGTH,
  headerAt,
  headerCount,
} from '../pipeline/headers';
import { ascii } from '../util/ascii';
import { equalBytes, equalLower, findByte } from '../util/bytes';
import { ADDRESS_BYTES, readAddress } from './address';

const ADDRESS: usize = memory.data(16, 8);

const COMMA: u32 = 0x2c;
const SPACE: u32 = 0x20;
const TAB: u32 = 0x09;
const SLASH: u32 = 0x2f;
const COLON: u32 = 0x3a;
const AT: u32 = 0x40;
const DOT: u32 = 0x2e;

/** Whether the address that `length` bytes say lies in one of the CIDRs. */
export function isFromCidr(rules: usize, at: usize, length: u32): bool {
  if (!readAddress(at, length, ADDRESS)) return false;
  let cidr = firstCidr(rules);
  for (let i: u32 = 0; i < changetype<Rules>(rules).cidrCount; i++) {
    if (isInside(cidr)) return true;
    cidr += CIDR_BYTES;
  }
  return false;
}

function isInside(cidr: usize): bool {
  const bits: u32 = load<u8>(cidr);
  const bytes = bits >> 3;
  if (!equalBytes(cidr + 1, ADDRESS, bytes)) return false;
  if (bytes == ADDRESS_BYTES) return true;
  const mask = 0xff00 >> (bits & 7);
  return (((load<u8>(cidr + 1 + bytes) ^ load<u8>(ADDRESS + bytes)) as u32) & mask & 0xff) == 0;
}

/** Whether the `hop`-th address from the right of `x-forwarded-for` lies in one of the CIDRs. */
export function isForwardedFromCidr(rules: usize, hop: u32): bool {
  let left = hop;
  for (let header = headerCount(); header > 0; header--) {
    const entry = headerAt(header - 1);
    if (!isNamed(entry, ascii('x-forwarded-for'), 15)) continue;
    const value: usize = load<u32>(entry, HEADER_VALUE);
    let end = load<u32>(entry, HEADER_VALUE_LENGTH);
    while (true) {
      let begin = end;
      while (begin > 0 && <u32>load<u8>(value + begin - 1) != COMMA) begin--;
      left--;
      if (left == 0) return isTrimmedFromCidr(rules, value + begin, end - begin);
      if (begin == 0) break;
      end = begin - 1;
    }
  }
  return false;
}

function isTrimmedFromCidr(rules: usize, at: usize, length: u32): bool {
  while (length > 0 && isBlank(load<u8>(at))) {
    at++;
    length--;
  }
  while (length > 0 && isBlank(load<u8>(at + length - 1))) length--;
  return isFromCidr(rules, at, length);
}

function isBlank(byte: u32): bool {
  return byte == SPACE || byte == TAB;
}

function isNamed(entry: usize, name: usize, length: u32): bool {
  if (load<u32>(entry, HEADER_NAME_LENGTH) != length) return false;
  return equalLower(load<u32>(entry), name, length);
}

/** Whether the one `referer` of the request has a host that the rules name. */
export function isForReferer(rules: usize): bool {
  let found: usize = 0;
  for (let header: u32 = 0; header < headerCount(); header++) {
    const entry = headerAt(header);
    if (!isNamed(entry, ascii('referer'), 7)) continue;
    if (found != 0) return false;
    found = entry;
  }
  if (found == 0) return false;
  return isReferer(rules, load<u32>(found, HEADER_VALUE), load<u32>(found, HEADER_VALUE_LENGTH));
}

/** The host of a URL: behind `://` and a user, before port, path, query and fragment. */
function isReferer(rules: usize, url: usize, length: u32): bool {
  const colon = findByte(url, length, COLON);
  if (colon == 0 || length - colon < 3) return false;
  if (<u32>load<u8>(url + colon + 1) != SLASH || <u32>load<u8>(url + colon + 2) != SLASH)
    return false;
  let host = url + colon + 3;
  const rest = length - colon - 3;
  let bytes: u32 = 0;
  while (bytes < rest && !endsAuthority(load<u8>(host + bytes))) bytes++;
  for (let i = bytes; i > 0; i--) {
    if (<u32>load<u8>(host + i - 1) != AT) continue;
    host += i;
    bytes -= i;
    break;
  }
  bytes = withoutPort(host, bytes);
  if (bytes > 0 && <u32>load<u8>(host + bytes - 1) == DOT) bytes--;
  return isHostNamed(rules, host, bytes);
}

/** `/`, `?`, `#` and, as browsers have it, a backslash. */
function endsAuthority(byte: u32): bool {
  return byte == SLASH || byte == 0x3f || byte == 0x23 || byte == 0x5c;
}

/** A name of the rules with a dot before it stands for all names that end so. */
function isHostNamed(rules: usize, host: usize, bytes: u32): bool {
  let at = firstReferer(rules);
  for (let i: u32 = 0; i < changetype<Rules>(rules).refererCount; i++) {
    const length: u32 = load<u8>(at);
    const isSuffix = <u32>load<u8>(at + 1) == DOT;
    const fits = isSuffix ? bytes > length : bytes == length;
    if (fits && equalLower(host + bytes - length, at + 1, length)) return true;
    at += 1 + length;
  }
  return false;
}
