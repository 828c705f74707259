/**
 * Whether the tests run in CI, for whoever is stricter or steadier there.
 */

/** True when the variable `CI` is set to anything but `false`. */
export const isCi =
  process.env.CI !== undefined && process.env.CI !== '' && process.env.CI !== 'false';
