/**
 * Writes a message of docs/wire.md §1 into the one buffer for calls: header, sections, checksum.
 * It must never know what a section means.
 */
import { SYNC_ITEMS_MAX, USAGE_ROWS_PER_CALL_MAX, USAGE_TOUCHED_MAX } from '../limits';
import { crc32 } from '../util/crc32';

const HEADER_BYTES: usize = 16;
/** Room for the largest call: a full report of items, of usage and of touched credentials. */
const ROOM: u32 =
  SYNC_ITEMS_MAX * 80 + USAGE_ROWS_PER_CALL_MAX * 48 + USAGE_TOUCHED_MAX * 8 + 1_024;
function body(): usize {
  return memory.data(ROOM, 16);
}

let at: usize = 0;
let section: usize = 0;

/** Begins a message with this magic. */
export function beginMessage(magic: u32): void {
  store<u32>(body(), magic);
  store<u32>(body(), 1, 4);
  at = body() + HEADER_BYTES;
  section = 0;
}

/** Begins a section; the one before ends here. `optional` as in docs/wire.md. */
export function beginSection(kind: u32, optional: bool): void {
  endSection();
  section = at;
  store<u16>(at, kind as u16);
  store<u16>(at, optional ? 1 : 0, 2);
  at += 8;
}

function endSection(): void {
  if (section != 0) store<u32>(section, (at - section - 8) as u32, 4);
}

/** Takes `bytes` zeroed bytes; its users keep within the room by their own bounds. */
export function takeBytes(bytes: u32): usize {
  const from = at;
  if ((bytes as usize) > body() + ROOM - at) return 0;
  memory.fill(from, 0, bytes);
  at += bytes;
  return from;
}

/** Ends the message; answers its length. */
export function endMessage(): u32 {
  endSection();
  const length = (at - body()) as u32;
  store<u32>(body(), length, 8);
  store<u32>(body(), crc32(body() + HEADER_BYTES, length - 16), 12);
  return length;
}

/** Where the message stands. */
export function messageBytes(): usize {
  return body();
}

/** Items for which there is room in one message. */
export function itemsRoom(): u32 {
  return SYNC_ITEMS_MAX;
}
