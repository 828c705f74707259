/**
 * Decides which call to the host is due, and takes what comes back: an answer, a failure, or a call
 * that the proxy refused. At most one call of each kind is open; failures back off with jitter and
 * go to the next host. It never makes a call itself.
 */
import {
  CALL_FETCH,
  CALL_KINDS,
  CALL_SYNC,
  CALL_URGENT,
  CALL_WATCH,
  callOf,
  Engine,
  FETCH_DIRECTORY,
  FETCH_MANIFEST,
  isBusy,
  LEAVING_BEGUN,
  LEAVING_DONE,
  LEAVING_NOT,
  LEAVING_TOLD,
  WALK_NONE,
} from '../engine/state';
import { URGENT_GAP_MS } from '../limits';
import { clearCold, coldCount } from '../quota/holdings';
import { clearFlights } from '../quota/lease';
import { usageLeft } from '../usage/report';
import { takeDirectory } from './directory';
import { backOff, blameHost } from './failure';
import { nextFetch, policyFailed, takeManifest, takePage } from './fetch';
import { takeSync } from './reply';
import { hasReport } from './report';
import { takeWatch } from './watch';

/** No call is due. */
export const NO_CALL: u32 = 0xffffffff;

/** Least time between two regular calls when the holder has something to ask. */
const ASK_SOON_MS: u64 = 50;

/** The kind of the call that should be made now, or `NO_CALL`. */
export function dueCall(engine: Engine, nowMs: u64): u32 {
  if (engine.newestRoot == 0 && engine.leaving == LEAVING_NOT) return NO_CALL;
  if (dueUrgent(engine, nowMs)) return CALL_URGENT;
  if (isDue(engine, CALL_SYNC, nowMs) && syncDue(engine, nowMs)) return CALL_SYNC;
  if (engine.leaving != LEAVING_NOT) return NO_CALL;
  if (isDue(engine, CALL_FETCH, nowMs)) {
    const what = nextFetch(engine, nowMs);
    if (what != 0) {
      callOf(engine, CALL_FETCH).what = what;
      return CALL_FETCH;
    }
  }
  dropBlindWatch(engine);
  return isDue(engine, CALL_WATCH, nowMs) && watchDue(engine, nowMs) ? CALL_WATCH : NO_CALL;
}

/** Whether the urgent call should be made now. */
export function dueUrgent(engine: Engine, nowMs: u64): bool {
  return isDue(engine, CALL_URGENT, nowMs) && urgentDue(engine, nowMs);
}

function isDue(engine: Engine, kind: u32, nowMs: u64): bool {
  const call = callOf(engine, kind);
  return call.open == 0 && nowMs >= call.notBeforeMs;
}

function urgentDue(engine: Engine, nowMs: u64): bool {
  if (engine.urgentDue == 0 || engine.leaving != LEAVING_NOT) return false;
  if (coldCount(engine.holdings) == 0) {
    engine.urgentDue = 0;
    return false;
  }
  const last = callOf(engine, CALL_URGENT).sentMs;
  return last == 0 || nowMs - last >= (URGENT_GAP_MS as u64);
}

function syncDue(engine: Engine, nowMs: u64): bool {
  if (engine.hasStore == 0) return false;
  if (engine.leaving != LEAVING_NOT) {
    return engine.leaving == LEAVING_BEGUN && callOf(engine, CALL_URGENT).open == 0;
  }
  const since = nowMs - engine.lastSyncMs;
  if (since < (engine.intervalMs as u64) && (engine.askSoon == 0 || since < ASK_SOON_MS)) {
    return false;
  }
  engine.askSoon = 0;
  if (hasReport(engine, nowMs)) return true;
  engine.lastSyncMs = nowMs;
  return false;
}

/**
 * A watch that was opened during a walk hears of policy only; once the walk is over a new one takes
 * its place, and the host answers the older of two of one engine at once.
 */
function dropBlindWatch(engine: Engine): void {
  if (engine.watchBlind == 0 || engine.fillDue != 0 || engine.walk != WALK_NONE) return;
  engine.watchBlind = 0;
  callOf(engine, CALL_WATCH).open = 0;
}

