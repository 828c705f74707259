/**
 * Quantiles of measured samples, as tests and benches state them.
 */

/** The value below which a share of the samples lies; the samples need no order. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
