/**
 * Hands out zeroed memory for tables: blocks of a power of two, kept in free lists when they come
 * back. It is the only place that grows the memory and must never be reached from a request.
 */

const SMALLEST_SHIFT: u32 = 12;
const CLASSES: u32 = 15;
/**
 * Head of the list of free blocks of each class; a free block begins with the next one's address.
 */
const FREE: usize = memory.data(15 * 4, 4);

/** Where the memory that was never handed out begins and ends; both 0 before the first block. */
let top: usize = 0;
let end: usize = 0;

function classOf(bytes: usize): u32 {
  let shift: u32 = SMALLEST_SHIFT;
  while ((1 as usize) << shift < bytes) shift++;
  return shift - SMALLEST_SHIFT;
}

/** The bytes a block for `bytes` really has; at most 64 MiB can be had, else 0. */
export function blockBytes(bytes: usize): usize {
  if (bytes > 1 << (SMALLEST_SHIFT + CLASSES - 1)) return 0;
  return (1 as usize) << (classOf(bytes) + SMALLEST_SHIFT);
}

/**
 * A zeroed block of at least `bytes` at an address divisible by 4,096, or 0 when there is no
 * memory. Grows the memory of the VM: never to be called while a request is decided.
 */
export function takeBlock(bytes: usize): usize {
  const size = blockBytes(bytes);
  if (size == 0) return 0;
  const wanted = classOf(bytes);
  for (let index = wanted; index < CLASSES; index++) {
    const at = load<u32>(FREE + index * 4) as usize;
    if (at == 0) continue;
    store<u32>(FREE + index * 4, load<u32>(at));
    for (let half = index; half > wanted; ) {
      half--;
      const bytes = (1 as usize) << (half + SMALLEST_SHIFT);
      freeBlock(at + bytes, bytes);
    }
    memory.fill(at, 0, size);
    return at;
  }
  return grow(size);
}

function grow(size: usize): usize {
  if (size > end - top) {
    // The specs' runtime grows the memory too, so that ours need not be in one piece.
    const have = (memory.size() as usize) << 16;
    const missing = have == end ? size - (end - top) : size;
    const pages = ((missing + 65535) >>> 16) as i32;
    if (memory.grow(pages) < 0) return 0;
    if (have != end) top = have;
    end = have + ((pages as usize) << 16);
  }
  const at = top;
  top += size;
  return at;
}

/** Takes back a block that `takeBlock(bytes)` gave; 0 is ignored. */
export function freeBlock(at: usize, bytes: usize): void {
  if (at == 0) return;
  const list = FREE + classOf(bytes) * 4;
  store<u32>(at, load<u32>(list));
  store<u32>(list, at as u32);
}

/** Bytes ever taken from the VM, tables in free lists included. */
export function memoryBytes(): u64 {
  return (memory.size() as u64) << 16;
}
