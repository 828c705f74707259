/**
 * The sync call (docs/wire.md, section 6), both directions. It must never know what a ledger does
 * with an item.
 */
import { ByteWriter, type Section, tableBody, writeMessage } from './bytes.ts';
import { HOST_SECTION, type HostSection, hostSection, readHost, STORE_ID_BYTES } from './host.ts';
import {
  type ByteReader,
  type Decoded,
  readMessage,
  readSection,
  readTable,
  type Sections,
} from './reader.ts';
import {
  readUsageRow,
  TOUCHED_BYTES,
  TOUCHED_MAX,
  USAGE_BYTES,
  USAGE_ROWS_MAX,
  type UsageRow,
  writeUsageRow,
} from './usage.ts';

/** Most items of one call. */
export const SYNC_ITEMS_MAX = 256;

const REQUEST_MAGIC = 'SGSQ';
const HOLDER_SECTION = 1;
const ITEMS_SECTION = 2;
const USAGE_SECTION = 3;
const TOUCHED_SECTION = 4;
const REPORT_BYTES = 80;
const FLAG_URGENT = 1;
const FLAG_LAST = 2;
const ITEM_FLAG_NEXT = 1;
const ANSWER_FLAG_APPROXIMATE = 1;

const REPLY_MAGIC = 'SGSR';
const SYNC_SECTION = 2;
const REPLY_ITEMS_SECTION = 3;
const ANSWER_BYTES = 96;

/** Class of a limit as items name it; append only. */
export const LimitClass = { exact: 1, rate: 2, approximate: 3 } as const;

/** Outcome of an item; the numbers are wire format. */
export const SyncStatus = {
  ok: 0,
  exhausted: 1,
  windowOver: 2,
  unknown: 3,
  unavailable: 4,
} as const;

/** One item of a report: a holding, and what its holder asks for. Counters are units. */
export interface SyncReportItem {
  readonly owner: bigint;
  readonly limit: bigint;
  readonly partition: bigint;
  readonly windowKind: number;
  readonly generation: number;
  /** 0 = the window now, or the one after it with `next`. */
  readonly windowId: number;
  readonly used: number;
  readonly released: number;
  readonly granted: number;
  readonly want: number;
  readonly need: number;
  /** A number of LimitClass, or one of a later version. */
  readonly class: number;
  readonly next: boolean;
}

/** A sync call of one holder. */
export interface SyncRequest {
  readonly incarnation: bigint;
  readonly storeId: Uint8Array;
  readonly epoch: number;
  readonly policyRevision: number;
  readonly directoryRevision: number;
  /** The heartbeat in force. */
  readonly heartbeatMs: number;
  readonly sequence: number;
  readonly urgent: boolean;
  /** The last call of this incarnation. */
  readonly last: boolean;
  /** Number of the usage this call carries, 0 = none. */
  readonly usageBatch: number;
  readonly items: readonly SyncReportItem[];
  readonly usage: readonly UsageRow[];
  /** Ids of credentials that were used. */
  readonly touched: readonly number[];
}

/** The answer to one item. Counters are units, times milliseconds. */
export interface SyncAnswerItem {
  readonly owner: bigint;
  readonly limit: bigint;
  readonly partition: bigint;
  readonly windowKind: number;
  readonly generation: number;
  readonly windowId: number;
  readonly granted: number;
  readonly remaining: number;
  readonly quota: number;
  readonly windowLeftMs: number;
  readonly startsInMs: number;
  readonly useByMs: number;
  readonly denyForMs: number;
  /** A number of SyncStatus. */
  readonly status: number;
  readonly class: number;
  /** The share is statistical: it needs no lease. */
  readonly approximate: boolean;
  /** Holders known, 0 = not known. */
  readonly holders: number;
}

/** The answer to a sync call. */
export interface SyncReply {
  readonly host: HostSection;
  /** Echo of the call. */
  readonly sequence: number;
  /** When to report next. */
  readonly heartbeatMs: number;
  readonly policyRevision: number;
  readonly usageAcknowledged: number;
  readonly items: readonly SyncAnswerItem[];
}

