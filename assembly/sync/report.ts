/**
 * Writes the sync call (docs/wire.md §6): what each holding was granted, spent and gave back, and
 * what the holder would like. Reporting changes nothing but what it remembers to have sent.
 */
import { CALL_URGENT, CLOSING_BYTES, Engine, LEAVING_NOT } from '../engine/state';
import { SYNC_ITEMS_MAX } from '../limits';
import { LIMIT_EXACT } from '../policy/layout';
import {
  Account,
  classOf,
  clearCold,
  coldAt,
  coldCount,
  Holding,
  holdingAt,
  holdingSpan,
  isShare,
  scanStart,
  setScanStart,
  windowKindOf,
} from '../quota/holdings';
import { balanceOf, takeGeneration, wanted } from '../quota/lease';
import { releaseEverything } from '../quota/round';
import { Share, shareAt, shareGiven, shareHasNews } from '../quota/share';
import { hasUsage, usageLeft, writeUsage } from '../usage/report';
import { beginMessage, beginSection, endMessage, takeBytes } from './write';

const MAGIC: u32 = 0x51534753;
const ITEM_BYTES: u32 = 80;
const ITEM_NEXT: u8 = 1;
const FLAG_URGENT: u32 = 1;
const FLAG_LAST: u32 = 2;
/** Windows of fewer heartbeats than this get nothing ahead; asked for in the last two. */
const AHEAD_HEARTBEATS: u64 = 5;
const AHEAD_LAST: u64 = 2;
/** A holding with units speaks up at least this often, a third of the least lease. */
const KEEP_ALIVE_MS: u64 = 10_000;

let items: u32 = 0;

/** Writes the call of this kind (regular or urgent); answers its length. */
export function writeReport(engine: Engine, kind: u32, nowMs: u64): u32 {
  if (engine.leaving != LEAVING_NOT) releaseEverything(engine);
  beginMessage(MAGIC);
  beginSection(1, false);
  const head = takeBytes(72);
  engine.sequence++;
  store<u64>(head, engine.incarnation);
  store<u64>(head, engine.store0, 8);
  store<u64>(head, engine.store1, 16);
  store<u64>(head, engine.epoch, 24);
  store<u64>(head, engine.policyRevision, 32);
  store<u64>(head, engine.directoryRevision, 40);
  store<u32>(head, engine.intervalMs, 48);
  store<u32>(head, engine.sequence, 52);
  beginSection(2, false);
  const table = takeBytes(8);
  items = 0;
  const mark = (kind + 1) as u8;
  if (kind == CALL_URGENT) {
    for (let i: u32 = 0; i < coldCount(engine.holdings); i++) {
      const holding = coldAt(engine.holdings, i);
      if (holding.owner == 0 || holding.flight != 0) continue;
      if (isShare(holding)) writeShare(engine, shareAt(holding), mark, nowMs);
      else writeCurrent(engine, holding, true, mark, nowMs);
    }
    clearCold(engine.holdings);
  } else {
    writeEnded(engine, mark);
    writeRound(engine, mark, nowMs);
  }
  store<u16>(table, ITEM_BYTES as u16);
  store<u32>(table, items, 4);
  writeEnd(engine, kind, head);
  return endMessage();
}

/** Usage, and in the head what kind of report this has become. Usage goes with regular ones. */
function writeEnd(engine: Engine, kind: u32, head: usize): void {
  if (kind == CALL_URGENT) {
    store<u32>(head, FLAG_URGENT, 56);
    return;
  }
  // Ids of the store before mean nothing to this one.
  const tells = engine.policyFresh != 0;
  if (tells) store<u32>(head, writeUsage(engine.usage), 60);
  const whole = tells ? !usageLeft(engine.usage) : !hasUsage(engine.usage);
  if (!whole && tells) engine.askSoon = 1;
  if (whole && engine.leaving != LEAVING_NOT) store<u32>(head, FLAG_LAST, 56);
}

/** True when a regular report would say anything. */
export function hasReport(engine: Engine, nowMs: u64): bool {
  if (engine.closingCount > 0) return true;
  if (engine.policyFresh != 0 && hasUsage(engine.usage)) return true;
  const span = holdingSpan(engine.holdings);
  for (let i: u32 = 0; i < span; i++) {
    const holding = holdingAt(engine.holdings, i);
    if (holding.owner != 0 && hasNews(engine, holding, nowMs)) return true;
  }
  return false;
}

function hasNews(engine: Engine, holding: Holding, nowMs: u64): bool {
  if (isShare(holding)) return shareHasNews(engine, shareAt(holding), nowMs);
  return (
    (holding.flight == 0 && (isChanged(holding, nowMs) || asksFor(holding, nowMs))) ||
    asksAhead(engine, holding, nowMs)
  );
}

function isChanged(holding: Holding, nowMs: u64): bool {
  if (holding.windowId == 0) return false;
  if (holding.used != holding.ackUsed || holding.released != holding.ackReleased) return true;
  if (holding.granted != holding.ackGranted) return true;
  return balanceOf(holding) > 0 && nowMs - holding.reportedMs >= KEEP_ALIVE_MS;
}

