/**
 * What browsers ask of an API that other sites call (CORS): which requests are preflights, which
 * origins may read a denial of ours. It makes edits; answers of the service are the service's own.
 */
import { ANY_METHOD, methodBit } from '../match/method';
import {
  CORS,
  CORS_ANY_ORIGIN,
  CORS_CREDENTIALS,
  Cors,
  ORIGINS,
  Origin,
  Product,
} from '../policy/layout';
import { recordOf, textAt } from '../policy/policy';
import { ascii, asciiLength } from '../util/ascii';
import { equalBytes } from '../util/bytes';
import { CURRENT } from './current';
import { editSet } from './edits';
import { findHeader, HEADER_VALUE, HEADER_VALUE_LENGTH } from './headers';

/** The methods that a preflight asks for, as a mask; 0 = the request is none. It is an OPTIONS. */
export function preflightMask(): u32 {
  if (findHeader(ascii('origin')) == 0) return 0;
  const asked = findHeader(ascii('access-control-request-method'));
  if (asked == 0) return 0;
  return (
    methodBit(load<u32>(asked, HEADER_VALUE), load<u32>(asked, HEADER_VALUE_LENGTH)) | ANY_METHOD
  );
}

/**
 * Makes the edits that let a browser show a denial to the page that asked, if its origin is allowed
 * by the product. Without them a page cannot tell a denial from a broken network.
 */
export function composeCors(): void {
  const place = changetype<Product>(CURRENT.product).cors;
  if (place == 0) return;
  const cors = changetype<Cors>(recordOf(CURRENT.policy, CORS, place - 1));
  const any = (cors.flags & CORS_ANY_ORIGIN) != 0;
  // A cache must not hand the answer for one origin to another, whatever this one is.
  if (!any) set(ascii('vary'), ascii('origin'), 6);
  const origin = findHeader(ascii('origin'));
  if (origin == 0) return;
  const value = load<u32>(origin, HEADER_VALUE);
  const length = load<u32>(origin, HEADER_VALUE_LENGTH);
  if (any) set(ascii('access-control-allow-origin'), ascii('*'), 1);
  else if (!allows(cors, value, length)) return;
  else set(ascii('access-control-allow-origin'), value, length);
  if ((cors.flags & CORS_CREDENTIALS) != 0) {
    set(ascii('access-control-allow-credentials'), ascii('true'), 4);
  }
  const exposed = textAt(CURRENT.policy, cors.exposed);
  set(ascii('access-control-expose-headers'), exposed, cors.exposedLength);
}

function allows(cors: Cors, value: usize, length: u32): bool {
  for (let i: u32 = 0; i < cors.originCount; i++) {
    const origin = changetype<Origin>(recordOf(CURRENT.policy, ORIGINS, cors.originFirst + i));
    if (isOrigin(origin, value, length)) return true;
  }
  return false;
}

/** Whether a value is this origin, or one of the hosts below it where it has two ends. */
function isOrigin(origin: Origin, value: usize, length: u32): bool {
  const start = origin.startLength;
  const end = origin.endLength;
  if (end == 0 ? length != start : length <= start + end) return false;
  if (!equalBytes(value, textAt(CURRENT.policy, origin.start), start)) return false;
  const last = length - end;
  if (!equalBytes(value + last, textAt(CURRENT.policy, origin.end), end)) return false;
  for (let i = start; i < last; i++) {
    if (!isHostByte(load<u8>(value + i))) return false;
  }
  return true;
}

/** Small letters, digits, `-` and `.`: what the serialised host of an origin is made of. */
function isHostByte(byte: u32): bool {
  return byte - 0x61 < 26 || byte - 0x30 < 10 || byte - 0x2d < 2;
}

function set(name: usize, value: usize, length: u32): void {
  editSet(name, asciiLength(name), value, length);
}