/**
 * The watch is open whenever nothing is being fetched or worked through: until that is in force the
 * host would answer at once and again, and the pages themselves say what is new.
 */
function watchDue(engine: Engine, nowMs: u64): bool {
  if (isBusy(engine)) return false;
  if (callOf(engine, CALL_FETCH).backOffMs > 0) return true;
  return callOf(engine, CALL_FETCH).open == 0 && nextFetch(engine, nowMs) == 0;
}

/** A call of this kind was made under this number by this root. */
export function callMade(engine: Engine, kind: u32, token: u32, root: u32, nowMs: u64): void {
  const call = callOf(engine, kind);
  call.open = 1;
  call.token = token;
  call.root = root;
  call.cluster = engine.cluster;
  call.sentMs = nowMs;
  call.sequence = engine.sequence;
  if (kind == CALL_SYNC) {
    engine.lastSyncMs = nowMs;
    if (engine.leaving == LEAVING_BEGUN) engine.leaving = LEAVING_TOLD;
  }
  if (kind == CALL_URGENT) engine.urgentDue = 0;
}

/** The proxy would not make the call: no such cluster, or no endpoint. */
export function callRefused(engine: Engine, kind: u32, nowMs: u64): void {
  const call = callOf(engine, kind);
  call.cluster = engine.cluster;
  call.sentMs = nowMs;
  if (kind == CALL_SYNC) {
    engine.lastSyncMs = nowMs;
    if (engine.leaving == LEAVING_BEGUN) engine.leaving = LEAVING_DONE;
  }
  fail(engine, kind, nowMs);
}

/** The kind of the open call with this number, or `NO_CALL`. */
export function callByToken(engine: Engine, token: u32): u32 {
  for (let kind: u32 = 0; kind < CALL_KINDS; kind++) {
    const call = callOf(engine, kind);
    if (call.open != 0 && call.token == token) return kind;
  }
  return NO_CALL;
}

/**
 * Takes the answer to an open call; `status` 0 = none came, `length` bytes at `at` are its body.
 */
export function takeAnswer(
  engine: Engine,
  kind: u32,
  status: u32,
  at: usize,
  length: u32,
  nowMs: u64,
): void {
  const call = callOf(engine, kind);
  call.open = 0;
  const told = kind == CALL_SYNC && engine.leaving == LEAVING_TOLD;
  if (told) engine.leaving = LEAVING_DONE;
  if (status != 200 || !takeBody(engine, kind, at, length, nowMs)) {
    fail(engine, kind, nowMs);
    return;
  }
  // More usage than one call holds: the last report has a sequel.
  if (told && usageLeft(engine.usage)) engine.leaving = LEAVING_BEGUN;
  call.backOffMs = 0;
  if (kind != CALL_SYNC && kind != CALL_URGENT) return;
  const trip = min<u64>(nowMs - call.sentMs, 10_000) as u32;
  engine.roundTripMs = engine.roundTripMs == 0 ? trip : (engine.roundTripMs * 3 + trip) / 4;
}

function takeBody(engine: Engine, kind: u32, at: usize, length: u32, nowMs: u64): bool {
  switch (kind) {
    case CALL_WATCH:
      return takeWatch(engine, at, length, nowMs);
    case CALL_SYNC:
    case CALL_URGENT:
      return takeSync(engine, kind, at, length, nowMs);
    default:
      break;
  }
  const what = callOf(engine, CALL_FETCH).what;
  if (what == FETCH_MANIFEST) return takeManifest(engine, at, length, nowMs);
  if (what == FETCH_DIRECTORY) return takeDirectory(engine, at, length, nowMs);
  return takePage(engine, at, length, nowMs);
}

/** A call came to nothing: what is held stays; later again, and at the next host. */
function fail(engine: Engine, kind: u32, nowMs: u64): void {
  blameHost(engine, kind);
  if (kind == CALL_SYNC || kind == CALL_URGENT) clearFlights(engine, kind);
  if (kind == CALL_URGENT) clearCold(engine.holdings);
  if (kind == CALL_FETCH && callOf(engine, kind).what != FETCH_DIRECTORY) {
    policyFailed(engine, nowMs);
  } else {
    backOff(engine, kind, nowMs);
  }
}