/** The request's bytes. */
export function encodeSyncRequest(request: SyncRequest): Uint8Array {
  const holder = new ByteWriter(72)
    .u64(request.incarnation)
    .bytes(request.storeId)
    .u64(request.epoch)
    .u64(request.policyRevision)
    .u64(request.directoryRevision)
    .u32(request.heartbeatMs)
    .u32(request.sequence)
    .u32((request.urgent ? FLAG_URGENT : 0) | (request.last ? FLAG_LAST : 0))
    .u32(request.usageBatch)
    .zero(8);
  const items = new ByteWriter(request.items.length * REPORT_BYTES);
  for (const item of request.items) writeReport(items, item);
  const table = tableBody(REPORT_BYTES, request.items.length, items.finish());
  return writeMessage(REQUEST_MAGIC, [
    { kind: HOLDER_SECTION, body: holder.finish() },
    { kind: ITEMS_SECTION, body: table },
    ...usageSections(request),
  ]);
}

function usageSections({ usageBatch, usage, touched }: SyncRequest): readonly Section[] {
  if (usageBatch === 0) return [];
  const rows = new ByteWriter(usage.length * USAGE_BYTES);
  for (const row of usage) writeUsageRow(rows, row);
  const ids = new ByteWriter(touched.length * TOUCHED_BYTES);
  for (const id of touched) ids.u64(id);
  const of = (kind: number, bytes: number, count: number, table: ByteWriter): Section => ({
    ...{ kind, optional: true },
    body: tableBody(bytes, count, table.finish()),
  });
  return [
    of(USAGE_SECTION, USAGE_BYTES, usage.length, rows),
    of(TOUCHED_SECTION, TOUCHED_BYTES, touched.length, ids),
  ];
}

function writeReport(writer: ByteWriter, item: SyncReportItem): void {
  writer
    .u64(item.owner)
    .u64(item.limit)
    .u64(item.partition)
    .u32(item.windowKind)
    .u32(item.generation)
    .u64(item.windowId)
    .u64(item.used)
    .u64(item.released)
    .u64(item.granted)
    .u32(item.want)
    .u32(item.need)
    .u8(item.class)
    .u8(item.next ? ITEM_FLAG_NEXT : 0)
    .zero(6);
}

/** Reads a sync request of at most SYNC_ITEMS_MAX items. */
export function decodeSyncRequest(bytes: Uint8Array): Decoded<SyncRequest> {
  const kinds = [HOLDER_SECTION, ITEMS_SECTION, USAGE_SECTION, TOUCHED_SECTION];
  const sections = readMessage(bytes, REQUEST_MAGIC, kinds);
  if (!sections.ok) return sections;
  const holder = readSection(sections.value, HOLDER_SECTION, readHolder);
  if (!holder.ok) return holder;
  const items = readTable(sections.value, ITEMS_SECTION, REPORT_BYTES, SYNC_ITEMS_MAX, readReport);
  if (!items.ok) return items;
  const usage = optional(sections.value, USAGE_SECTION, USAGE_BYTES, USAGE_ROWS_MAX, readUsageRow);
  if (!usage.ok) return usage;
  const read = (reader: ByteReader) => reader.safe();
  const touched = optional(sections.value, TOUCHED_SECTION, TOUCHED_BYTES, TOUCHED_MAX, read);
  if (!touched.ok) return touched;
  const parts = { items: items.value, usage: usage.value, touched: touched.value };
  return { ok: true, value: { ...holder.value, ...parts } };
}

/** The records of a table that may be absent. */
function optional<T>(
  sections: Sections,
  kind: number,
  bytes: number,
  most: number,
  read: (reader: ByteReader) => T,
): Decoded<readonly T[]> {
  if (!sections.has(kind)) return { ok: true, value: [] };
  return readTable(sections, kind, bytes, most, read);
}

function readHolder(reader: ByteReader) {
  const incarnation = reader.u64();
  const storeId = reader.bytes(STORE_ID_BYTES);
  const epoch = reader.safe();
  const policyRevision = reader.safe();
  const directoryRevision = reader.safe();
  const heartbeatMs = reader.u32();
  const sequence = reader.u32();
  const flags = reader.u32();
  const usageBatch = reader.u32();
  reader.skip(8);
  if (flags > (FLAG_URGENT | FLAG_LAST)) reader.fail('wrong_value');
  const urgent = (flags & FLAG_URGENT) !== 0;
  const last = (flags & FLAG_LAST) !== 0;
  return {
    incarnation,
    storeId,
    epoch,
    policyRevision,
    directoryRevision,
    heartbeatMs,
    sequence,
    urgent,
    last,
    usageBatch,
  };
}

