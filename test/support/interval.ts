/**
 * The promise of a rate limit (B6) as a figure: of all intervals between two admissions, how far
 * the worst is above burst + rate × length. Pure arithmetic on times; it knows no limit's code.
 */

/** One admission: when, in milliseconds of one clock, and what it cost. */
export interface Admission {
  readonly atMs: number;
  readonly cost: number;
}

/**
 * Units above `burst + perSecond × Δ` in the worst interval, both ends included; 0 or below when
 * the promise holds. One pass: the worst interval that ends at an admission begins where
 * (units before) − rate × time is least.
 */
export function excessOf(admissions: readonly Admission[], perSecond: number, burst: number) {
  const sorted = [...admissions].sort((a, b) => a.atMs - b.atMs);
  let before = 0;
  let least = Infinity;
  let worst = -Infinity;
  for (const { atMs, cost } of sorted) {
    const filled = (perSecond * atMs) / 1000;
    least = Math.min(least, before - filled);
    before += cost;
    worst = Math.max(worst, before - filled - least - burst);
  }
  return worst;
}
