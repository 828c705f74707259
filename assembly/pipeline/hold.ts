/**
 * Requests that wait: for a policy or directory at start, or for quota of a cold account. Bounded
 * per engine and per subscription, in order of arrival. It never decides and never resumes; it says
 * who may wait and until when.
 */
import { Engine, HELD_BYTES, heldAt } from '../engine/state';
import { HELD_MAX, HELD_PER_SUBSCRIPTION_MAX } from '../limits';
import { freeStash } from './stash';

/** One held request. Deadlines are 0 until the request first waited for that reason. */
@unmanaged
export class Held {
  stream: u32;
  root: u32;
  startUntilMs: u64;
  quotaUntilMs: u64;
  subscription: u64;
  turn: u32;
  /** Where its headers with keys are kept (see stash.ts), 0 = nowhere. */
  stash: usize;
}

/** The held request of a stream, or 0. */
export function findHeld(engine: Engine, stream: u32): usize {
  for (let i: u32 = 0; i < engine.heldCount; i++) {
    const at = heldAt(engine, i);
    if (load<u32>(at) == stream) return at;
  }
  return 0;
}

/** True when one more request may be held, for this subscription if it is not 0. */
export function mayHold(engine: Engine, subscription: u64): bool {
  if (engine.heldCount >= HELD_MAX) return false;
  if (subscription == 0) return true;
  let same: u32 = 0;
  for (let i: u32 = 0; i < engine.heldCount; i++) {
    if (changetype<Held>(heldAt(engine, i)).subscription == subscription) same++;
  }
  return same < HELD_PER_SUBSCRIPTION_MAX;
}

/** Holds a request of which `mayHold` was true. */
export function addHeld(engine: Engine, stream: u32, root: u32): Held {
  const at = heldAt(engine, engine.heldCount);
  engine.heldCount++;
  memory.fill(at, 0, HELD_BYTES);
  const held = changetype<Held>(at);
  held.stream = stream;
  held.root = root;
  return held;
}

/** Forgets the held request of a stream; the order of the others stays. */
export function dropHeld(engine: Engine, stream: u32): void {
  const at = findHeld(engine, stream);
  if (at == 0) return;
  freeStash(changetype<Held>(at).stash);
  const end = heldAt(engine, engine.heldCount);
  memory.copy(at, at + HELD_BYTES, end - at - HELD_BYTES);
  engine.heldCount--;
}
