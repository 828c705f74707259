/**
 * What header names are found by: a number that names share which may be the same, so that most are
 * told apart without a look at their letters. It says "not the same" for certain and no more.
 */

/** What two letters that differ in case alone have in common, and likewise `_` and `-`. */
const COMMON: u32 = 0x0d0d0d0d;

/** In a class, because only methods can be told to be inlined. */
export class Name {
  /** The number of a name: from its length and its last four bytes, if it has so many. */
  @inline static tag(name: usize, length: u32): u32 {
    const end: u32 = length < 4 ? 0 : load<u32>(name + length - 4) & COMMON;
    return (end ^ (length << 4)) * 0x9e3779b1;
  }
  /** The bit of a tag in a set of names. */
  @inline static bit(tag: u32): u64 {
    return (<u64>1) << (<u64>(tag >> 26));
  }
  /** Whether a name of 11 bytes or more has `sidegate` where `x-sidegate-…` has it, in any case. */
  @inline static isOwn(name: usize): bool {
    return (load<u64>(name, 2) | 0x2020202020202020) == 0x6574616765646973;
  }
}
