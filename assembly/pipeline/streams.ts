/**
 * Which root a stream belongs to and where its decision record stands, for every open stream of the
 * VM. A map of its own, so that a stream without a record still finds its root.
 */
import { freeDecision, takeDecision } from '../decision/record';
import { STREAM_SLOTS } from '../limits';
import { noteEvent, STREAMS_UNMAPPED, STREAMS_UNRECORDED } from '../telemetry/events';
import { copyBytes } from '../util/bytes';

/** Bytes of a slot: stream u32, root u32, record u32. */
const SLOT: u32 = 12;
/** The slots; in a function, so that what is small lies before it and has short addresses. */
function slots(): usize {
  return memory.data(STREAM_SLOTS * SLOT, 8);
}

const MASK: u32 = STREAM_SLOTS - 1;

let count: u32 = 0;

/** Streams open now. */
export function streamCount(): u32 {
  return count;
}

/**
 * Remembers a new stream and takes a record for it. One that finds no place is counted and will be
 * refused, because its root is not known.
 */
export function addStream(stream: u32, root: u32): void {
  if (count >= (STREAM_SLOTS / 4) * 3) {
    noteEvent(STREAMS_UNMAPPED, stream);
    return;
  }
  let index = stream & MASK;
  while (load<u32>(slots() + index * SLOT) != 0) index = (index + 1) & MASK;
  const at = slots() + index * SLOT;
  const record = takeDecision(stream, root);
  if (record == 0) noteEvent(STREAMS_UNRECORDED, stream);
  store<u32>(at, stream);
  store<u32>(at, root, 4);
  store<u32>(at, record as u32, 8);
  count++;
}

function find(stream: u32): usize {
  if (stream == 0) return 0;
  let index = stream & MASK;
  for (let i: u32 = 0; i < STREAM_SLOTS; i++) {
    const at = slots() + index * SLOT;
    const found = load<u32>(at);
    if (found == stream) return at;
    if (found == 0) break;
    index = (index + 1) & MASK;
  }
  return 0;
}

/** The context id of a stream's root, or 0 when the stream is not known. */
export function rootOfStream(stream: u32): u32 {
  const at = find(stream);
  return at == 0 ? 0 : load<u32>(at, 4);
}

/** The decision record of a stream, or 0. */
export function recordOfStream(stream: u32): usize {
  const at = find(stream);
  return at == 0 ? 0 : (load<u32>(at, 8) as usize);
}

/** Forgets a stream and frees its record; a stream that is not known is ignored. */
export function dropStream(stream: u32): void {
  const at = find(stream);
  if (at == 0) return;
  freeDecision(load<u32>(at, 8));
  count--;
  let hole = ((at - slots()) / SLOT) as u32;
  let index = hole;
  for (;;) {
    index = (index + 1) & MASK;
    const next = slots() + index * SLOT;
    const found = load<u32>(next);
    if (found == 0) break;
    // A slot may move into the hole unless its own place lies after the hole.
    if (((index - (found & MASK)) & MASK) < ((index - hole) & MASK)) continue;
    copyBytes(slots() + hole * SLOT, next, SLOT);
    hole = index;
  }
  const free = slots() + hole * SLOT;
  store<u64>(free, 0);
  store<u32>(free, 0, 8);
}
