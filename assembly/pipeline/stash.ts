/**
 * Keeps the headers with keys of requests that wait: they are cut before the request is paused, so
 * that no access log prints a key when its caller goes away, and are back when it is decided again.
 * Bounded by `HELD_MAX` places; what does not fit stays where it is.
 */
import { HELD_MAX, STASH_BYTES } from '../limits';
import { copyBytes, equalLower } from '../util/bytes';
import { EDIT_ADD, editAt, scratch } from './edits';
import {
  addHeader,
  dropHeaders,
  HEADER_NAME_LENGTH,
  HEADER_VALUE,
  HEADER_VALUE_LENGTH,
  headerAt,
  headerCount,
} from './headers';

/** Bytes of the places of one engine. */
export const STASH_BLOCK: usize = (HELD_MAX * STASH_BYTES) as usize;
/** A place: stream u32 (0 = free), bytes u32; then per header: lengths u16 of both, name, value. */
const HEAD: u32 = 8;
const LENGTHS: u32 = 4;

/**
 * Copies the headers that the edits from `from` up to but without `to` change from the index to a
 * free place among those at `places`; answers the place, or 0 when they do not fit.
 */
export function stashHeaders(places: usize, stream: u32, from: u32, to: u32): usize {
  const place = freePlace(places);
  if (place == 0) return 0;
  let bytes = HEAD;
  const headers = headerCount();
  for (let i: u32 = 0; i < headers; i++) {
    const entry = headerAt(i);
    const nameLength = load<u32>(entry, HEADER_NAME_LENGTH);
    const valueLength = load<u32>(entry, HEADER_VALUE_LENGTH);
    if (!isEdited(load<u32>(entry), nameLength, from, to)) continue;
    if ((nameLength as u64) + (valueLength as u64) + LENGTHS + bytes > STASH_BYTES) return 0;
    store<u16>(place + bytes, nameLength as u16);
    store<u16>(place + bytes, valueLength as u16, 2);
    bytes += LENGTHS;
    copyBytes(place + bytes, load<u32>(entry), nameLength);
    copyBytes(place + bytes + nameLength, load<u32>(entry, HEADER_VALUE), valueLength);
    bytes += nameLength + valueLength;
  }
  store<u32>(place, stream);
  store<u32>(place, bytes, 4);
  return place;
}

function freePlace(places: usize): usize {
  for (let i: u32 = 0; i < HELD_MAX; i++) {
    const place = places + i * STASH_BYTES;
    if (load<u32>(place) == 0) return place;
  }
  return 0;
}

/** Every name that is edited is set or removed first; what is added to it has the same name. */
function isEdited(name: usize, length: u32, from: u32, to: u32): bool {
  for (let i = from; i < to; i++) {
    const edit = editAt(i);
    if (load<u32>(edit) == EDIT_ADD || load<u32>(edit, 8) != length) continue;
    if (equalLower(load<u32>(edit, 4), name, length)) return true;
  }
  return false;
}

/**
 * Puts the headers of a place into the index, instead of what the request has under their names.
 * They are copied, because a key is cut where it stands. False when there is no room.
 */
export function restoreHeaders(place: usize): bool {
  const bytes = load<u32>(place, 4) - HEAD;
  const copy = scratch(bytes);
  if (copy == 0) return false;
  copyBytes(copy, place + HEAD, bytes);
  for (let at = copy; at < copy + bytes; at = endOf(at)) {
    dropHeaders(at + LENGTHS, load<u16>(at));
  }
  for (let at = copy; at < copy + bytes; at = endOf(at)) {
    const nameLength: u32 = load<u16>(at);
    const name = at + LENGTHS;
    if (!addHeader(name, nameLength, name + nameLength, load<u16>(at, 2))) return false;
  }
  return true;
}

function endOf(at: usize): usize {
  return at + LENGTHS + load<u16>(at) + load<u16>(at, 2);
}

/** Frees a place and forgets the keys in it; 0 is ignored. */
export function freeStash(place: usize): void {
  if (place != 0) memory.fill(place, 0, STASH_BYTES);
}
