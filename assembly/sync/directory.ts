/**
 * Keeps the directory current (docs/wire.md §4): first fill, catching up, and the restrictive walk
 * while a newer policy is on its way. A page that is not the next one is ignored whole.
 */
import { applyRecords, beginGeneration, endGeneration } from '../directory/directory';
import { checkRecords, leadingRecords } from '../directory/records';
import {
  BACK_VALID,
  CALL_FETCH,
  callOf,
  Engine,
  keptPage,
  policyPending,
  WALK_CATCH_UP,
  WALK_FILL,
  WALK_NONE,
  WALK_RESTRICT,
} from '../engine/state';
import { AT_ONCE_RECORDS, SLICE_RECORDS } from '../limits';
import { DIRECTORIES_FILLED, DIRECTORY_NO_ROOM, noteEvent } from '../telemetry/events';
import { areSafe, sectionLength } from '../util/frame';
import { backOff, blameHost } from './failure';
import { settlePolicy } from './fetch';
import { heardRevision, hearHost, hearPolicyRevision } from './host';
import { bodyOf, openMessage } from './message';

const MAGIC: u32 = 0x49444753;
const SECTIONS: u32 = 0b1110;
const PAGE_BYTES: u32 = 80;
const FLAG_COMPLETE: u32 = 1;
const FLAG_START_OVER: u32 = 2;

/** Begins the walk that is needed, if any; true when a directory page should be asked for. */
export function nextWalk(engine: Engine): bool {
  if (engine.pageKept != 0) return false;
  if (engine.fillDue != 0) {
    engine.fillDue = 0;
    engine.fillWhole = 0;
    engine.walk = WALK_FILL;
    engine.walkBase = 0;
    engine.fillFrom = 0;
    engine.hasCursor = 0;
    beginGeneration(engine.directory);
    return true;
  }
  if (engine.fillWhole != 0) return goOnFilling(engine);
  if (engine.walk == WALK_CATCH_UP && policyPending(engine)) engine.walk = WALK_NONE;
  if (engine.walk != WALK_NONE) return true;
  if (engine.complete == 0) return false;
  if (policyPending(engine)) {
    if (engine.restrictedTo >= engine.heardPolicyRevision) return false;
    beginWalk(engine, WALK_RESTRICT);
    return true;
  }
  if (engine.directoryDue == 0) return false;
  engine.directoryDue = 0;
  beginWalk(engine, WALK_CATCH_UP);
  return true;
}

/**
 * A policy newer than the filled generation waits for it: the generation is brought up to that
 * policy's revision before both take over together.
 */
function goOnFilling(engine: Engine): bool {
  if (engine.backState != BACK_VALID || engine.backRevision <= engine.fillUpTo) return false;
  engine.fillWhole = 0;
  engine.fillFrom = engine.fillUpTo;
  beginWalk(engine, WALK_FILL);
  return true;
}

function beginWalk(engine: Engine, walk: u8): void {
  engine.walk = walk;
  engine.hasCursor = 0;
}

/** Takes an answer to a directory call; false when it is refused, or does not lead on. */
export function takeDirectory(engine: Engine, at: usize, length: u32, nowMs: u64): bool {
  if (!openMessage(at, length, MAGIC, SECTIONS)) return false;
  if (!isPage(2)) return false;
  if (!hearHost(engine, callOf(engine, CALL_FETCH).sentMs, false, nowMs)) return false;
  return takePage(engine, bodyOf(2, PAGE_BYTES), bodyOf(3, 0)) && !isBehind(engine);
}

/** Whether the open message has a page under this kind and its records under the next. */
export function isPage(kind: u32): bool {
  const page = bodyOf(kind, PAGE_BYTES);
  const records = bodyOf(kind + 1, 0);
  if (page == 0 || records == 0 || !areSafe(page, 7) || !areSafe(page + 68, 1)) return false;
  if (load<u32>(page, 60) > (FLAG_COMPLETE | FLAG_START_OVER)) return false;
  return checkRecords(records, sectionLength(records), load<u32>(page, 64));
}

/**
 * Whether a whole walk has brought no word of the policy that is waited for: this host lags behind
 * another, and asking it again at once would never end.
 */
function isBehind(engine: Engine): bool {
  if (engine.walk != WALK_NONE || engine.fillDue != 0 || !policyPending(engine)) return false;
  if (engine.fillWhole != 0) {
    return engine.fillUpTo == engine.fillFrom && engine.backRevision > engine.fillUpTo;
  }
  return engine.complete != 0 && engine.restrictedTo < engine.heardPolicyRevision;
}

/** Takes the page, checked, inside the answer to a watch; false when it is not the one expected. */
export function takeInlinePage(engine: Engine): bool {
  if (engine.complete == 0 || engine.fillDue != 0 || engine.fillWhole != 0) return false;
  if (engine.walk != WALK_NONE) return false;
  beginWalk(engine, policyPending(engine) ? WALK_RESTRICT : WALK_CATCH_UP);
  const taken = takePage(engine, bodyOf(3, PAGE_BYTES), bodyOf(4, 0));
  if (!taken) engine.walk = WALK_NONE;
  return taken;
}

