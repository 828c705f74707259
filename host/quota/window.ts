/**
 * Windows: from a window kind and a point of time to the window it falls into. Pure arithmetic;
 * it must never read a clock. Only the host knows windows, holders are told relative times.
 */

/** Longest fixed window, in seconds: a day. */
export const FIXED_WINDOW_SECONDS_MAX = 86_400;

/** One window of an account. */
export interface Window {
  /** Number of the window since 1970, beginning with 1, so that 0 can mean "not known yet". */
  readonly windowId: number;
  /** Unix milliseconds; the window is [startMs, endMs). */
  readonly startMs: number;
  readonly endMs: number;
}

/** Length in milliseconds of the windows of a kind, or undefined for a kind not known here. */
export function windowLengthMs(windowKind: number): number | undefined {
  const fixed =
    Number.isInteger(windowKind) && windowKind >= 1 && windowKind <= FIXED_WINDOW_SECONDS_MAX;
  return fixed ? windowKind * 1000 : undefined;
}

/** The window of this length that `nowMs` (not negative) falls into, aligned to UTC. */
export function windowAt(lengthMs: number, nowMs: number): Window {
  return windowById(lengthMs, Math.floor(nowMs / lengthMs) + 1);
}

/** The window of this length with this number. */
export function windowById(lengthMs: number, windowId: number): Window {
  return { windowId, startMs: (windowId - 1) * lengthMs, endMs: windowId * lengthMs };
}
