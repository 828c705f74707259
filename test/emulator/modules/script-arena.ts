/**
 * The probe's allocator: a region that is begun anew in every callback, and the ways in which it
 * can be told to fail. It never grows.
 */
import {
  proxy_log,
  proxy_set_tick_period_milliseconds,
} from '@solo-io/proxy-runtime/assembly/imports';

const ARENA_BYTES: usize = 1 << 20;
const ARENA: usize = memory.data(1 << 20, 16);
const WORD: usize = memory.data<u8>([0x6d, 0x61, 0x6c, 0x6c, 0x6f, 0x63]);

/** 0 answers, 1 refuses, 2 makes a call that is not allowed there, 3 traps, 4 logs. */
let mode: u32 = 0;
let calls: u32 = 0;
let top: usize = 0;

/** Sets what the allocator does from now on. */
export function setAllocation(next: u32): void {
  mode = next;
}

/** How often the host has asked for memory. */
export function allocations(): u32 {
  return calls;
}

/** Gives the whole region free again; called at the start of every callback. */
export function beginCallback(): void {
  top = 0;
}

/** Answers an address of `size` bytes, or 0. */
export function allocate(size: usize): usize {
  calls++;
  if (mode == 1) return 0;
  if (mode == 2) proxy_set_tick_period_milliseconds(1);
  if (mode == 3) unreachable();
  if (mode == 4) proxy_log(2, WORD, 6);
  if (top + size > ARENA_BYTES) return 0;
  const at = ARENA + top;
  top = (top + size + 15) & ~15;
  return at;
}
