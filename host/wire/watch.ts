/**
 * The watch call (docs/wire.md, section 5), both directions. It must never decide when a watch is
 * answered.
 */
import { ByteWriter, type Section, tableBody, writeMessage } from './bytes.ts';
import { pageSections, readPage, type WirePage } from './directory.ts';
import { HOST_SECTION, type HostSection, hostSection, readHost, STORE_ID_BYTES } from './host.ts';
import { type ByteReader, type Decoded, readMessage, readSection, readTable } from './reader.ts';

const REQUEST_MAGIC = 'SGWQ';
const HELD_SECTION = 1;
const PROXY_SECTION = 2;
const STATE_SECTION = 3;
const FLAG_COMPLETE = 1;
const FLAG_FILLING = 2;

const REPLY_MAGIC = 'SGWR';
const CHANGE_SECTION = 2;
const PAGE_SECTION = 3;
const RECORDS_SECTION = 4;
const FLAG_PAGE = 1;
const FLAG_FETCH = 2;
const FLAG_REPORT = 4;

const STRING_BYTES_MAX = 255;
/** Values a STATE section may hold; more are of a later minor version and are not looked at. */
const STATE_VALUES_MAX = 64;

/** The values of the section STATE by place; append only. */
export const STATE_FIELDS = [
  'credentials',
  'applications',
  'subscriptions',
  'holdings',
  'heldRequests',
  'streams',
  'memoryBytes',
  'policyAgeMs',
  'lastError',
  'syncFailures',
  'usageRows',
] as const;

/** What a filter says about itself when it opens a watch. */
export interface WatchRequest {
  /** Random 64 bits of the engine. */
  readonly incarnation: bigint;
  /** 16 bytes; all zero = it knows no store yet. */
  readonly storeId: Uint8Array;
  readonly policyRevision: number;
  readonly directoryRevision: number;
  readonly complete: boolean;
  /** A walk is under way: it wants to hear of policy only. */
  readonly filling: boolean;
  /** Envoy's node id. */
  readonly proxy: string;
  /** The node's cluster. */
  readonly workload: string;
  readonly version: string;
  /** Gauges in the order of STATE_FIELDS, possibly fewer; absent when the section is. */
  readonly state?: readonly number[];
}

/** What a watch is answered with. */
export interface WatchReply {
  readonly host: HostSection;
  readonly policyRevision: number;
  /** The directory has changed but does not fit: fetch it. */
  readonly fetch: boolean;
  /** Report at once: others wait for what this holder may hold no longer, or it for them. */
  readonly report: boolean;
  /** What changed in the directory, when it fits. */
  readonly page?: WirePage;
}

/** The request's bytes. Names longer than 255 bytes throw. */
export function encodeWatchRequest(request: WatchRequest): Uint8Array {
  const held = new ByteWriter(56)
    .u64(request.incarnation)
    .bytes(request.storeId)
    .u64(request.policyRevision)
    .u64(request.directoryRevision)
    .u32((request.complete ? FLAG_COMPLETE : 0) | (request.filling ? FLAG_FILLING : 0))
    .zero(12);
  const proxy = new ByteWriter(64);
  for (const text of [request.proxy, request.workload, request.version]) {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > STRING_BYTES_MAX) throw new RangeError('a name of more than 255 bytes');
    proxy.u8(bytes.length).bytes(bytes);
  }
  const sections: Section[] = [
    { kind: HELD_SECTION, body: held.finish() },
    { kind: PROXY_SECTION, body: proxy.finish() },
  ];
  if (request.state !== undefined) {
    const values = new ByteWriter(80);
    for (const value of request.state) values.u64(value);
    const body = tableBody(8, request.state.length, values.finish());
    sections.push({ kind: STATE_SECTION, optional: true, body });
  }
  return writeMessage(REQUEST_MAGIC, sections);
}

/** Reads a watch request. */
export function decodeWatchRequest(bytes: Uint8Array): Decoded<WatchRequest> {
  const kinds = [HELD_SECTION, PROXY_SECTION, STATE_SECTION];
  const sections = readMessage(bytes, REQUEST_MAGIC, kinds);
  if (!sections.ok) return sections;
  const held = readSection(sections.value, HELD_SECTION, readHeld);
  if (!held.ok) return held;
  const proxy = readSection(sections.value, PROXY_SECTION, (reader) => ({
    proxy: reader.text(reader.u8()),
    workload: reader.text(reader.u8()),
    version: reader.text(reader.u8()),
  }));
  if (!proxy.ok) return proxy;
  if (!sections.value.has(STATE_SECTION)) {
    return { ok: true, value: { ...held.value, ...proxy.value } };
  }
  const state = readTable(sections.value, STATE_SECTION, 8, STATE_VALUES_MAX, (r) => r.safe());
  if (!state.ok) return state;
  return { ok: true, value: { ...held.value, ...proxy.value, state: state.value } };
}

function readHeld(reader: ByteReader) {
  const incarnation = reader.u64();
  const storeId = reader.bytes(STORE_ID_BYTES);
  const policyRevision = reader.safe();
  const directoryRevision = reader.safe();
  const flags = reader.u32();
  reader.skip(12);
  if (flags > (FLAG_COMPLETE | FLAG_FILLING)) reader.fail('wrong_value');
  const complete = (flags & FLAG_COMPLETE) !== 0;
  const filling = (flags & FLAG_FILLING) !== 0;
  return { incarnation, storeId, policyRevision, directoryRevision, complete, filling };
}

/** The reply's bytes. */
export function encodeWatchReply(reply: WatchReply): Uint8Array {
  const flags =
    (reply.page === undefined ? 0 : FLAG_PAGE) |
    (reply.fetch ? FLAG_FETCH : 0) |
    (reply.report ? FLAG_REPORT : 0);
  const change = new ByteWriter(16).u64(reply.policyRevision).u32(flags).u32(0).finish();
  const page =
    reply.page === undefined ? [] : pageSections(reply.page, PAGE_SECTION, RECORDS_SECTION);
  return writeMessage(REPLY_MAGIC, [
    hostSection(reply.host),
    { kind: CHANGE_SECTION, body: change },
    ...page,
  ]);
}

/** Reads the reply to a watch. */
export function decodeWatchReply(bytes: Uint8Array): Decoded<WatchReply> {
  const kinds = [HOST_SECTION, CHANGE_SECTION, PAGE_SECTION, RECORDS_SECTION];
  const sections = readMessage(bytes, REPLY_MAGIC, kinds);
  if (!sections.ok) return sections;
  const host = readSection(sections.value, HOST_SECTION, readHost);
  if (!host.ok) return host;
  const change = readSection(sections.value, CHANGE_SECTION, (reader) => {
    const policyRevision = reader.safe();
    const flags = reader.u32();
    reader.skip(4);
    if (flags > (FLAG_PAGE | FLAG_FETCH | FLAG_REPORT)) reader.fail('wrong_value');
    return { policyRevision, flags };
  });
  if (!change.ok) return change;
  const { policyRevision, flags } = change.value;
  const reply = {
    ...{ host: host.value, policyRevision },
    fetch: (flags & FLAG_FETCH) !== 0,
    report: (flags & FLAG_REPORT) !== 0,
  };
  if ((flags & FLAG_PAGE) === 0) return { ok: true, value: reply };
  const page = readPage(sections.value, PAGE_SECTION, RECORDS_SECTION);
  if (!page.ok) return page;
  return { ok: true, value: { ...reply, page: page.value } };
}
