/**
 * Makes the calls to the host that the schedule asks for, in the name of the newest living root of
 * an engine, and keeps the ticks as quick as what waits for them. It decides nothing.
 */
import { findRoot, rootAt } from '../engine/roots';
import { CALL_URGENT, Engine } from '../engine/state';
import {
  callBody,
  callBodyLength,
  callCluster,
  callPairs,
  callPairsLength,
  callTimeoutMs,
  composeCall,
} from '../sync/calls';
import { callMade, callRefused, dueCall, dueUrgent, NO_CALL } from '../sync/schedule';
import { hasWork } from '../sync/work';
import {
  OK,
  outAt,
  proxy_http_call,
  proxy_set_effective_context,
  proxy_set_tick_period_milliseconds,
} from './abi';

/** Ticks while slices are left, while a request waits, while an engine starts, and otherwise. */
const TICK_WORK_MS: u32 = 1;
const TICK_HELD_MS: u32 = 10;
const TICK_START_MS: u32 = 20;
const TICK_MS: u32 = 100;
/** Calls made in one callback: more than there are kinds, fewer than could be a loop. */
const CALLS_MAX: u32 = 8;

/** Makes every call that is due. Leaves the root as the effective context if there was one. */
export function makeCalls(engine: Engine, nowMs: u64): void {
  for (let i: u32 = 0; i < CALLS_MAX; i++) {
    const kind = dueCall(engine, nowMs);
    if (kind == NO_CALL) return;
    makeCall(engine, kind, nowMs);
  }
}

/** Makes the urgent call if it is due: the one call that a request may bring about itself. */
export function makeUrgentCall(engine: Engine, nowMs: u64): void {
  if (dueUrgent(engine, nowMs)) makeCall(engine, CALL_URGENT, nowMs);
}

function makeCall(engine: Engine, kind: u32, nowMs: u64): void {
  const root = engine.newestRoot != 0 ? engine.newestRoot : engine.leavingRoot;
  proxy_set_effective_context(root);
  if (!composeCall(engine, kind, nowMs)) {
    callRefused(engine, kind, nowMs);
    return;
  }
  const cluster = callCluster(engine);
  const made = proxy_http_call(
    cluster + 2,
    load<u16>(cluster),
    callPairs(),
    callPairsLength(),
    callBody(),
    callBodyLength(),
    0,
    0,
    callTimeoutMs(),
    outAt(),
  );
  if (made == OK) callMade(engine, kind, load<u32>(outAt()), root, nowMs);
  else callRefused(engine, kind, nowMs);
}

/** Sets the ticks to what the engine needs now. */
export function paceTicks(engine: Engine): void {
  if (hasWork(engine)) setTick(engine, TICK_WORK_MS);
  else if (engine.heldCount > 0) setTick(engine, TICK_HELD_MS);
  else setTick(engine, engine.complete == 0 ? TICK_START_MS : TICK_MS);
}

function setTick(engine: Engine, ms: u32): void {
  const at = findRoot(engine.newestRoot);
  if (engine.newestRoot == 0 || at == 0 || rootAt(at).tickMs == ms) return;
  rootAt(at).tickMs = ms;
  proxy_set_effective_context(engine.newestRoot);
  proxy_set_tick_period_milliseconds(ms);
}
