/**
 * What one engine holds: everything a VM knows for one (clusters, authority, proxy group). Plain
 * memory in one block, reached by address, so that engines of one VM cannot disturb each other.
 */

import { IDENTITY_BYTES } from '../bootstrap/bootstrap';
import { CLOSING_MAX, HELD_MAX, REPLY_BYTES_MAX } from '../limits';

/** Kinds of calls to the host; at most one of each is open. */
export const CALL_WATCH: u32 = 0;
export const CALL_SYNC: u32 = 1;
export const CALL_URGENT: u32 = 2;
export const CALL_FETCH: u32 = 3;
export const CALL_KINDS: u32 = 4;

/** What a fetch asks for. */
export const FETCH_MANIFEST: u32 = 1;
export const FETCH_PAGE: u32 = 2;
export const FETCH_DIRECTORY: u32 = 3;

/** How an engine leaves: not, with a last report to be sent, with one sent, with one answered. */
export const LEAVING_NOT: u32 = 0;
export const LEAVING_BEGUN: u32 = 1;
export const LEAVING_TOLD: u32 = 2;
export const LEAVING_DONE: u32 = 3;

/** States of the policy that is being fetched. */
export const BACK_NONE: u8 = 0;
export const BACK_LOADING: u8 = 1;
export const BACK_HASHING: u8 = 2;
export const BACK_CHECKING: u8 = 3;
export const BACK_VALID: u8 = 4;

/** What a walk over the directory is for. */
export const WALK_NONE: u8 = 0;
export const WALK_FILL: u8 = 1;
export const WALK_CATCH_UP: u8 = 2;
export const WALK_RESTRICT: u8 = 3;

/** One kind of call: whether it is open, and when the next may be made. */
@unmanaged
export class Call {
  open: u32;
  token: u32;
  root: u32;
  what: u32;
  sentMs: u64;
  notBeforeMs: u64;
  backOffMs: u32;
  cluster: u32;
  sequence: u32;
  reserved: u32;
}

/** Bytes of a `Call`. */
export const CALL_BYTES: u32 = 48;

/** One engine. Times are milliseconds of the monotonic clock unless the name says otherwise. */
@unmanaged
export class Engine {
  inUse: u32;
  roots: u32;
  clusters: u32;
  cluster: u32;
  incarnation: u64;
  random: u64;
  generation: u32;
  sequence: u32;
  /** Settings of the newest living root. */
  heartbeatMs: u32;
  newestRoot: u32;

  hasStore: u32;
  hasClock: u32;
  store0: u64;
  store1: u64;
  storeSinceMs: u64;
  epoch: u64;
  headRevision: u64;
  /** Unix time minus monotonic time. */
  clockOffsetMs: i64;
  lastWordMs: u64;
  startedMs: u64;

  policy: usize;
  policyBlock: u32;
  policyLength: u32;
  backState: u8;
  complete: u8;
  walk: u8;
  hasCursor: u8;
  /** The policy in force is this store's. */
  policyFresh: u8;
  /** What the ledger refused was refused on the terms of the policy before. */
  termsChanged: u8;
  /** The directory is to be caught up with; to be filled anew; the fill is whole, not in force. */
  directoryDue: u8;
  fillDue: u8;
  fillWhole: u8;
  policyRevision: u64;
  heardPolicyRevision: u64;
  digest0: u64;
  digest1: u64;
  digest2: u64;
  digest3: u64;
  back: usize;
  backBlock: u32;
  backLength: u32;
  backPages: u32;
  backNext: u32;
  policyBackOffMs: u32;
  policyNotBeforeMs: u64;
  /** Restrictive records are applied up to this revision. */
  restrictedTo: u64;
  /** A fill: where it goes on from, the store's revision when it began, how far it came. */
  fillFrom: u64;
  walkBase: u64;
  fillUpTo: u64;
  backRevision: u64;
  backDigest0: u64;
  backDigest1: u64;
  backDigest2: u64;
  backDigest3: u64;
  checkState: usize;
  /** How much of the page `backNext` is hashed, and the state of its hash. */
  backHashed: u32;
  hash0: u64;
  hash1: u64;
  hash2: u64;
  hash3: u64;

  directory: usize;
  directoryRevision: u64;
  cursorRevision: u64;
  cursorId: u64;
  cursorKind: u32;
  /** The open watch was opened during a walk: the host answers it for policy only. */
  watchBlind: u32;
  /** A page of records is being applied: how many bytes of them it has, and how many are done. */
  pageKept: u32;
  pageBytes: u32;
  pageDone: u32;
  /** 1 = entries are left to be moved or swept. */
  untidy: u32;

