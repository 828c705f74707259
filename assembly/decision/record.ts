/**
 * The decision record: what was decided for one stream and why, in a fixed layout that response
 * details, filter state, counters and the emulator's trace read. One per stream, `STREAMS_MAX` in
 * all; a stream beyond that is decided without one and counted.
 */
import { STREAMS_MAX } from '../limits';

/**
 * Layout (little-endian, 192 bytes; the emulator reads it by these offsets):
 *
 * 0 stream u32 · 4 root u32 · 8 reason u8 · 9 phase u8 · 10 mode u8 · 11 flags u8 · 12 status u16 ·
 * 14 limits u8 · 15 limitIndex u8 (255 none) · 16 product u64 · 24 operation u64 ·
 * 32 application u64 · 40 credential u64 · 48 plan u64 · 56 subscription u64 · 64 limit u64 ·
 * 72 policyRevision u64 · 80 decidedMs u64 (monotonic) · 88 retryAfterS u32 · 92 edits u16 ·
 * 94 reserved u16 · 96 shown u64 (the limit that RateLimit fields describe, 0 none) ·
 * 104 remaining u64 · 112 resetS u32 · 116 reserved u32 ·
 * 120 eight times {before u32, after u32} (units left at this holder) · 184 next u32 (free list) ·
 * 188 reserved u32
 */
@unmanaged
export class Decision {
  stream: u32;
  root: u32;
  reason: u8;
  phase: u8;
  mode: u8;
  flags: u8;
  status: u16;
  limits: u8;
  limitIndex: u8;
  product: u64;
  operation: u64;
  application: u64;
  credential: u64;
  plan: u64;
  subscription: u64;
  limit: u64;
  policyRevision: u64;
  decidedMs: u64;
  retryAfterS: u32;
  edits: u16;
  reserved0: u16;
  shown: u64;
  remaining: u64;
  resetS: u32;
  reserved1: u32;
}

/** Where the pairs of units before and after begin. */
export const DECISION_LIMITS: usize = 120;
/** Bytes of a record. */
export const DECISION_BYTES: u32 = 192;
const NEXT: usize = 184;
/** The eight bytes from `reason` on while nothing is decided: zeros, and no limit. */
const UNDECIDED: u64 = 0xff00000000000000;

/** Phases, as ARCHITECTURE.md numbers them; a record holds the last one reached. */
export const PHASE_START: u8 = 0;
export const PHASE_MATCH: u8 = 1;
export const PHASE_PREFLIGHT: u8 = 2;
export const PHASE_IDENTIFY: u8 = 3;
export const PHASE_FORMAT: u8 = 4;
export const PHASE_LOOK_UP: u8 = 5;
export const PHASE_STATE: u8 = 6;
export const PHASE_SUBSCRIPTION: u8 = 7;
export const PHASE_QUOTA: u8 = 8;
export const PHASE_MEDIATE: u8 = 9;

/** Modes of a root. */
export const MODE_ENFORCE: u8 = 0;
export const MODE_SHADOW: u8 = 1;
export const MODE_OFF_: u8 = 2;

/** Flags: it would have been denied · it was held · a local response was sent · it is held now. */
export const DECISION_WOULD_DENY: u8 = 1;
export const DECISION_HELD: u8 = 2;
export const DECISION_ANSWERED: u8 = 4;
export const DECISION_HOLDING: u8 = 8;
/** Flags: it is decided (kept beyond that for the later phases) · its response is to be edited. */
export const DECISION_DONE: u8 = 16;
export const DECISION_RESPONDS: u8 = 32;
/** Flag: its response is counted by status class and latency when the stream is over. */
export const DECISION_MEASURED: u8 = 64;
/** Flag: a denial of ours is to become one of gRPC-Web on its way out. */
export const DECISION_GRPC_WEB: u8 = 128;

/** The records; in a function, so that what is small lies before it and has short addresses. */
function records(): usize {
  return memory.data((STREAMS_MAX + 1) * DECISION_BYTES, 16);
}

/** The record of a stream that found no place in the table; overwritten by the next such one. */
function spare(): usize {
  return records() + STREAMS_MAX * DECISION_BYTES;
}

let fresh: u32 = 0;
let freeList: u32 = 0;

/**
 * A record with nothing decided, or 0 when all `STREAMS_MAX` are in use. `clearDecision` makes it
 * ready for a decision.
 */
export function takeDecision(stream: u32, root: u32): usize {
  let at: usize = freeList;
  if (at != 0) {
    freeList = load<u32>(at, NEXT);
  } else {
    if (fresh >= STREAMS_MAX) return 0;
    at = records() + fresh * DECISION_BYTES;
    fresh++;
  }
  store<u32>(at, stream);
  store<u32>(at, root, 4);
  store<u64>(at, UNDECIDED, offsetof<Decision>('reason'));
  return at;
}

/** The record for a stream without one: valid until the next call. */
export function spareDecision(stream: u32, root: u32): usize {
  clearDecision(spare(), stream, root);
  return spare();
}

/** Empties a record for another decision of the same stream; what says "it was held" stays. */
export function clearDecision(at: usize, stream: u32, root: u32): void {
  const held = load<u8>(at, offsetof<Decision>('flags')) & DECISION_HELD;
  const same = load<u32>(at) == stream;
  // The units of the limits are written for as many as are asked.
  for (let to = at; to < at + DECISION_LIMITS; to += 40) {
    store<u64>(to, 0);
    store<u64>(to, 0, 8);
    store<u64>(to, 0, 16);
    store<u64>(to, 0, 24);
    store<u64>(to, 0, 32);
  }
  const decision = changetype<Decision>(at);
  decision.stream = stream;
  decision.root = root;
  store<u64>(at, UNDECIDED, offsetof<Decision>('reason'));
  if (same) decision.flags = held;
}

/** Gives a record back. */
export function freeDecision(at: usize): void {
  if (at == 0 || at == spare()) return;
  store<u32>(at, 0);
  store<u32>(at, freeList, NEXT);
  freeList = at as u32;
}
