/**
 * What a worker does beside its requests: pages of the directory and policies that came in are
 * worked through in slices, one a tick, so that no request waits long behind one. It decides
 * nothing; what a slice is stands in `limits`.
 */
import { directoryTick } from '../directory/directory';
import { Engine, isBusy } from '../engine/state';
import { pageSlice } from './directory';
import { policySlice } from './fetch';

/** Does one slice; true when the last one of something that came from the host was done. */
export function workOn(engine: Engine, nowMs: u64): bool {
  const wasBusy = isBusy(engine);
  if (engine.pageKept != 0) pageSlice(engine, nowMs);
  else if (wasBusy) policySlice(engine, nowMs);
  else engine.untidy = directoryTick(engine.directory) ? 1 : 0;
  return wasBusy && !isBusy(engine);
}

/** Whether the next slice should come soon. */
export function hasWork(engine: Engine): bool {
  return engine.untidy != 0 || isBusy(engine);
}
