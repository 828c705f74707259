/**
 * The header edits of the request being decided, in order, and the room for what is composed for
 * it. It only keeps them: whether they are carried out is decided by `apply`, by whom by the shell.
 */
import { EDITS_MAX, SCRATCH_BYTES } from '../limits';

/** Bytes of an edit: op u32, name u32, nameLength u32, value u32, valueLength u32. */
export const EDIT_BYTES: u32 = 20;
export const EDIT_SET: u32 = 1;
export const EDIT_ADD: u32 = 2;
export const EDIT_REMOVE: u32 = 3;

function edits(): usize {
  return memory.data(EDITS_MAX * EDIT_BYTES, 8);
}
function scratchRoom(): usize {
  return memory.data(SCRATCH_BYTES, 16);
}

let count: u32 = 0;
let scratchUsed: u32 = 0;
let overflow: bool = false;

/** Forgets all edits and all composed bytes; called before a request is decided. */
export function resetEdits(): void {
  count = 0;
  scratchUsed = 0;
  overflow = false;
}

/** Edits so far. */
export function editCount(): u32 {
  return count;
}

/** The edit `index`, which is less than `editCount()`. */
export function editAt(index: u32): usize {
  return edits() + index * EDIT_BYTES;
}

/** True when an edit or a composed value found no room: the request must not pass. */
export function editsOverflowed(): bool {
  return overflow;
}

/** Removes all values of a header. The bytes must stay until the callback ends. */
export function editRemove(name: usize, nameLength: u32): void {
  put(EDIT_REMOVE, name, nameLength, 0, 0);
}

/** Replaces all values of a header by one. The bytes must stay until the callback ends. */
export function editSet(name: usize, nameLength: u32, value: usize, valueLength: u32): void {
  put(EDIT_SET, name, nameLength, value, valueLength);
}

/** Adds a value to a header. The bytes must stay until the callback ends. */
export function editAdd(name: usize, nameLength: u32, value: usize, valueLength: u32): void {
  put(EDIT_ADD, name, nameLength, value, valueLength);
}

function put(op: u32, name: usize, nameLength: u32, value: usize, valueLength: u32): void {
  if (count >= EDITS_MAX) {
    overflow = true;
    return;
  }
  const at = edits() + count * EDIT_BYTES;
  store<u32>(at, op);
  store<u32>(at, name as u32, 4);
  store<u32>(at, nameLength, 8);
  store<u32>(at, value as u32, 12);
  store<u32>(at, valueLength, 16);
  count++;
}

/** Room for `bytes` composed for this request, or 0; then `editsOverflowed` is true. */
export function scratch(bytes: u32): usize {
  if (bytes > SCRATCH_BYTES - scratchUsed) {
    overflow = true;
    return 0;
  }
  const at = scratchRoom() + scratchUsed;
  scratchUsed += bytes;
  return at;
}
