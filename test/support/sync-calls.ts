/**
 * Sync calls written by hand, for tests of the host's answers: a report of one holder with the
 * account of a test in it. What a whole engine says is in protocol-client.ts.
 */
import assert from 'node:assert/strict';
import { decodeDirectory } from '../../host/wire/directory.ts';
import { decodeManifest } from '../../host/wire/manifest.ts';
import { decodePolicy } from '../../host/wire/policy.ts';
import { encodeSyncRequest, type SyncReportItem, type SyncRequest } from '../../host/wire/sync.ts';
import type { TrialHost } from './trial-host.ts';

/** An account as a filter names it. */
export type WireAccount = Pick<SyncReportItem, 'owner' | 'limit' | 'windowKind'>;

/** The one subscription and the first limit of a proxy group; `get` answers a path of the port. */
export async function accountOf(
  get: (path: string) => Promise<Uint8Array>,
  group = 'default',
): Promise<WireAccount> {
  const manifest = decodeManifest(await get(`/v1/policy/${group}`));
  assert.ok(manifest.ok);
  const digest = Buffer.from(manifest.value.digest).toString('hex');
  const policy = decodePolicy(await get(`/v1/policy/${group}/${digest}/0`));
  const directory = decodeDirectory(await get(`/v1/directory/${group}?after=0`));
  assert.ok(policy.ok && directory.ok);
  const subscription = directory.value.page.records.find(({ kind }) => kind === 3);
  const [limit] = policy.value.limits;
  assert.ok(subscription && limit);
  return { owner: BigInt(subscription.id), limit: BigInt(limit.id), windowKind: limit.windowKind };
}

/** A report of one holder that asks for ten units of an account in each item, unless told. */
export function syncRequest(
  host: TrialHost,
  account: WireAccount,
  items: readonly Partial<SyncReportItem>[],
  more: Partial<SyncRequest> = {},
): Uint8Array {
  const item = {
    ...account,
    partition: 0n,
    generation: 1,
    windowId: 0,
    used: 0,
    released: 0,
    granted: 0,
    want: 10,
    need: 1,
    class: 1,
    next: false,
  };
  return encodeSyncRequest({
    incarnation: 77n,
    storeId: host.store.identity.storeId,
    epoch: host.store.identity.epoch,
    policyRevision: 1,
    directoryRevision: 1,
    heartbeatMs: 1_000,
    sequence: 5,
    urgent: false,
    last: false,
    usageBatch: 0,
    usage: [],
    touched: [],
    items: items.map((one) => ({ ...item, ...one })),
    ...more,
  });
}