function readReport(reader: ByteReader): SyncReportItem {
  const item = {
    owner: reader.u64(),
    limit: reader.u64(),
    partition: reader.u64(),
    windowKind: reader.u32(),
    generation: reader.u32(),
    windowId: reader.safe(),
    used: reader.safe(),
    released: reader.safe(),
    granted: reader.safe(),
    want: reader.u32(),
    need: reader.u32(),
    class: reader.u8(),
  };
  const flags = reader.u8();
  reader.skip(6);
  if (flags > ITEM_FLAG_NEXT) reader.fail('wrong_value');
  return { ...item, next: flags === ITEM_FLAG_NEXT };
}

/** The reply's bytes. */
export function encodeSyncReply(reply: SyncReply): Uint8Array {
  const sync = new ByteWriter(24)
    .u32(reply.sequence)
    .u32(reply.heartbeatMs)
    .u64(reply.policyRevision)
    .u64(reply.usageAcknowledged);
  const items = new ByteWriter(reply.items.length * ANSWER_BYTES);
  for (const item of reply.items) writeAnswer(items, item);
  const table = tableBody(ANSWER_BYTES, reply.items.length, items.finish());
  return writeMessage(REPLY_MAGIC, [
    hostSection(reply.host),
    { kind: SYNC_SECTION, body: sync.finish() },
    { kind: REPLY_ITEMS_SECTION, body: table },
  ]);
}

function writeAnswer(writer: ByteWriter, item: SyncAnswerItem): void {
  writer
    .u64(item.owner)
    .u64(item.limit)
    .u64(item.partition)
    .u32(item.windowKind)
    .u32(item.generation)
    .u64(item.windowId)
    .u64(item.granted)
    .u64(item.remaining)
    .u64(item.quota)
    .u32(item.windowLeftMs)
    .u32(item.startsInMs)
    .u32(item.useByMs)
    .u32(item.denyForMs)
    .u8(item.status)
    .u8(item.class)
    .u16(item.approximate ? ANSWER_FLAG_APPROXIMATE : 0)
    .u32(item.holders)
    .zero(8);
}

/** Reads the reply to a sync call. */
export function decodeSyncReply(bytes: Uint8Array): Decoded<SyncReply> {
  const kinds = [HOST_SECTION, SYNC_SECTION, REPLY_ITEMS_SECTION];
  const sections = readMessage(bytes, REPLY_MAGIC, kinds);
  if (!sections.ok) return sections;
  const host = readSection(sections.value, HOST_SECTION, readHost);
  if (!host.ok) return host;
  const sync = readSection(sections.value, SYNC_SECTION, (reader) => ({
    sequence: reader.u32(),
    heartbeatMs: reader.u32(),
    policyRevision: reader.safe(),
    usageAcknowledged: reader.safe(),
  }));
  if (!sync.ok) return sync;
  const items = readTable(
    sections.value,
    REPLY_ITEMS_SECTION,
    ANSWER_BYTES,
    SYNC_ITEMS_MAX,
    readAnswer,
  );
  if (!items.ok) return items;
  return { ok: true, value: { host: host.value, ...sync.value, items: items.value } };
}

function readAnswer(reader: ByteReader): SyncAnswerItem {
  const item = {
    owner: reader.u64(),
    limit: reader.u64(),
    partition: reader.u64(),
    windowKind: reader.u32(),
    generation: reader.u32(),
    windowId: reader.safe(),
    granted: reader.safe(),
    remaining: reader.safe(),
    quota: reader.safe(),
    windowLeftMs: reader.u32(),
    startsInMs: reader.u32(),
    useByMs: reader.u32(),
    denyForMs: reader.u32(),
    status: reader.u8(),
    class: reader.u8(),
  };
  const flags = reader.u16();
  const holders = reader.u32();
  reader.skip(8);
  const known = item.status <= SyncStatus.unavailable && flags <= ANSWER_FLAG_APPROXIMATE;
  if (!known) reader.fail('wrong_value');
  return { ...item, approximate: flags === ANSWER_FLAG_APPROXIMATE, holders };
}
