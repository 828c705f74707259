/**
 * What the simulated fleets have in common, so that their figures can be held against each other.
 * It must never hold what differs between them.
 */

/** Start of every simulation: a midnight, so that every window begins there. */
export const START_MS = Date.UTC(2026, 0, 15);

/** After this a call counts as not answered. */
export const CALL_TIMEOUT_MS = 2_000;

const ZIPF = 0.8;

/** How often the one at a place, counted from 0, is asked for beside the others: by Zipf's law. */
export function zipfWeight(place: number): number {
  return 1 / (place + 1) ** ZIPF;
}
