/**
 * Writes directory records of docs/wire.md, section 4, for the specs, and applies them as a page
 * would be: checked first, then applied.
 */
import { readAddress } from '../../../assembly/credential/address';
import { applyRecords } from '../../../assembly/directory/directory';
import { checkRecords } from '../../../assembly/directory/records';
import { room, Text } from './bytes';
import { Writer } from './writer';

/** The digest of a made-up key: the number, spread over 32 bytes. */
export function digestAt(at: usize, key: u32): usize {
  for (let i = 0; i < 4; i++) {
    store<u64>(at + i * 8, (<u64>key + 1) * 0x9e3779b97f4a7c15 * (<u64>i * 2 + 1));
  }
  return at;
}

const DIGEST: usize = room(32);
const ADDRESS: usize = room(16);

/** A set of rules as a record carries it; CIDRs such as `10.0.0.0/8`, hosts as on the wire. */
export function rulesOf(cidrs: string[], referers: string[]): Writer {
  const body = new Writer();
  for (let i = 0; i < cidrs.length; i++) {
    const parts = cidrs[i].split('/');
    const text = new Text(parts[0]);
    readAddress(text.at, text.length, ADDRESS);
    body.u8(<u32>I32.parseInt(parts[1]) + (parts[0].includes(':') ? 0 : 96));
    for (let byte = 0; byte < 16; byte++) body.u8(load<u8>(ADDRESS + byte));
  }
  for (let i = 0; i < referers.length; i++) body.u8(referers[i].length).text(referers[i]);
  return new Writer().u16(body.length).u8(cidrs.length).u8(referers.length).add(body);
}

/** Records one after another. */
export class Records {
  bytes: Writer = new Writer();
  count: u32 = 0;

  private head(length: u32, kind: u32, present: bool, id: u64, revision: u64): Writer {
    this.count++;
    const flags: u32 = present ? 1 : 0;
    return this.bytes.u16(length).u8(kind).u8(flags).u64(id).u64(revision);
  }

  credential(id: u64, revision: u64, key: u32, application: u64, state: u32 = 1): Records {
    this.head(84, 1, true, id, revision);
    digestAt(DIGEST, key);
    for (let i = 0; i < 32; i++) this.bytes.u8(load<u8>(DIGEST + i));
    this.bytes.u64(application).u64(0).u64(0).u8(state).zero(7);
    return this;
  }

  /** A credential with rules that `rulesOf` wrote. */
  ruled(id: u64, revision: u64, key: u32, application: u64, rules: Writer): Records {
    this.head(80 + rules.length, 1, true, id, revision);
    digestAt(DIGEST, key);
    for (let i = 0; i < 32; i++) this.bytes.u8(load<u8>(DIGEST + i));
    this.bytes.u64(application).u64(0).u64(0).u8(1).zero(3).add(rules);
    return this;
  }

  application(id: u64, revision: u64, consumer: string, name: string): Records {
    this.head(36 + consumer.length + name.length, 2, true, id, revision);
    this.bytes.u64(900).u8(1).u8(consumer.length).u8(name.length).zero(5);
    this.bytes.text(consumer).text(name);
    return this;
  }

  subscription(
    id: u64,
    revision: u64,
    application: u64,
    product: u64,
    plan: u64,
    state: u32 = 1,
  ): Records {
    this.head(52, 3, true, id, revision);
    this.bytes.u64(application).u64(product).u64(plan).u8(state).zero(7);
    return this;
  }

  removed(kind: u32, id: u64, revision: u64): Records {
    this.head(20, kind, false, id, revision);
    return this;
  }

  /** Whether the check lets them pass. */
  isValid(): bool {
    return checkRecords(this.bytes.place(), this.bytes.length, this.count);
  }

  /** Checks and applies them; -1 if the check refuses them. */
  apply(directory: usize, restrictive: bool = false): i32 {
    const at = this.bytes.place();
    if (!checkRecords(at, this.bytes.length, this.count)) return -1;
    return applyRecords(directory, at, this.bytes.length, restrictive);
  }
}
