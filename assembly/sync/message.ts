/**
 * The answer of the host that is being read: opened once, then its sections by kind. There is one
 * at a time, in the memory of the callback; nothing here knows what a section means.
 */
import { checkMessage, FRAME_OK, findSection, sectionLength } from '../util/frame';

let message: usize = 0;
let messageLength: u32 = 0;

/** Opens `length` bytes at `at`; false when docs/wire.md §1 refuses them. */
export function openMessage(at: usize, length: u32, magic: u32, known: u32): bool {
  message = at;
  messageLength = length;
  return checkMessage(at, length, magic, known) == FRAME_OK;
}

/** The body of section `kind` of the open message if it has at least `least` bytes, else 0. */
export function bodyOf(kind: u32, least: u32): usize {
  const body = findSection(message, messageLength, kind);
  return body != 0 && sectionLength(body) >= least ? body : 0;
}