function asksFor(holding: Holding, nowMs: u64): bool {
  if (holding.denyUntilMs > nowMs) return false;
  if (holding.waiting > 0) return true;
  return holding.windowId != 0 && holding.rate > 0 && balanceOf(holding) <= holding.askBelow;
}

/** In the last two heartbeats of a window a holder that spends asks for the next one. */
function asksAhead(engine: Engine, holding: Holding, nowMs: u64): bool {
  if (holding.windowId == 0 || holding.nextFlight != 0 || holding.nextWindowId != 0) return false;
  if (holding.rate <= 0 || nowMs >= holding.endMs) return false;
  const heartbeat = engine.intervalMs as u64;
  if ((holding.windowKind as u64) * 1000 < AHEAD_HEARTBEATS * heartbeat) return false;
  return holding.endMs - nowMs <= AHEAD_LAST * heartbeat;
}

function writeRound(engine: Engine, mark: u8, nowMs: u64): void {
  const span = holdingSpan(engine.holdings);
  if (span == 0) return;
  const start = scanStart(engine.holdings) % span;
  for (let i: u32 = 0; i < span; i++) {
    const index = (start + i) % span;
    if (items + 2 > SYNC_ITEMS_MAX) {
      setScanStart(engine.holdings, index);
      engine.askSoon = 1;
      return;
    }
    const holding = holdingAt(engine.holdings, index);
    if (holding.owner == 0) continue;
    if (isShare(holding)) {
      const share = shareAt(holding);
      if (shareHasNews(engine, share, nowMs)) writeShare(engine, share, mark, nowMs);
      continue;
    }
    if (holding.flight == 0) {
      const asks = engine.leaving == LEAVING_NOT && asksFor(holding, nowMs);
      if (asks || isChanged(holding, nowMs)) writeCurrent(engine, holding, asks, mark, nowMs);
    }
    if (engine.leaving == LEAVING_NOT && asksAhead(engine, holding, nowMs))
      writeNext(engine, holding, mark, nowMs);
  }
}

function writeCurrent(engine: Engine, holding: Holding, asks: bool, mark: u8, nowMs: u64): void {
  if (items >= SYNC_ITEMS_MAX) return;
  if (holding.generation == 0) holding.generation = takeGeneration(engine);
  const item = writeItem(holding, holding.generation);
  store<u64>(item, holding.windowId, 32);
  store<u64>(item, holding.used, 40);
  store<u64>(item, holding.released, 48);
  store<u64>(item, holding.granted, 56);
  if (asks) {
    store<u32>(item, min<u64>(wanted(engine, holding, nowMs), 0xffffffff) as u32, 64);
    store<u32>(item, holding.need, 68);
  }
  holding.flight = mark;
  holding.sentUsed = holding.used;
  holding.sentReleased = holding.released;
  holding.sentGranted = holding.granted;
  holding.reportedMs = nowMs;
}

/** A share: which one it acts on, what it gave back, and whether it wants one at all. */
function writeShare(engine: Engine, share: Share, mark: u8, nowMs: u64): void {
  if (items >= SYNC_ITEMS_MAX) return;
  if (share.generation == 0) share.generation = takeGeneration(engine);
  const item = writeItem(share, share.generation);
  store<u64>(item, share.number, 32);
  store<u64>(item, share.used, 40);
  store<u64>(item, shareGiven(share), 48);
  store<u64>(item, share.parts, 56);
  store<u32>(item, engine.leaving == LEAVING_NOT && share.leaving == 0 ? 1 : 0, 64);
  store<u32>(item, share.need, 68);
  share.flight = mark;
  share.sentNumber = share.number;
  share.sentUsed = share.used;
  share.reportedMs = nowMs;
}

function writeNext(engine: Engine, holding: Holding, mark: u8, nowMs: u64): void {
  if (holding.nextGeneration == 0) holding.nextGeneration = takeGeneration(engine);
  const item = writeItem(holding, holding.nextGeneration);
  store<u32>(item, min<u64>(wanted(engine, holding, nowMs), 0xffffffff) as u32, 64);
  store<u8>(item, ITEM_NEXT, 73);
  holding.nextFlight = mark;
}

function writeItem(holding: Account, generation: u32): usize {
  const item = takeBytes(ITEM_BYTES);
  store<u64>(item, holding.owner);
  store<u64>(item, holding.limit, 8);
  store<u64>(item, holding.partition, 16);
  store<u32>(item, windowKindOf(holding), 24);
  store<u32>(item, generation, 28);
  store<u8>(item, classOf(holding) as u8, 72);
  items++;
  return item;
}

function writeEnded(engine: Engine, mark: u8): void {
  for (let i: u32 = 0; i < engine.closingCount && items < SYNC_ITEMS_MAX / 2; i++) {
    const ended = engine.closing + i * CLOSING_BYTES;
    if (load<u32>(ended, 64) != 0) continue;
    const item = takeBytes(ITEM_BYTES);
    memory.copy(item, ended, 64);
    store<u32>(item, 0, 64);
    store<u8>(item, LIMIT_EXACT, 72);
    store<u32>(ended, mark, 64);
    items++;
  }
}