  holdings: usize;
  usage: usize;
  closing: usize;
  /** Places for the headers of held requests (see pipeline/stash.ts). */
  stash: usize;
  closingCount: u32;
  heldCount: u32;
  /** Regular sync: interval in force, when the last was sent, round trip, whether to ask soon. */
  intervalMs: u32;
  roundTripMs: u32;
  lastSyncMs: u64;
  askSoon: u32;
  urgentDue: u32;
  lastError: u32;
  failures: u64;
  /**
   * How far the last root is with leaving (a `LEAVING_…`), which it is, and until when it waits.
   */
  leaving: u32;
  leavingRoot: u32;
  leaveByMs: u64;
  ratedMs: u64;
  roundMs: u64;
  /** Counts what may have changed for held requests. */
  turn: u32;
  /** Holders that the host last spoke of, 0 = not known. */
  holders: u32;
  /** When the host last asked for a report at once. */
  promptedMs: u64;
}

const ENGINE_BYTES: usize = 1024;
const CALLS: usize = ENGINE_BYTES;
const NAMES: usize = CALLS + 4 * (CALL_BYTES as usize);
const PAGE_DIGESTS: usize = (NAMES + (IDENTITY_BYTES as usize) + 7) & ~7;
const PAGE_DIGEST_BYTES: usize = 128 * 32;
const HELD: usize = PAGE_DIGESTS + PAGE_DIGEST_BYTES;

/** Bytes of a held request (see pipeline/hold.ts). */
export const HELD_BYTES: u32 = 40;
/**
 * An ended holding: account (28 bytes), generation u32, window u64, used, released, granted u64.
 */
export const CLOSING_BYTES: u32 = 72;

const KEPT_PAGE: usize = HELD + ((HELD_MAX * HELD_BYTES) as usize);
/** Bytes of the block of an engine. */
export const ENGINE_BLOCK: usize = KEPT_PAGE + (REPLY_BYTES_MAX as usize);
/** Bytes of the block of ended holdings. */
export const CLOSING_BLOCK: usize = (CLOSING_MAX * CLOSING_BYTES) as usize;

/** The engine at an address. */
export function engineAt(at: usize): Engine {
  return changetype<Engine>(at);
}

/** One kind of call of an engine. */
export function callOf(engine: Engine, kind: u32): Call {
  return changetype<Call>(changetype<usize>(engine) + CALLS + kind * CALL_BYTES);
}

/** The names (clusters, authority, proxy group) of an engine, laid out as in bootstrap. */
export function engineNames(engine: Engine): usize {
  return changetype<usize>(engine) + NAMES;
}

/** The 32-byte digests of the pages of the policy that is being fetched. */
export function pageDigests(engine: Engine): usize {
  return changetype<usize>(engine) + PAGE_DIGESTS;
}

/** The held request `index`, in the order of arrival. */
export function heldAt(engine: Engine, index: u32): usize {
  return changetype<usize>(engine) + HELD + index * HELD_BYTES;
}

/** The head of the directory page that is being applied; its records follow it. */
export function keptPage(engine: Engine): usize {
  return changetype<usize>(engine) + KEPT_PAGE;
}

/** A time of this VM by the clock of the host: Unix milliseconds, as far as the host told it. */
export function hostTimeMs(engine: Engine, atMs: u64): u64 {
  return atMs + (engine.clockOffsetMs as u64);
}

/** Whether something that came from the host is being worked through, slice by slice. */
export function isBusy(engine: Engine): bool {
  const back = engine.backState;
  return engine.pageKept != 0 || back == BACK_HASHING || back == BACK_CHECKING;
}

/** True while a newer policy than the one held is known. */
export function policyPending(engine: Engine): bool {
  return engine.policyFresh == 0 || engine.heardPolicyRevision > engine.policyRevision;
}

/**
 * Whether a directory that was never complete may be used as far as it came: only with the policy
 * that was in force when its walk began, because records read before may have ended since.
 */
export function mayServeFill(engine: Engine): bool {
  return !policyPending(engine) && engine.walkBase >= engine.policyRevision;
}

/** Fractions of 2^32 for jitter; not for secrets. */
export function jitter(engine: Engine): u32 {
  let x = engine.random;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  engine.random = x;
  return (x >> 32) as u32;
}

/** `ms` ± `percent` %, by chance. */
export function jittered(engine: Engine, ms: u32, percent: u32): u32 {
  const span = ((ms as u64) * percent * 2) / 100;
  const least = (ms as u64) - span / 2;
  return (least + ((span * (jitter(engine) as u64)) >> 32)) as u32;
}
