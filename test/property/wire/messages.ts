/**
 * Arbitrary messages for the properties of the codecs. Values cover their whole range; it must
 * never make a message that docs/wire.md forbids.
 */
import fc from 'fast-check';
import type { DirectoryReply, WirePage } from '../../../host/wire/directory.ts';
import type { HostSection } from '../../../host/wire/host.ts';
import { digestOf, type Manifest } from '../../../host/wire/manifest.ts';
import type { SyncReply, SyncRequest } from '../../../host/wire/sync.ts';
import { USAGE_MODES, USAGE_SLOTS_MAX, type UsageRow } from '../../../host/wire/usage.ts';
import type { WatchReply, WatchRequest } from '../../../host/wire/watch.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const safe = fc.maxSafeNat();
const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
const u32 = fc.nat({ max: 0xffff_ffff });
const u8 = fc.nat({ max: 255 });
/** An object as decoders make them: with a prototype; the named keys may be absent. */
function object<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }, optional: (keyof T)[] = []) {
  const requiredKeys = (Object.keys(model) as (keyof T)[]).filter((key) => !optional.includes(key));
  return fc.record<T, keyof T>(model, { requiredKeys, noNullPrototype: true });
}

const cursor = object({ revision: safe, kind: u8, id: safe });
const name = fc.string({ maxLength: 60, unit: 'grapheme' });

const host: fc.Arbitrary<HostSection> = object({
  storeId: bytes(16),
  epoch: safe,
  revision: safe,
  hostNowMs: safe,
});

const record = object({
  kind: u8,
  id: safe,
  revision: safe,
  body: fc.uint8Array({ maxLength: 200 }),
}).chain((one) =>
  fc
    .boolean()
    .map((present) => ({ ...one, present, body: present ? one.body : new Uint8Array(0) })),
);

const page: fc.Arbitrary<WirePage> = object({
  policyRevision: safe,
  after: safe,
  from: cursor,
  upTo: safe,
  next: cursor,
  complete: fc.boolean(),
  startOver: fc.boolean(),
  forgotten: safe,
  records: fc.array(record, { maxLength: 20 }),
});

export const directory: fc.Arbitrary<DirectoryReply> = object({ host, page });

export const manifest: fc.Arbitrary<Manifest> = object({
  host,
  policyRevision: safe,
  pageDigests: fc.array(bytes(32), { minLength: 1, maxLength: 128 }),
  tail: fc.nat({ max: 32_767 }),
}).map(({ tail, ...rest }) => ({
  ...rest,
  length: rest.pageDigests.length * 32_768 - tail,
  pageBytes: 32_768,
  digest: digestOf(...rest.pageDigests),
}));

export const watchRequest: fc.Arbitrary<WatchRequest> = object(
  {
    incarnation: u64,
    storeId: bytes(16),
    policyRevision: safe,
    directoryRevision: safe,
    complete: fc.boolean(),
    filling: fc.boolean(),
    proxy: name,
    workload: name,
    version: name,
    state: fc.array(safe, { maxLength: 64 }),
  },
  ['state'],
);

export const watchReply: fc.Arbitrary<WatchReply> = object(
  { host, policyRevision: safe, fetch: fc.boolean(), report: fc.boolean(), page },
  ['page'],
);

const account = { owner: u64, limit: u64, partition: u64, windowKind: u32, generation: u32 };

const usageRow: fc.Arbitrary<UsageRow> = object({
  subscription: safe,
  product: safe,
  operation: safe,
  count: safe,
  slot: fc.nat({ max: USAGE_SLOTS_MAX - 1 }),
  generation: u32,
  reason: u8,
  mode: fc.nat({ max: USAGE_MODES.length - 1 }),
  status: u8,
  latency: u8,
  other: fc.boolean(),
});

export const syncRequest: fc.Arbitrary<SyncRequest> = object({
  incarnation: u64,
  storeId: bytes(16),
  epoch: safe,
  policyRevision: safe,
  directoryRevision: safe,
  heartbeatMs: u32,
  sequence: u32,
  urgent: fc.boolean(),
  last: fc.boolean(),
  usageBatch: fc.integer({ min: 1, max: 0xffff_ffff }),
  usage: fc.array(usageRow, { maxLength: 40 }),
  touched: fc.array(safe, { maxLength: 40 }),
  items: fc.array(
    object({
      ...account,
      windowId: safe,
      used: safe,
      released: safe,
      granted: safe,
      want: u32,
      need: u32,
      class: u8,
      next: fc.boolean(),
    }),
    { maxLength: 40 },
  ),
});

export const syncReply: fc.Arbitrary<SyncReply> = object({
  host,
  sequence: u32,
  heartbeatMs: u32,
  policyRevision: safe,
  usageAcknowledged: safe,
  items: fc.array(
    object({
      ...account,
      windowId: safe,
      granted: safe,
      remaining: safe,
      quota: safe,
      windowLeftMs: u32,
      startsInMs: u32,
      useByMs: u32,
      denyForMs: u32,
      status: fc.nat({ max: 4 }),
      class: u8,
      approximate: fc.boolean(),
      holders: u32,
    }),
    { maxLength: 40 },
  ),
});
