/**
 * What every message of the host begins with, and what it means to hear it: which store speaks,
 * which epoch, how late it is there. Another store begins a new generation; a host that lags never
 * moves anything backwards.
 */
import { BACK_NONE, Engine, WALK_NONE } from '../engine/state';
import { dropHoldings } from '../quota/round';
import { areSafe } from '../util/frame';
import { bodyOf } from './message';

/** Section HOST: storeId [16], epoch u64, revision u64, hostNowMs u64. */
const HOST_SECTION: u32 = 1;
const HOST_BYTES: u32 = 40;

/**
 * Hears section HOST of the open message, an answer to a call sent at `sentMs`. `held` = the host
 * kept the call open, so that its time is that of the answer alone. False: the message says nothing
 * to this engine (no such section, an answer from before the store changed, or an older epoch).
 */
export function hearHost(engine: Engine, sentMs: u64, held: bool, nowMs: u64): bool {
  const at = bodyOf(HOST_SECTION, HOST_BYTES);
  if (at == 0 || !areSafe(at + 16, 3)) return false;
  const store0 = load<u64>(at);
  const store1 = load<u64>(at, 8);
  const epoch = load<u64>(at, 16);
  const known = engine.hasStore != 0 && engine.store0 == store0 && engine.store1 == store1;
  if (!known) {
    if (engine.hasStore != 0 && sentMs < engine.storeSinceMs) return false;
    meetStore(engine, store0, store1, epoch, nowMs);
  }
  if (epoch < engine.epoch) return false;
  engine.epoch = epoch;
  const basis = held ? nowMs : sentMs + (nowMs - sentMs) / 2;
  engine.clockOffsetMs = (load<u64>(at, 32) - basis) as i64;
  engine.hasClock = 1;
  engine.lastWordMs = nowMs;
  return true;
}

/** Revision of the store in section HOST of the open message, which `hearHost` has heard. */
export function heardRevision(): u64 {
  return load<u64>(bodyOf(HOST_SECTION, HOST_BYTES), 24);
}

function meetStore(engine: Engine, store0: u64, store1: u64, epoch: u64, nowMs: u64): void {
  if (engine.hasStore != 0) dropHoldings(engine);
  engine.hasStore = 1;
  engine.store0 = store0;
  engine.store1 = store1;
  engine.storeSinceMs = nowMs;
  engine.epoch = epoch;
  engine.policyRevision = 0;
  engine.heardPolicyRevision = 0;
  engine.policyFresh = 0;
  engine.backState = BACK_NONE;
  engine.directoryRevision = 0;
  engine.restrictedTo = 0;
  engine.directoryDue = 0;
  engine.fillDue = 1;
  engine.fillWhole = 0;
  engine.walk = WALK_NONE;
  engine.pageKept = 0;
}

/** A policy revision was heard of; remembers the newest. */
export function hearPolicyRevision(engine: Engine, revision: u64): void {
  if (revision > engine.heardPolicyRevision) engine.heardPolicyRevision = revision;
}