function takePage(engine: Engine, page: usize, records: usize): bool {
  const filling = engine.walk == WALK_FILL;
  if (engine.walk == WALK_NONE) return false;
  hearPolicyRevision(engine, load<u64>(page));
  const held: u64 = filling ? engine.fillFrom : engine.directoryRevision;
  if (load<u64>(page, 8) != held || !isExpected(engine, page)) return false;
  const flags = load<u32>(page, 60);
  if ((flags & FLAG_START_OVER) != 0) {
    engine.walk = WALK_NONE;
    engine.fillDue = 1;
    // Said of a walk from the start it makes no sense: back-off keeps it from going round.
    return !filling || held != 0;
  }
  if ((flags & FLAG_COMPLETE) == 0 && !isForward(page)) return false;
  if (filling && held == 0) {
    if (engine.hasCursor == 0) engine.walkBase = heardRevision();
    else if (load<u64>(page, 68) > engine.walkBase) {
      engine.fillDue = 1;
      return false;
    }
  } else if (!filling && policyPending(engine)) {
    engine.walk = WALK_RESTRICT;
  }
  if (load<u64>(page, 32) < held) return false;
  keepPage(engine, page, records);
  // A few records, such as a revocation, wait for no tick.
  if (load<u32>(page, 64) <= AT_ONCE_RECORDS) applySlice(engine);
  // Until the first fill is whole requests wait for it, and not behind it.
  while (engine.complete == 0 && engine.pageKept != 0) applySlice(engine);
  return true;
}

function keepPage(engine: Engine, page: usize, records: usize): void {
  engine.pageKept = 1;
  engine.pageBytes = sectionLength(records);
  engine.pageDone = 0;
  memory.copy(keptPage(engine), page, PAGE_BYTES);
  memory.copy(keptPage(engine) + PAGE_BYTES, records, engine.pageBytes);
}

/** Applies the next records of the kept page; with the last of them the walk goes on or ends. */
function applySlice(engine: Engine): void {
  const page = keptPage(engine);
  const records = page + PAGE_BYTES + engine.pageDone;
  const length = leadingRecords(records, engine.pageBytes - engine.pageDone, SLICE_RECORDS);
  const restrictive = engine.walk == WALK_RESTRICT;
  // What found no room is unknown here; to stop at it would leave later revocations unheard.
  if (applyRecords(engine.directory, records, length, restrictive) != 0) {
    noteEvent(DIRECTORY_NO_ROOM, engine.directoryRevision);
  }
  engine.pageDone += length;
  if (engine.pageDone < engine.pageBytes) return;
  engine.pageKept = 0;
  if ((load<u32>(page, 60) & FLAG_COMPLETE) != 0) endWalk(engine, load<u64>(page, 32));
  else moveCursor(engine, page);
}

/** Goes on applying the kept page for one slice. */
export function pageSlice(engine: Engine, nowMs: u64): void {
  applySlice(engine);
  if (!isBehind(engine)) return;
  blameHost(engine, CALL_FETCH);
  backOff(engine, CALL_FETCH, nowMs);
}

function isExpected(engine: Engine, page: usize): bool {
  const revision = load<u64>(page, 16);
  const id = load<u64>(page, 24);
  const kind = load<u8>(page, 56) as u32;
  if (engine.hasCursor == 0) return revision == 0 && id == 0 && kind == 0;
  return revision == engine.cursorRevision && id == engine.cursorId && kind == engine.cursorKind;
}

/** Whether the cursor that a page goes on with stands after the one it began with. */
function isForward(page: usize): bool {
  const from = load<u64>(page, 16);
  const next = load<u64>(page, 40);
  if (next != from) return next > from;
  const fromKind: u32 = load<u8>(page, 56);
  const nextKind: u32 = load<u8>(page, 57);
  if (nextKind != fromKind) return nextKind > fromKind;
  return load<u64>(page, 48) > load<u64>(page, 24);
}

function moveCursor(engine: Engine, page: usize): void {
  engine.hasCursor = 1;
  engine.cursorRevision = load<u64>(page, 40);
  engine.cursorId = load<u64>(page, 48);
  engine.cursorKind = load<u8>(page, 57);
}

function endWalk(engine: Engine, upTo: u64): void {
  const walk = engine.walk;
  engine.walk = WALK_NONE;
  engine.hasCursor = 0;
  if (walk == WALK_FILL) {
    engine.fillWhole = 1;
    engine.fillUpTo = upTo;
  } else if (walk == WALK_RESTRICT) {
    engine.restrictedTo = upTo;
  } else {
    engine.directoryRevision = upTo;
  }
  settlePolicy(engine);
}

/** Puts the filled generation in force. */
export function endFill(engine: Engine): void {
  endGeneration(engine.directory);
  noteEvent(DIRECTORIES_FILLED, engine.fillUpTo);
  engine.directoryRevision = engine.fillUpTo;
  engine.restrictedTo = 0;
  engine.fillWhole = 0;
  engine.complete = 1;
}
