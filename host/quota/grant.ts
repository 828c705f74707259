/**
 * Grant sizing: how much, for how long, and when to ask again. Guided shares keep the last units
 * usable by everyone; a floor while the account is roomy lets cold holders ask once. Nothing here
 * can break the promise of the ledger: a grant is never more than what is free.
 */

/** Below this share of the quota an account is no longer roomy. */
const ROOMY_SHARE = 0.5;
/** A roomy account gives at least free / (this × known holders) … */
const ROOMY_DIVISOR = 4;
/** Most units of the floor that a roomy account gives. */
export const ROOMY_FLOOR_MAX = 1_000;
/** Otherwise a grant is at most free / (this × open holdings), or what is needed. */
const SHARE_DIVISOR = 2;
/** With fewer free units than this × open holdings, units idle nowhere. */
const SCARCE_FACTOR = 5;

/** Use-by of an account with more than half its quota free. */
export const USE_BY_ROOMY_MS = 60_000;
/** Use-by between roomy and scarce. */
export const USE_BY_NORMAL_MS = 10_000;
/** Use-by when hardly anything is free; the holder then keeps nothing back. */
export const USE_BY_SCARCE_MS = 500;

const DENY_FOR_MIN_MS = 1_000;
const DENY_FOR_MAX_MS = 4_000;
const DENY_FOR_JITTER = 0.25;

const LEASE_MIN_MS = 30_000;
const LEASE_HEARTBEATS = 3;

/** Windows of fewer heartbeats than this get no pre-grant. */
const PRE_GRANT_WINDOW_HEARTBEATS = 5;
/** Holders ask in the last 2 heartbeats; one more allows for a heartbeat that was just told. */
const PRE_GRANT_HEARTBEATS = 3;

/** What sizing knows of an account. All are counts. */
export interface Supply {
  readonly quota: number;
  /** Units granted to nobody; negative after the quota was lowered. */
  readonly free: number;
  /** Open holdings of the account. */
  readonly open: number;
  /** Holders that may ask for it: at least `open`. */
  readonly known: number;
}

/**
 * Units to grant, 0 … `free`.
 *
 * 0 when fewer than `need` are free: a grant that cannot serve the waiting request would lie idle
 * at its holder, and with every holder so served nothing would be admitted at all.
 */
export function grantSize(want: number, need: number, supply: Supply): number {
  const least = Math.max(1, need);
  const { free } = supply;
  if (free < least) return 0;
  const share = Math.floor(free / (SHARE_DIVISOR * Math.max(1, supply.open)));
  const guided = Math.min(Math.max(want, least), Math.max(least, share));
  return Math.min(free, Math.max(guided, roomyFloor(supply)));
}

function roomyFloor({ quota, free, known }: Supply): number {
  if (free <= quota * ROOMY_SHARE) return 0;
  return Math.min(ROOMY_FLOOR_MAX, Math.floor(free / (ROOMY_DIVISOR * Math.max(1, known))));
}

/** Milliseconds after which a holder gives back what it has not spent. */
export function useByMs({ quota, free, open }: Supply): number {
  if (free > quota * ROOMY_SHARE) return USE_BY_ROOMY_MS;
  return free < SCARCE_FACTOR * open ? USE_BY_SCARCE_MS : USE_BY_NORMAL_MS;
}

/**
 * Milliseconds for which a holder that got nothing does not ask again: 1 to 4 s, doubling with
 * each of its `denials` in a row (1 = the first), ±25 % by `random` in [0, 1) so that holders do
 * not return together, and never beyond the end of the window.
 */
export function denyForMs(denials: number, windowLeftMs: number, random: number): number {
  const base = Math.min(DENY_FOR_MAX_MS, DENY_FOR_MIN_MS * 2 ** Math.min(denials - 1, 30));
  const jittered = base * (1 - DENY_FOR_JITTER + 2 * DENY_FOR_JITTER * random);
  return Math.min(Math.round(jittered), Math.max(0, windowLeftMs));
}

/** Milliseconds of silence after which a holding is folded. */
export function leaseMs(heartbeatMs: number): number {
  return Math.max(LEASE_MIN_MS, LEASE_HEARTBEATS * heartbeatMs);
}

/** True when units of a window that starts in `startsInMs` may be granted already. */
export function preGrantDue(startsInMs: number, lengthMs: number, heartbeatMs: number): boolean {
  return (
    lengthMs >= PRE_GRANT_WINDOW_HEARTBEATS * heartbeatMs &&
    startsInMs <= PRE_GRANT_HEARTBEATS * heartbeatMs
  );
}
