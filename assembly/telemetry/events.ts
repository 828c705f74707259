/**
 * Counts what happens in the filter beside requests: calls that failed, policies that came, tables
 * that are full. The shell carries the counts over to metrics and now and then to the log.
 */

import { putEntry } from '../pipeline/text';
import { asciiList } from '../util/ascii';

export const CALLS_FAILED: u32 = 0;
export const POLICIES_APPLIED: u32 = 1;
export const POLICIES_REFUSED: u32 = 2;
export const DIRECTORIES_FILLED: u32 = 3;
export const DIRECTORY_NO_ROOM: u32 = 4;
export const REQUESTS_HELD: u32 = 5;
export const ACCOUNTS_FULL: u32 = 6;
export const STREAMS_UNRECORDED: u32 = 7;
export const STREAMS_UNMAPPED: u32 = 8;
export const INVARIANTS_BROKEN: u32 = 9;
export const RESPONSES_UNEDITED: u32 = 10;
export const USAGE_FULL: u32 = 11;
/** How many kinds of events there are. */
export const EVENTS: u32 = 12;

/**
 * One kind: count since the flush and since the log line, newest value, metric, time of the line.
 */
@unmanaged
export class EventCount {
  fresh: u64;
  unlogged: u64;
  value: u64;
  loggedMs: u64;
  metric: u32;
  reserved: u32;
}

const COUNTS: usize = memory.data(EVENTS * offsetof<EventCount>(), 8);

/** The counts of one kind of event. */
export function eventCount(event: u32): EventCount {
  return changetype<EventCount>(COUNTS + (event as usize) * offsetof<EventCount>());
}

/** Something happened; `value` is a number that says which, when or where. */
export function noteEvent(event: u32, value: u64): void {
  const count = eventCount(event);
  count.fresh++;
  count.unlogged++;
  count.value = value;
}

const NAMES = asciiList(
  'calls_failed|policies_applied|policies_refused|directories_filled|directory_no_room|' +
    'requests_held|accounts_full|streams_unrecorded|streams_unmapped|invariants_broken|' +
    'responses_unedited|usage_full|',
);

/** Writes the stable name of an event, as metrics and log lines have it. */
export function putEvent(event: u32): void {
  putEntry(NAMES, event);
}

/** True for events that are good news: what is logged of them is no warning. */
export function isNews(event: u32): bool {
  return event == POLICIES_APPLIED || event == DIRECTORIES_FILLED;
}

/** True for events that are ordinary: they are counted and never logged. */
export function isOrdinary(event: u32): bool {
  return event == REQUESTS_HELD;
}
