/**
 * Pages of a directory and the records in them (docs/wire.md, section 4), as the directory call
 * answers them and as a watch carries them. It must never decide which records a page holds.
 */
import { ByteWriter, type Section, writeMessage } from './bytes.ts';
import { HOST_SECTION, type HostSection, hostSection, PAGE_BYTES, readHost } from './host.ts';
import {
  ByteReader,
  type Decoded,
  readMessage,
  readSection,
  refuse,
  type Sections,
} from './reader.ts';

/** Bytes of a record before its body. */
export const RECORD_BYTES = 20;

const MAGIC = 'SGDI';
const PAGE_SECTION = 2;
const RECORDS_SECTION = 3;
const FLAG_COMPLETE = 1;
const FLAG_START_OVER = 2;
const FLAG_PRESENT = 1;

/** Place of a record in the order (revision, kind, id); all 0 = the beginning of a walk. */
export interface WireCursor {
  readonly revision: number;
  readonly kind: number;
  readonly id: number;
}

/** The beginning of a walk. */
export const WALK_START: WireCursor = { revision: 0, kind: 0, id: 0 };

/** One record of a page. A removed record has no body. */
export interface WireRecord {
  readonly kind: number;
  readonly id: number;
  readonly revision: number;
  readonly present: boolean;
  readonly body: Uint8Array;
}

/** A page of a directory; docs/wire.md says what each field obliges a filter to. */
export interface WirePage {
  /** Revision of the group's newest policy. */
  readonly policyRevision: number;
  /** Echo of the call. */
  readonly after: number;
  /** Echo of the call. */
  readonly from: WireCursor;
  /** Newest revision that is whole up to this page; the head when complete. */
  readonly upTo: number;
  /** Cursor for the next page; the beginning when complete. */
  readonly next: WireCursor;
  readonly complete: boolean;
  readonly startOver: boolean;
  /** Newest revision whose removals may be forgotten. */
  readonly forgotten: number;
  readonly records: readonly WireRecord[];
}

/** What `GET /v1/directory/{group}` answers. */
export interface DirectoryReply {
  readonly host: HostSection;
  readonly page: WirePage;
}

/** The two sections of a page, under the kinds that the message gives them. */
export function pageSections(page: WirePage, pageKind: number, recordsKind: number): Section[] {
  const { from, next } = page;
  const flags = (page.complete ? FLAG_COMPLETE : 0) | (page.startOver ? FLAG_START_OVER : 0);
  const head = new ByteWriter(80)
    .u64(page.policyRevision)
    .u64(page.after)
    .u64(from.revision)
    .u64(from.id)
    .u64(page.upTo)
    .u64(next.revision)
    .u64(next.id)
    .u8(from.kind)
    .u8(next.kind)
    .u16(0)
    .u32(flags)
    .u32(page.records.length)
    .u64(page.forgotten)
    .zero(4);
  const records = new ByteWriter(4096);
  for (const record of page.records) writeRecord(records, record);
  return [
    { kind: pageKind, body: head.finish() },
    { kind: recordsKind, body: records.finish() },
  ];
}

function writeRecord(writer: ByteWriter, record: WireRecord): void {
  if (!record.present && record.body.length > 0) throw new RangeError('a removal has no body');
  writer
    .u16(RECORD_BYTES + record.body.length)
    .u8(record.kind)
    .u8(record.present ? FLAG_PRESENT : 0)
    .u64(record.id)
    .u64(record.revision)
    .bytes(record.body);
}

/** The reply's bytes. */
export function encodeDirectory(reply: DirectoryReply): Uint8Array {
  return writeMessage(MAGIC, [
    hostSection(reply.host),
    ...pageSections(reply.page, PAGE_SECTION, RECORDS_SECTION),
  ]);
}

/** Reads a reply to the directory call. */
export function decodeDirectory(bytes: Uint8Array): Decoded<DirectoryReply> {
  const sections = readMessage(bytes, MAGIC, [HOST_SECTION, PAGE_SECTION, RECORDS_SECTION]);
  if (!sections.ok) return sections;
  const host = readSection(sections.value, HOST_SECTION, readHost);
  if (!host.ok) return host;
  const page = readPage(sections.value, PAGE_SECTION, RECORDS_SECTION);
  if (!page.ok) return page;
  return { ok: true, value: { host: host.value, page: page.value } };
}

/** Reads the two sections of a page. Bodies of records are not looked into. */
export function readPage(
  sections: Sections,
  pageKind: number,
  recordsKind: number,
): Decoded<WirePage> {
  const head = readSection(sections, pageKind, readHead);
  if (!head.ok) return head;
  const bytes = sections.get(recordsKind);
  if (bytes === undefined) return refuse('missing_section', `section ${recordsKind}`);
  if (bytes.length > PAGE_BYTES) return refuse('wrong_value', 'records longer than a page');
  const { count, ...page } = head.value;
  const records = readRecords(bytes, count);
  if (!records.ok) return records;
  return { ok: true, value: { ...page, records: records.value } };
}

function readHead(reader: ByteReader) {
  const policyRevision = reader.safe();
  const after = reader.safe();
  const fromRevision = reader.safe();
  const fromId = reader.safe();
  const upTo = reader.safe();
  const nextRevision = reader.safe();
  const nextId = reader.safe();
  const fromKind = reader.u8();
  const nextKind = reader.u8();
  reader.skip(2);
  const flags = reader.u32();
  const count = reader.u32();
  const forgotten = reader.safe();
  reader.skip(4);
  if (flags > (FLAG_COMPLETE | FLAG_START_OVER)) reader.fail('wrong_value');
  return {
    policyRevision,
    after,
    from: { revision: fromRevision, kind: fromKind, id: fromId },
    upTo,
    next: { revision: nextRevision, kind: nextKind, id: nextId },
    complete: (flags & FLAG_COMPLETE) !== 0,
    startOver: (flags & FLAG_START_OVER) !== 0,
    forgotten,
    count,
  };
}

function readRecords(bytes: Uint8Array, count: number): Decoded<WireRecord[]> {
  const reader = new ByteReader(bytes);
  const records: WireRecord[] = [];
  for (let index = 0; index < count; index += 1) {
    const length = reader.u16();
    const kind = reader.u8();
    const flags = reader.u8();
    const id = reader.safe();
    const revision = reader.safe();
    if (reader.code !== undefined) return refuse(reader.code, `record ${index}`);
    if (length < RECORD_BYTES || flags > FLAG_PRESENT) {
      return refuse('wrong_value', `record ${index}`);
    }
    const body = reader.bytes(length - RECORD_BYTES);
    if (reader.code !== undefined) return refuse(reader.code, `record ${index}`);
    const present = flags === FLAG_PRESENT;
    if (!present && body.length > 0) return refuse('wrong_value', `record ${index}`);
    records.push({ kind, id, revision, present, body });
  }
  if (reader.left > 0) return refuse('wrong_length', 'records');
  return { ok: true, value: records };
}
