/**
 * Takes the answer to a sync call (docs/wire.md §6). Each item names its holding itself, so lost,
 * doubled, delayed and reordered answers do no harm: what is not held is ignored.
 */
import { CALL_SYNC, CLOSING_BYTES, callOf, Engine } from '../engine/state';
import { bookBorrowed } from '../quota/borrow';
import { findHolding, Holding, isShare, kindOf } from '../quota/holdings';
import { balanceOf, clearFlights, clearHolding, clearNext } from '../quota/lease';
import { clearShare, confirmShare, Share, shareAt, shareIsOver, takeShare } from '../quota/share';
import { usageConfirmed } from '../usage/report';
import { areSafe, isTable, tableCount, tableRecord } from '../util/frame';
import { hearHost, hearPolicyRevision } from './host';
import { bodyOf, openMessage } from './message';

const MAGIC: u32 = 0x52534753;
const SECTIONS: u32 = 0b1110;
const SYNC: u32 = 2;
const SYNC_BYTES: u32 = 24;
const ITEMS: u32 = 3;
const ITEM_BYTES: u32 = 96;
/** Where an item says how long to deny, and its status. */
const DENY_FOR: usize = 76;
const STATUS: usize = 80;
const CLASS: usize = 81;
const FLAGS: usize = 82;
const HOLDERS: usize = 84;
const FLAG_APPROXIMATE: u32 = 1;
const HEARTBEAT_MIN_MS: u32 = 200;
const HEARTBEAT_MAX_MS: u32 = 60_000;

const STATUS_OK: u8 = 0;
const STATUS_EXHAUSTED: u8 = 1;
const STATUS_OVER: u8 = 2;
const STATUS_UNKNOWN: u8 = 3;
const STATUS_UNAVAILABLE: u8 = 4;

/** Takes the answer to the open call of this kind; false when it is refused whole. */
export function takeSync(engine: Engine, kind: u32, at: usize, length: u32, nowMs: u64): bool {
  const call = callOf(engine, kind);
  if (!openMessage(at, length, MAGIC, SECTIONS)) return false;
  const sync = bodyOf(SYNC, SYNC_BYTES);
  const items = bodyOf(ITEMS, 8);
  if (sync == 0 || items == 0 || !isTable(items, ITEM_BYTES)) return false;
  if (!areSafe(sync + 8, 2) || !itemsAreSafe(items)) return false;
  if (!hearHost(engine, call.sentMs, false, nowMs)) return false;
  const interval = load<u32>(sync, 4);
  engine.intervalMs = min(max(interval, HEARTBEAT_MIN_MS), HEARTBEAT_MAX_MS);
  hearPolicyRevision(engine, load<u64>(sync, 8));
  if (kind == CALL_SYNC) usageConfirmed(engine.usage, load<u64>(sync, 16));
  const answersThis = load<u32>(sync) == call.sequence;
  const count = tableCount(items);
  for (let i: u32 = 0; i < count; i++) {
    takeItem(engine, kind, tableRecord(items, i), answersThis, call.sentMs, nowMs);
  }
  clearFlights(engine, kind);
  return true;
}

/** Window, units granted, remaining and quota of every item are numbers that can be. */
function itemsAreSafe(items: usize): bool {
  const count = tableCount(items);
  for (let i: u32 = 0; i < count; i++) {
    if (!areSafe(tableRecord(items, i) + 32, 4)) return false;
  }
  return true;
}

function takeItem(
  engine: Engine,
  kind: u32,
  item: usize,
  answersThis: bool,
  sentMs: u64,
  nowMs: u64,
): void {
  const generation = load<u32>(item, 28);
  if (generation == 0) return;
  const slot = findHolding(
    engine.holdings,
    load<u64>(item),
    load<u64>(item, 8),
    load<u64>(item, 16),
    kindOf(load<u32>(item, 24), load<u8>(item, CLASS)),
  );
  if (slot != 0) {
    const holding = changetype<Holding>(slot);
    if (isShare(holding)) {
      if (holding.generation != generation) return;
      const share = shareAt(holding);
      if (answersThis && share.flight == ((kind + 1) as u8)) confirmShare(share);
      takeShareItem(engine, share, item, sentMs, nowMs);
      return;
    }
    if (holding.generation == generation) {
      if (answersThis && holding.flight == ((kind + 1) as u8)) confirm(holding);
      takeCurrent(engine, holding, item, sentMs, nowMs);
      return;
    }
    if (holding.nextGeneration == generation) {
      takeNext(holding, item, sentMs, nowMs);
      return;
    }
  }
  takeEnded(engine, item, generation, answersThis, kind);
}

function confirm(holding: Holding): void {
  holding.ackUsed = holding.sentUsed;
  holding.ackReleased = holding.sentReleased;
  holding.ackGranted = holding.sentGranted;
}

