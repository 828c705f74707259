/**
 * The WASI calls that proxies offer and the filter uses. The name of this file is the name of the
 * module they are imported from; it must hold declarations alone.
 */

/** Writes the time of a clock (1 = monotonic) in nanoseconds at `time`. */
export declare function clock_time_get(clock: u32, precision: u64, time: usize): u32;

/** Writes `length` random bytes. */
export declare function random_get(bytes: usize, length: u32): u32;

/** Writes how many environment variables there are, and their bytes. */
export declare function environ_sizes_get(count: usize, bytes: usize): u32;

/** Writes the environment: addresses, and the text they point into. */
export declare function environ_get(pointers: usize, text: usize): u32;
