/**
 * One sample of every message and every branch of it, from which the golden files in
 * test/fixtures/wire are made. It must never use the codec it is there to hold.
 */
import type { DirectoryReply, WireRecord } from '../../../host/wire/directory.ts';
import type { HostSection } from '../../../host/wire/host.ts';
import type { Manifest } from '../../../host/wire/manifest.ts';
import type { SyncAnswerItem, SyncReply, SyncRequest } from '../../../host/wire/sync.ts';
import type { UsageRow } from '../../../host/wire/usage.ts';
import type { WatchReply, WatchRequest } from '../../../host/wire/watch.ts';

const storeId = Uint8Array.from({ length: 16 }, (_, index) => 0xa0 + index);
const host: HostSection = { storeId, epoch: 1, revision: 4_711, hostNowMs: 1_795_000_000_123 };
const filled = (length: number, value: number) => new Uint8Array(length).fill(value);
const text = (value: string) => new TextEncoder().encode(value);

/**
 * Credential 101 of application 201, valid until 2027, enabled; from 10.0.0.0/8 and 2001:db8::/32,
 * for pages of a.example and of all names below shop.b.example.x.
 */
const credential: WireRecord = {
  kind: 1,
  id: 101,
  revision: 40,
  present: true,
  body: Uint8Array.of(
    ...filled(32, 0x5a),
    ...[201, 0, 0, 0, 0, 0, 0, 0],
    ...[0, 0, 0, 0, 0, 0, 0, 0],
    ...[0x00, 0x1c, 0xd1, 0xf0, 0xa1, 0x01, 0x00, 0x00],
    ...[1, 0, 0, 0, 0x3e, 0, 2, 2],
    ...[104, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 0],
    ...[32, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ...[9, ...text('a.example'), 17, ...text('.shop.b.example.x')],
  ),
};

/** Application 201 "shop" of consumer 301 "acme". */
const application: WireRecord = {
  kind: 2,
  id: 201,
  revision: 40,
  present: true,
  body: Uint8Array.of(
    ...[0x2d, 0x01, 0, 0, 0, 0, 0, 0],
    ...[1, 4, 4, 0, 0, 0, 0, 0],
    ...text('acme'),
    ...text('shop'),
  ),
};

/** Suspended subscription 401: application 201, product 501, plan 601. */
const subscription: WireRecord = {
  kind: 3,
  id: 401,
  revision: 41,
  present: true,
  body: Uint8Array.of(
    ...[0xc9, 0, 0, 0, 0, 0, 0, 0],
    ...[0xf5, 0x01, 0, 0, 0, 0, 0, 0],
    ...[0x59, 0x02, 0, 0, 0, 0, 0, 0],
    ...[2, 0, 0, 0, 0, 0, 0, 0],
  ),
};

const removed: WireRecord = {
  kind: 1,
  id: 102,
  revision: 42,
  present: false,
  body: new Uint8Array(0),
};

const start = { revision: 0, kind: 0, id: 0 };

const completePage = {
  policyRevision: 39,
  after: 39,
  from: start,
  upTo: 4_711,
  next: start,
  complete: true,
  startOver: false,
  forgotten: 3,
  records: [credential, application, subscription, removed],
};

const morePage = {
  ...completePage,
  after: 0,
  from: { revision: 12, kind: 3, id: 400 },
  upTo: 40,
  next: { revision: 41, kind: 3, id: 401 },
  complete: false,
  forgotten: 0,
  records: [application, subscription],
};

const answer: SyncAnswerItem = {
  owner: 401n,
  limit: 701n,
  partition: 0n,
  windowKind: 60,
  generation: 7,
  windowId: 29_916_667,
  granted: 250,
  remaining: 9_750,
  quota: 10_000,
  windowLeftMs: 41_000,
  startsInMs: 0,
  useByMs: 60_000,
  denyForMs: 0,
  status: 0,
  class: 1,
  approximate: false,
  holders: 3,
};

const report = {
  owner: 401n,
  limit: 701n,
  partition: 0n,
  windowKind: 60,
  generation: 7,
  windowId: 0,
  used: 0,
  released: 0,
  granted: 0,
  want: 30,
  need: 5,
  class: 1,
  next: false,
};

/** A report of no share yet of a rate limit. */
const share = { ...report, want: 1, class: 2 };

/** Half of 100 a second, at once 50 of them, to begin with empty. */
const shareAnswer: SyncAnswerItem = {
  ...answer,
  windowId: 1_795_000_000_125,
  granted: 53_687_091,
  remaining: 52_428_800,
  quota: 0,
  windowLeftMs: 6_000,
  startsInMs: 2 ** 29,
  useByMs: 0,
  class: 2,
};

const syncReply: SyncReply = {
  host,
  sequence: 9,
  heartbeatMs: 1_000,
  policyRevision: 39,
  usageAcknowledged: 0,
  items: [answer],
};

const syncRequest: SyncRequest = {
  incarnation: 0xfedc_ba98_7654_3210n,
  storeId,
  epoch: 1,
  policyRevision: 39,
  directoryRevision: 42,
  heartbeatMs: 1_000,
  sequence: 9,
  urgent: true,
  last: false,
  usageBatch: 0,
  items: [report],
  usage: [],
  touched: [],
};

const usageRow: UsageRow = {
  subscription: 701,
  product: 501,
  operation: 801,
  count: 123_456_789_012,
  slot: 7,
  generation: 2,
  reason: 28,
  mode: 1,
  status: 0,
  latency: 0,
  other: false,
};

const watchRequest: WatchRequest = {
  incarnation: 0xfedc_ba98_7654_3210n,
  storeId,
  policyRevision: 39,
  directoryRevision: 42,
  complete: true,
  filling: false,
  proxy: 'sidecar~10.1.2.3~orders-7d9~shop',
  workload: 'orders.shop',
  version: '0.1.0',
};

export const manifests: Record<string, Manifest> = {
  'manifest-two-pages': {
    host,
    policyRevision: 39,
    length: 40_000,
    pageBytes: 32_768,
    digest: Uint8Array.from(
      Buffer.from('f818afd37a6dc3bc92fb44731011277006db4efa6e9023cd7468c02335d22a4d', 'hex'),
    ),
    pageDigests: [filled(32, 1), filled(32, 2)],
  },
};

export const directories: Record<string, DirectoryReply> = {
  'directory-complete': { host, page: completePage },
  'directory-more': { host, page: morePage },
  'directory-empty': {
    host,
    page: { ...completePage, after: 0, forgotten: 0, records: [] },
  },
  'directory-start-over': {
    host,
    page: { ...completePage, after: 2, upTo: 0, complete: false, startOver: true, records: [] },
  },
};

export const watchRequests: Record<string, WatchRequest> = {
  'watch-request': watchRequest,
  'watch-request-first': {
    ...watchRequest,
    storeId: filled(16, 0),
    policyRevision: 0,
    directoryRevision: 0,
    complete: false,
    filling: true,
    state: [100_000, 20_000, 20_000, 60, 3, 12, 15_000_000, 90_000, 0, 1],
  },
};

export const watchReplies: Record<string, WatchReply> = {
  'watch-reply-nothing': { host, policyRevision: 39, fetch: false, report: false },
  'watch-reply-fetch': { host, policyRevision: 4_711, fetch: true, report: false },
  'watch-reply-report': { host, policyRevision: 39, fetch: false, report: true },
  'watch-reply-records': {
    host,
    policyRevision: 39,
    ...{ fetch: false, report: false },
    page: { ...completePage, after: 41, records: [removed] },
  },
};

export const syncRequests: Record<string, SyncRequest> = {
  'sync-request': syncRequest,
  'sync-request-last': {
    ...syncRequest,
    urgent: false,
    last: true,
    items: [
      { ...report, windowId: 29_916_667, used: 240, released: 10, granted: 250, want: 0, need: 0 },
      { ...report, generation: 8, partition: 0xffff_ffff_ffff_fffen, next: true },
    ],
  },
  'sync-request-shares': {
    ...syncRequest,
    urgent: false,
    items: [
      { ...share, windowId: 1_795_000_000_124, used: 77, released: 524_288, granted: 2 ** 29 },
      { ...share, limit: 702n, generation: 8, want: 0 },
      { ...share, limit: 703n, generation: 9, class: 3 },
    ],
  },
  'sync-request-no-items': { ...syncRequest, urgent: false, items: [] },
  'sync-request-usage': {
    ...syncRequest,
    urgent: false,
    usageBatch: 3,
    usage: [
      usageRow,
      { ...usageRow, slot: 16_383, reason: 0, mode: 0, status: 2, latency: 4 },
      { ...usageRow, ...{ subscription: 0, product: 0, operation: 0 }, slot: 8, other: true },
    ],
    touched: [101, 102],
  },
};

export const syncReplies: Record<string, SyncReply> = {
  'sync-reply-shares': {
    ...syncReply,
    items: [
      shareAnswer,
      { ...shareAnswer, generation: 8, windowId: 0, granted: 0, status: 1, denyForMs: 100 },
      { ...shareAnswer, generation: 9, class: 3, approximate: true },
    ],
  },
  'sync-reply': syncReply,
  'sync-reply-every-status': {
    ...syncReply,
    items: [
      answer,
      { ...answer, generation: 8, status: 1, remaining: 0, denyForMs: 1_250 },
      { ...answer, generation: 9, status: 2, granted: 0, remaining: 0, windowLeftMs: 0 },
      { ...answer, generation: 10, status: 3, windowId: 0, granted: 0, denyForMs: 1_000 },
      { ...answer, generation: 11, status: 4, windowId: 0, granted: 0, denyForMs: 1_000 },
      { ...answer, generation: 12, windowId: 29_916_668, startsInMs: 1_800, windowLeftMs: 61_800 },
    ],
  },
};
