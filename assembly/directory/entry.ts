/**
 * The entries of the directory: how each kind lies in memory, and how a record of the wire becomes
 * one. Entries of all kinds begin alike, so that tables need not know what they hold.
 */
import { sameRules } from './rules';

/** Kinds of records, as on the wire. */
export const CREDENTIAL: u32 = 1;
export const APPLICATION: u32 = 2;
export const SUBSCRIPTION: u32 = 3;

/** What every entry begins with. An id of 0 marks a free one. */
@unmanaged
export class Entry {
  id: u64;
  revision: u64;
  state: u8;
  /** One bit per generation that the entry belongs to. */
  generations: u8;
  /** 1 = a newer version is known that waits for its policy: a request that meets it is held. */
  pending: u8;
}

@unmanaged
export class Credential extends Entry {
  /** The period in which its use was last reported, 0 never; not of the record. */
  usedPeriod: u32;
  application: u64;
  /** Unix time in milliseconds; 0 = no bound. */
  notBeforeMs: u64;
  notAfterMs: u64;
  digest0: u64;
  digest1: u64;
  digest2: u64;
  digest3: u64;
  /** Its rules: kept by the directory, or in the record it was read from; 0 = none. */
  rules: u32;
  reserved: u32;
  /** Keyed hash of the digest: growing and cutting indexes would work it out again and again. */
  hash: u64;
}

/** The names stand behind it, each in `NAME_ROOM` bytes. */
@unmanaged
export class Application extends Entry {
  consumerNameLength: u8;
  applicationNameLength: u8;
  consumer: u64;
}

@unmanaged
export class Subscription extends Entry {
  application: u64;
  product: u64;
  plan: u64;
}

/** States of a credential and of a subscription, as on the wire. */
export const CREDENTIAL_ENABLED: u8 = 1;
export const CREDENTIAL_DISABLED: u8 = 2;
export const APPLICATION_ACTIVE: u8 = 1;
export const SUBSCRIPTION_ACTIVE: u8 = 1;
export const SUBSCRIPTION_SUSPENDED: u8 = 2;

/** Where the digest of a credential stands. */
export const DIGEST_AT: u32 = offsetof<Credential>('digest0');

const NAME_ROOM: u32 = 64;
const NAMES_AT: u32 = offsetof<Application>();

/** Bytes of an entry; multiples of 16, so that the low bits of an address are free for a tag. */
export function entryBytes(kind: u32): u32 {
  switch (kind) {
    case CREDENTIAL:
      return offsetof<Credential>();
    case APPLICATION:
      return NAMES_AT + 2 * NAME_ROOM;
    default:
      return offsetof<Subscription>();
  }
}

/** Where the name of the consumer of an application stands. */
export function consumerName(application: Application): usize {
  return changetype<usize>(application) + NAMES_AT;
}

/** Where the name of an application stands. */
export function applicationName(application: Application): usize {
  return changetype<usize>(application) + NAMES_AT + NAME_ROOM;
}

/** Bytes of a record of the wire before its body. */
export const RECORD_HEAD_BYTES: u32 = 20;

/** Where the rules of a credential begin in the body of its record. */
export const RULES_AT: u32 = 60;

/** Bytes of the body of a present record, names and rules not counted. */
export function bodyBytes(kind: u32): u32 {
  switch (kind) {
    case CREDENTIAL:
      return 64;
    case APPLICATION:
      return 16;
    default:
      return 32;
  }
}

/**
 * Writes the entry of a checked present record at `to`, in no generation and not pending. Bytes of
 * padding are zero, so that equal bodies give equal bytes.
 */
export function readEntry(record: usize, kind: u32, to: usize): void {
  memory.fill(to, 0, entryBytes(kind));
  const entry = changetype<Entry>(to);
  entry.id = load<u64>(record, 4);
  entry.revision = load<u64>(record, 12);
  const body = record + RECORD_HEAD_BYTES;
  if (kind == CREDENTIAL) {
    const credential = changetype<Credential>(to);
    memory.copy(to + DIGEST_AT, body, 32);
    credential.application = load<u64>(body, 32);
    credential.notBeforeMs = load<u64>(body, 40);
    credential.notAfterMs = load<u64>(body, 48);
    credential.state = load<u8>(body, 56);
    if (load<u16>(body, RULES_AT) != 0) credential.rules = <u32>(body + RULES_AT);
  } else if (kind == APPLICATION) {
    const application = changetype<Application>(to);
    application.consumer = load<u64>(body);
    application.state = load<u8>(body, 8);
    const consumerLength = load<u8>(body, 9);
    const applicationLength = load<u8>(body, 10);
    application.consumerNameLength = consumerLength;
    application.applicationNameLength = applicationLength;
    memory.copy(consumerName(application), body + 16, consumerLength);
    memory.copy(applicationName(application), body + 16 + consumerLength, applicationLength);
  } else {
    const subscription = changetype<Subscription>(to);
    subscription.application = load<u64>(body);
    subscription.product = load<u64>(body, 8);
    subscription.plan = load<u64>(body, 16);
    subscription.state = load<u8>(body, 24);
  }
}

/** Whether two entries of a kind say the same, revision, generations and marks left aside. */
export function sameBody(a: usize, b: usize, kind: u32): bool {
  if (load<u64>(a) != load<u64>(b) || changetype<Entry>(a).state != changetype<Entry>(b).state) {
    return false;
  }
  if (kind == CREDENTIAL) {
    const rules = changetype<Credential>(b).rules;
    if (!sameRules(changetype<Credential>(a).rules, rules)) return false;
  }
  const names = offsetof<Application>('consumerNameLength');
  for (let at = <usize>names; at < 24 && kind == APPLICATION; at++) {
    if (load<u8>(a + at) != load<u8>(b + at)) return false;
  }
  const bytes = kind == CREDENTIAL ? offsetof<Credential>('rules') : entryBytes(kind);
  for (let at: usize = 24; at < bytes; at += 8) {
    if (load<u64>(a + at) != load<u64>(b + at)) return false;
  }
  return true;
}

/** Whether two entries of a kind are found under the same digest or pair of ids. */
export function sameKeys(a: usize, b: usize, kind: u32): bool {
  if (kind == APPLICATION) return true;
  const from = kind == CREDENTIAL ? <usize>DIGEST_AT : offsetof<Subscription>('application');
  const bytes: usize = kind == CREDENTIAL ? 32 : 16;
  for (let at = from; at < from + bytes; at += 8) {
    if (load<u64>(a + at) != load<u64>(b + at)) return false;
  }
  return true;
}
