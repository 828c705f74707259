/**
 * Counts invariants that did not hold. A broken invariant is a defect of the filter, yet never a
 * trap: a trap takes the worker down for a second, so the caller goes on with its safe answer and
 * the shell reports what was counted.
 */

let broken: u32 = 0;

/** Answers the condition; one that does not hold is counted. */
export function check(holds: bool): bool {
  if (!holds) broken++;
  return holds;
}

/** How often an invariant did not hold since the VM started; wraps at 2^32. */
export function brokenTotal(): u32 {
  return broken;
}
