/**
 * Counters of a ledger for metrics. They describe what happened since it was opened and must
 * never decide anything.
 */

/** Counters since a ledger was opened; all but `holders` only grow. */
export interface LedgerStats {
  /** Items merged. */
  items: number;
  /** Items that got units. */
  grants: number;
  unitsGranted: number;
  unitsReleased: number;
  /** Items that wanted units and got none because too few were free. */
  exhausted: number;
  /** Items about windows that were over. */
  windowsOver: number;
  /** Items whose account the policy does not know. */
  unknown: number;
  /** Items whose counters contradict each other: a faulty or hostile holder. */
  contradictory: number;
  /** Holdings counted as spent because their holder was silent, and the units in them. */
  folds: number;
  unitsFolded: number;
  /** Folded holdings whose holder came back. */
  trueUps: number;
  /** Units that a holder said it was granted and the ledger did not know of: counted as granted. */
  unitsBelieved: number;
  /** The same beyond the quota: the ledger lost grants and the window may be over-admitted. */
  unitsBeyondQuota: number;
  /** Items refused because the ledger's own sums did not hold. Anything but 0 is a defect. */
  invariantBroken: number;
  /** Merges in which the clock was behind what the ledger had seen before. */
  clockBehind: number;
  /** Durable commits; `items / commits` is the size of a group. */
  commits: number;
  /** Holders heard within their lease, now. */
  holders: number;
  /** Accounts of which at least 80 % is used in the window now. */
  near: number;
}

/** Fresh counters, all zero. */
export function newStats(): LedgerStats {
  return {
    items: 0,
    grants: 0,
    unitsGranted: 0,
    unitsReleased: 0,
    exhausted: 0,
    windowsOver: 0,
    unknown: 0,
    contradictory: 0,
    folds: 0,
    unitsFolded: 0,
    trueUps: 0,
    unitsBelieved: 0,
    unitsBeyondQuota: 0,
    invariantBroken: 0,
    clockBehind: 0,
    commits: 0,
    holders: 0,
    near: 0,
  };
}
