/**
 * Checks the records of a directory page, all of them before the first is applied. Total on any
 * bytes; what it lets pass can be applied without looking twice.
 */
import { DIRECTORY_NAME_BYTES_MAX } from '../limits';
import { areSafe } from '../util/frame';
import {
  APPLICATION,
  APPLICATION_ACTIVE,
  bodyBytes,
  CREDENTIAL,
  CREDENTIAL_DISABLED,
  CREDENTIAL_ENABLED,
  RECORD_HEAD_BYTES,
  RULES_AT,
  SUBSCRIPTION,
  SUBSCRIPTION_ACTIVE,
  SUBSCRIPTION_SUSPENDED,
} from './entry';
import { checkRules } from './rules';

const PRESENT: u32 = 1;

/** Bytes of a record, its head included. */
export function recordLength(record: usize): u32 {
  return load<u16>(record);
}

export function recordKind(record: usize): u32 {
  return load<u8>(record, 2);
}

export function isPresent(record: usize): bool {
  return <u32>load<u8>(record, 3) == PRESENT;
}

export function recordId(record: usize): u64 {
  return load<u64>(record, 4);
}

export function recordRevision(record: usize): u64 {
  return load<u64>(record, 12);
}

/** Bytes of the first `most` of the checked records that fill `length` bytes, or of all. */
export function leadingRecords(records: usize, length: u32, most: u32): u32 {
  let bytes: u32 = 0;
  for (let i: u32 = 0; i < most && bytes < length; i++) bytes += recordLength(records + bytes);
  return bytes;
}

/**
 * Whether `length` bytes are exactly `count` records, each whole and of values this version knows,
 * in the order (revision, kind, id).
 */
export function checkRecords(records: usize, length: u32, count: u32): bool {
  let from: u32 = 0;
  let last: usize = 0;
  for (let i: u32 = 0; i < count; i++) {
    if (length - from < RECORD_HEAD_BYTES) return false;
    const record = records + from;
    const bytes = recordLength(record);
    if (bytes < RECORD_HEAD_BYTES || bytes > length - from) return false;
    if (!checkHead(record) || !checkBody(record, bytes - RECORD_HEAD_BYTES)) return false;
    if (last != 0 && !isAfter(record, last)) return false;
    last = record;
    from += bytes;
  }
  return from == length;
}

function checkHead(record: usize): bool {
  const kind = recordKind(record);
  if (kind < CREDENTIAL || kind > SUBSCRIPTION) return false;
  if (<u32>load<u8>(record, 3) > PRESENT) return false;
  return recordId(record) != 0 && recordRevision(record) != 0 && areSafe(record + 4, 2);
}

function isAfter(record: usize, last: usize): bool {
  const revision = recordRevision(record);
  if (revision != recordRevision(last)) return revision > recordRevision(last);
  const kind = recordKind(record);
  if (kind != recordKind(last)) return kind > recordKind(last);
  return recordId(record) > recordId(last);
}

/** Checks the `length` bytes after the head. A body may be longer than what is known of it. */
function checkBody(record: usize, length: u32): bool {
  if (!isPresent(record)) return length == 0;
  const kind = recordKind(record);
  if (length < bodyBytes(kind)) return false;
  const body = record + RECORD_HEAD_BYTES;
  if (kind == CREDENTIAL) {
    const state = load<u8>(body, 56);
    if (!areSafe(body + 32, 3)) return false;
    if (state != CREDENTIAL_ENABLED && state != CREDENTIAL_DISABLED) return false;
    return checkRules(body + RULES_AT, length - bodyBytes(CREDENTIAL));
  }
  if (kind == APPLICATION) {
    if (load<u8>(body, 8) != APPLICATION_ACTIVE || !areSafe(body, 1)) return false;
    const consumer: u32 = load<u8>(body, 9);
    const application: u32 = load<u8>(body, 10);
    if (consumer + application > length - bodyBytes(APPLICATION)) return false;
    const names = body + bodyBytes(APPLICATION);
    return isName(names, consumer) && isName(names + consumer, application);
  }
  const state = load<u8>(body, 24);
  if (!areSafe(body, 3)) return false;
  return state == SUBSCRIPTION_ACTIVE || state == SUBSCRIPTION_SUSPENDED;
}

/** Names end up in header values and in JSON: no controls, no quotes, no backslash. */
function isName(at: usize, length: u32): bool {
  if (length == 0 || length > DIRECTORY_NAME_BYTES_MAX) return false;
  for (let i: u32 = 0; i < length; i++) {
    const byte: u32 = load<u8>(at + i);
    if (byte > 0x5c ? byte == 0x7f : byte < 0x20 || byte == 0x22 || byte == 0x5c) return false;
  }
  return true;
}
