/**
 * The memory the proxy writes to: a bump arena that is emptied at the start of each callback. What
 * does not fit is refused with 0, which the proxy turns into a failed call; it never grows.
 */
import { ARENA_BYTES } from '../limits';

let used: usize = 0;

/** Empties the arena. What the proxy handed over before is gone. */
export function resetArena(): void {
  used = 0;
}

/** Room for `bytes`, or 0 when the arena is full. */
export function allocate(bytes: usize): usize {
  if (bytes > (ARENA_BYTES as usize) - used) return 0;
  const at = memory.data(ARENA_BYTES, 16) + used;
  used += (bytes + 15) & ~15;
  if (used > ARENA_BYTES) used = ARENA_BYTES;
  return at;
}
