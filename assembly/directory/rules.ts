/**
 * The rules of credentials that have any: from where and for which pages a key may be used. Each
 * set stands in a block of its own, taken from slabs of a bounded heap, because most credentials
 * have none. It checks and keeps rules; what they say of a request, `credential/caller` decides.
 */
import { freeBlock, takeBlock } from '../engine/blocks';
import { CIDRS_MAX, REFERERS_MAX, RULE_SLABS_MAX } from '../limits';
import { equalBytes } from '../util/bytes';

/**
 * A set of rules, as in a record: the bytes that follow, how many CIDRs and referers they are. A
 * CIDR is 17 bytes, bits and address; a referer a length and a host.
 */
@unmanaged
export class Rules {
  bytes: u16;
  cidrCount: u8;
  refererCount: u8;
}

const HEAD: u32 = 4;
/** Bytes of a CIDR: its bits, then an address of 16 bytes. */
export const CIDR_BYTES: u32 = 17;
const CIDR_BITS_MAX: u32 = 128;

/** Blocks of 32 bytes to 8 KiB, each class twice as large as the one before. */
const SMALLEST_SHIFT: u32 = 5;
const CLASSES: u32 = 9;
const SLAB: u32 = 65_536;
/** A slab begins with the address of the next one. */
const SLAB_HEAD: u32 = 32;

/** Where a heap stands, in zeroed memory; the heads of its free lists follow it. */
@unmanaged
class Heap {
  slab: u32;
  used: u32;
  slabs: u32;
}

const LISTS: u32 = 12;

/** Bytes of a heap of rules; its slabs are blocks of their own. */
export const RULES_HEAP_BYTES: u32 = LISTS + CLASSES * 4;

/** Where the first CIDR of a set stands. */
export function firstCidr(rules: usize): usize {
  return rules + HEAD;
}

/** Where the first referer of a set stands. */
export function firstReferer(rules: usize): usize {
  return rules + HEAD + (changetype<Rules>(rules).cidrCount as u32) * CIDR_BYTES;
}

/** Whether the set at `at`, with `left` bytes behind its head, is whole and within its bounds. */
export function checkRules(at: usize, left: u32): bool {
  const rules = changetype<Rules>(at);
  const bytes: u32 = rules.bytes;
  if (bytes > left) return false;
  if (rules.cidrCount > CIDRS_MAX || rules.refererCount > REFERERS_MAX) return false;
  let used: u32 = (rules.cidrCount as u32) * CIDR_BYTES;
  if (used > bytes) return false;
  for (let cidr: u32 = 0; cidr < used; cidr += CIDR_BYTES) {
    if (<u32>load<u8>(at + HEAD + cidr) > CIDR_BITS_MAX) return false;
  }
  for (let i: u32 = 0; i < rules.refererCount; i++) {
    if (used == bytes) return false;
    const length: u32 = load<u8>(at + HEAD + used);
    if (length == 0) return false;
    used += 1 + length;
    if (used > bytes) return false;
  }
  return used == bytes;
}

/** Whether two sets, either of them none (0), say the same. */
export function sameRules(a: usize, b: usize): bool {
  if (a == 0 || b == 0) return a == b;
  const bytes = HEAD + changetype<Rules>(a).bytes;
  return load<u32>(a) == load<u32>(b) && equalBytes(a, b, bytes);
}

function classOf(rules: usize): u32 {
  const bytes = HEAD + (changetype<Rules>(rules).bytes as u32);
  let shift = SMALLEST_SHIFT;
  while ((1 as u32) << shift < bytes) shift++;
  return shift - SMALLEST_SHIFT;
}

/** Keeps a copy of a checked set; answers its address, or 0 when there is no room. */
export function keepRules(heap: usize, rules: usize): usize {
  const index = classOf(rules);
  const list = heap + LISTS + index * 4;
  let at: usize = load<u32>(list);
  if (at != 0) store<u32>(list, load<u32>(at));
  else at = carve(changetype<Heap>(heap), (1 as u32) << (index + SMALLEST_SHIFT));
  if (at != 0) memory.copy(at, rules, HEAD + changetype<Rules>(rules).bytes);
  return at;
}

function carve(heap: Heap, bytes: u32): usize {
  if (heap.slab == 0 || heap.used + bytes > SLAB) {
    if (heap.slabs >= RULE_SLABS_MAX) return 0;
    const slab = takeBlock(SLAB);
    if (slab == 0) return 0;
    store<u32>(slab, heap.slab);
    heap.slab = slab as u32;
    heap.used = SLAB_HEAD;
    heap.slabs++;
  }
  const at = heap.slab + heap.used;
  heap.used += bytes;
  return at;
}

/** Gives the room of a kept set back; none (0) is ignored. */
export function dropRules(heap: usize, rules: usize): void {
  if (rules == 0) return;
  const list = heap + LISTS + classOf(rules) * 4;
  store<u32>(rules, load<u32>(list));
  store<u32>(list, rules as u32);
}

/** Gives all memory of a heap back; it is empty afterwards. */
export function freeRules(heap: usize): void {
  for (let slab: usize = changetype<Heap>(heap).slab; slab != 0; ) {
    const next: usize = load<u32>(slab);
    freeBlock(slab, SLAB);
    slab = next;
  }
  memory.fill(heap, 0, RULES_HEAP_BYTES);
}
