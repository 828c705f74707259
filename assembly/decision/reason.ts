/**
 * The closed list of reasons for a decision: number, name and HTTP status. Numbers are part of the
 * wire and of every log: append only, never reuse.
 */
import { putKnownEntry } from '../pipeline/text';
import { asciiList } from '../util/ascii';

export const ALLOWED: u32 = 0;
export const ANONYMOUS: u32 = 1;
export const UNMATCHED_PASSED: u32 = 2;
export const OTHER_HOST_PASSED: u32 = 3;
export const MODE_OFF: u32 = 4;
export const NO_POLICY_PASSED: u32 = 5;
export const QUOTA_UNAVAILABLE_PASSED: u32 = 6;
export const PREFLIGHT: u32 = 7;
export const QUOTA_LOCAL_SHARE: u32 = 8;
export const HOP: u32 = 9;
export const HOST_NOT_GOVERNED: u32 = 16;
export const PATH_AMBIGUOUS: u32 = 17;
export const OPERATION_NOT_FOUND: u32 = 18;
export const KEY_MISSING: u32 = 19;
export const KEY_CONFLICT: u32 = 20;
export const KEY_MALFORMED: u32 = 21;
export const KEY_UNKNOWN: u32 = 22;
export const KEY_DISABLED: u32 = 23;
export const KEY_EXPIRED: u32 = 24;
export const KEY_NOT_YET_VALID: u32 = 25;
export const NOT_SUBSCRIBED: u32 = 26;
export const SUBSCRIPTION_SUSPENDED: u32 = 27;
export const QUOTA_EXCEEDED: u32 = 28;
export const QUOTA_UNAVAILABLE: u32 = 29;
export const NO_POLICY: u32 = 30;
export const POLICY_PENDING: u32 = 31;
export const POLICY_STALE: u32 = 32;
export const HELD_FULL: u32 = 33;
export const REQUEST_UNREADABLE: u32 = 34;
export const CIDR_DENIED: u32 = 35;
export const REFERER_DENIED: u32 = 36;
export const CALLER_MISSING: u32 = 37;
export const CALLER_UNKNOWN: u32 = 38;
/** One more than the highest reason. */
export const REASON_END: u32 = 39;

/** The least reason that denies. */
export const FIRST_DENIAL: u32 = HOST_NOT_GOVERNED;

const PASSES = asciiList(
  'allowed|anonymous|unmatched_passed|other_host_passed|mode_off|no_policy_passed|' +
    'quota_unavailable_passed|preflight|quota_local_share|hop|',
);
const DENIALS = asciiList(
  'host_not_governed|path_ambiguous|operation_not_found|key_missing|key_conflict|key_malformed|' +
    'key_unknown|key_disabled|key_expired|key_not_yet_valid|not_subscribed|' +
    'subscription_suspended|quota_exceeded|quota_unavailable|no_policy|policy_pending|' +
    'policy_stale|held_full|request_unreadable|cidr_denied|referer_denied|' +
    'caller_missing|caller_unknown|',
);

/** Where the names stand that were asked for; in a function, so that tests can read this file. */
function places(): usize {
  return memory.data(REASON_END * 4, 4);
}

/** Writes the stable name of a reason. */
export function putReason(reason: u32): void {
  if (reason < FIRST_DENIAL) putKnownEntry(PASSES, reason, places());
  else putKnownEntry(DENIALS, reason - FIRST_DENIAL, places() + FIRST_DENIAL * 4);
}

/** The HTTP status of a denial; 0 for a reason that passes. */
export function reasonStatus(reason: u32): u32 {
  if (reason < FIRST_DENIAL) return 0;
  switch (reason) {
    case PATH_AMBIGUOUS:
      return 400;
    case OPERATION_NOT_FOUND:
      return 404;
    case HOST_NOT_GOVERNED:
    case NOT_SUBSCRIBED:
    case SUBSCRIPTION_SUSPENDED:
    case CIDR_DENIED:
    case REFERER_DENIED:
      return 403;
    case CALLER_MISSING:
    case CALLER_UNKNOWN:
      return 401;
    case QUOTA_EXCEEDED:
      return 429;
    default:
      return reason >= KEY_MISSING && reason <= KEY_NOT_YET_VALID ? 401 : 503;
  }
}

/** The gRPC status that stands for an HTTP status of ours: 16, 7, 8, 14 or 12. */
export function grpcStatus(status: u32): u32 {
  switch (status) {
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
      return 8;
    case 400:
      return 3;
    default:
      return 14;
  }
}
