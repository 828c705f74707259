/**
 * What it means that a host did not answer, or not as docs/wire.md says: it is counted, the next
 * call goes to the next host, and later. It never drops anything that is held.
 */
import { callOf, Engine, jittered } from '../engine/state';
import { CALLS_FAILED, noteEvent } from '../telemetry/events';

const BACK_OFF_MIN_MS: u32 = 200;
const BACK_OFF_MAX_MS: u32 = 10_000;

/** The host asked last by a call of this kind was of no use: counts it and turns to the next. */
export function blameHost(engine: Engine, kind: u32): void {
  engine.failures++;
  noteEvent(CALLS_FAILED, kind);
  const blamed = callOf(engine, kind).cluster;
  if (engine.cluster == blamed) engine.cluster = (blamed + 1) % engine.clusters;
}

/** How long to wait after so much was waited for before: twice as long, within bounds. */
export function longerBackOff(beforeMs: u32): u32 {
  return beforeMs == 0 ? BACK_OFF_MIN_MS : min<u32>(beforeMs * 2, BACK_OFF_MAX_MS);
}

/** The next call of this kind is made later. */
export function backOff(engine: Engine, kind: u32, nowMs: u64): void {
  const call = callOf(engine, kind);
  call.backOffMs = longerBackOff(call.backOffMs);
  call.notBeforeMs = nowMs + (jittered(engine, call.backOffMs, 50) as u64);
}
