/**
 * What a header holds at this point of a program: the values that came with the message, changed by
 * the edits made so far. Only so can a step build on what is there without bringing back a key that
 * was cut or an identity that was made up.
 */
import { EDITS_MAX, HEADERS_MAX } from '../limits';
import { EDIT_ADD, EDIT_REMOVE, editAt, editCount } from '../pipeline/edits';
import { findNamed, HEADER_VALUE, HEADER_VALUE_LENGTH } from '../pipeline/headers';
import { equalLower } from '../util/bytes';

/** Every header and every edit may give a value: there is always room. */
function values(): usize {
  return memory.data((HEADERS_MAX + EDITS_MAX) * 8, 8);
}
const FOUND_MAX: u32 = HEADERS_MAX + EDITS_MAX;

let count: u32 = 0;

/**
 * Finds the values under a name in lower case and answers how many there are. They stand until the
 * next call.
 */
export function findPresent(name: usize, length: u32): u32 {
  count = 0;
  for (let entry = findNamed(name, length, 0); entry != 0; entry = findNamed(name, length, entry)) {
    note(load<u32>(entry, HEADER_VALUE), load<u32>(entry, HEADER_VALUE_LENGTH));
  }
  const edits = editCount();
  for (let i: u32 = 0; i < edits; i++) {
    const edit = editAt(i);
    if (load<u32>(edit, 8) != length || !equalLower(load<u32>(edit, 4), name, length)) continue;
    const op = load<u32>(edit);
    if (op != EDIT_ADD) count = 0;
    if (op != EDIT_REMOVE) note(load<u32>(edit, 12), load<u32>(edit, 16));
  }
  return count;
}

/** Whether a header has a value under a name in lower case. */
export function isPresent(name: usize, length: u32): bool {
  for (let i = editCount(); i > 0; i--) {
    const edit = editAt(i - 1);
    if (load<u32>(edit, 8) != length || !equalLower(load<u32>(edit, 4), name, length)) continue;
    return load<u32>(edit) != EDIT_REMOVE;
  }
  return findNamed(name, length, 0) != 0;
}

function note(at: u32, length: u32): void {
  if (count >= FOUND_MAX) return;
  store<u32>(values() + count * 8, at);
  store<u32>(values() + count * 8, length, 4);
  count++;
}

/** Where the value `index` stands, which is less than what `findPresent` answered. */
export function presentAt(index: u32): usize {
  return load<u32>(values() + index * 8);
}

/** Its bytes. */
export function presentLength(index: u32): u32 {
  return load<u32>(values() + index * 8, 4);
}