function takeCurrent(engine: Engine, holding: Holding, item: usize, sentMs: u64, nowMs: u64): void {
  const status = load<u8>(item, STATUS);
  const denyForMs = load<u32>(item, DENY_FOR) as u64;
  const windowId = load<u64>(item, 32);
  holding.waiting = 0;
  switch (status) {
    case STATUS_OVER:
      if (holding.windowId == windowId || holding.windowId == 0) clearHolding(holding);
      return;
    case STATUS_UNKNOWN:
      clearHolding(holding);
      holding.unavailable = 1;
      holding.denyUntilMs = nowMs + denyForMs;
      return;
    case STATUS_UNAVAILABLE:
      holding.unavailable = 1;
      holding.denyUntilMs = nowMs + denyForMs;
      return;
    case STATUS_OK:
    case STATUS_EXHAUSTED:
      break;
    default:
      return;
  }
  if (windowId == 0 || (holding.windowId != 0 && holding.windowId != windowId)) return;
  const isNew = holding.windowId == 0;
  holding.windowId = windowId;
  holding.quota = load<u64>(item, 56);
  holding.remaining = load<u64>(item, 48);
  holding.endMs = max<u64>(holding.endMs, endOf(load<u32>(item, 64), sentMs));
  takeGrant(holding, load<u64>(item, 40), load<u32>(item, 72), nowMs);
  if (load<u32>(item, HOLDERS) != 0) engine.holders = load<u32>(item, HOLDERS);
  if (isNew) bookBorrowed(engine, holding, sentMs + (load<u32>(item, 64) as u64), nowMs);
  holding.unavailable = 0;
  holding.denyUntilMs = status == STATUS_EXHAUSTED ? nowMs + denyForMs : 0;
  if (balanceOf(holding) == 0 && status == STATUS_OK && holding.rate > 0) engine.askSoon = 1;
}

function takeShareItem(engine: Engine, share: Share, item: usize, sentMs: u64, nowMs: u64): void {
  const status = load<u8>(item, STATUS);
  const number = load<u64>(item, 32);
  const denyForMs = load<u32>(item, DENY_FOR) as u64;
  share.waiting = 0;
  engine.holders = max(engine.holders, load<u32>(item, HOLDERS));
  share.unavailable = status > STATUS_EXHAUSTED ? 1 : 0;
  share.denyUntilMs = status == STATUS_OK ? 0 : nowMs + denyForMs;
  if (status == STATUS_OK) {
    if (number == 0) return;
    const approximate = (load<u16>(item, FLAGS) & FLAG_APPROXIMATE) != 0;
    takeShare(
      share,
      number,
      load<u32>(item, 68),
      load<u64>(item, 40),
      load<u64>(item, 48),
      load<u64>(item, 56),
      load<u32>(item, 64),
      approximate,
      sentMs,
      nowMs,
    );
    // Others may wait for the word that a larger share is no longer acted on.
    if (share.number != share.ackNumber) engine.lastSyncMs = 0;
  } else if (
    status == STATUS_UNKNOWN ||
    (status == STATUS_EXHAUSTED && shareIsOver(share, nowMs))
  ) {
    clearShare(share);
  }
}

/** Never later than the host's own end: from the time of sending, less one in a thousand. */
function endOf(windowLeftMs: u32, sentMs: u64): u64 {
  return sentMs + (windowLeftMs as u64) - ((windowLeftMs as u64) + 999) / 1000;
}

/** New units start the use-by anew; without them it may only come nearer. */
function takeGrant(holding: Holding, granted: u64, useByMs: u32, nowMs: u64): void {
  const useBy = nowMs + (useByMs as u64);
  holding.useByIntervalMs = useByMs;
  if (granted > holding.granted) {
    holding.granted = granted;
    holding.useByMs = useBy;
  } else if (useBy < holding.useByMs) {
    holding.useByMs = useBy;
  }
}

function takeNext(holding: Holding, item: usize, sentMs: u64, nowMs: u64): void {
  const status = load<u8>(item, STATUS);
  const windowId = load<u64>(item, 32);
  holding.nextFlight = 0;
  if (status > STATUS_EXHAUSTED || windowId == 0 || load<u64>(item, 40) == 0) {
    clearNext(holding);
    return;
  }
  if (holding.nextWindowId != 0 && holding.nextWindowId != windowId) return;
  if (holding.nextWindowId == 0) holding.nextStartMs = nowMs + (load<u32>(item, 68) as u64);
  holding.nextWindowId = windowId;
  holding.nextEndMs = max<u64>(holding.nextEndMs, endOf(load<u32>(item, 64), sentMs));
  holding.nextGranted = max<u64>(holding.nextGranted, load<u64>(item, 40));
}

/** An ended holding leaves once its final counters are known to the host. */
function takeEnded(
  engine: Engine,
  item: usize,
  generation: u32,
  answersThis: bool,
  kind: u32,
): void {
  if (load<u8>(item, STATUS) == STATUS_UNAVAILABLE || !answersThis) return;
  for (let i: u32 = 0; i < engine.closingCount; i++) {
    const ended = engine.closing + i * CLOSING_BYTES;
    if (load<u32>(ended, 28) != generation || load<u32>(ended, 64) != kind + 1) continue;
    engine.closingCount--;
    const last = engine.closing + engine.closingCount * CLOSING_BYTES;
    if (last != ended) memory.copy(ended, last, CLOSING_BYTES);
    return;
  }
}
