/**
 * Counts invariants that did not hold. A broken invariant is a defect of the filter, yet never a
 * trap: a trap takes the worker down for a second, so the caller goes on with its safe answer and
 * the shell reports what was counted.
 */

/** What must hold at run time, by number. Append only: the numbers appear in reports. */
export const enum Invariant {
  /** An index or address from a validated policy led outside of it. */
  PolicyReference = 0,
  /** An entry of the directory was not where its index said. */
  DirectoryIndex = 1,
  /** Used and released units of a holding passed what was granted. */
  HoldingSum = 2,
  /** Memory was given back that had not been taken. */
  PageOwner = 3,
  /** A record of a table was freed twice or used after it was freed. */
  TableSlot = 4,
  Count = 5,
}

const COUNTS: usize = memory.data(5 * 4, 4);
let total: u32 = 0;

/** Answers the condition; one that does not hold is counted under the invariant. */
export function check(holds: bool, invariant: Invariant): bool {
  if (!holds) {
    const at = COUNTS + (min(<u32>invariant, <u32>Invariant.Count - 1) << 2);
    store<u32>(at, load<u32>(at) + 1);
    total++;
  }
  return holds;
}

/** How often an invariant did not hold since the VM started; wraps at 2^32. */
export function brokenCount(invariant: Invariant): u32 {
  return load<u32>(COUNTS + (min(<u32>invariant, <u32>Invariant.Count - 1) << 2));
}

/** How often any invariant did not hold since the VM started; wraps at 2^32. */
export function brokenTotal(): u32 {
  return total;
}
