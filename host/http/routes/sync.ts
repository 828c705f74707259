/**
 * The sync call (docs/wire.md, section 6): from the bytes of a report to the ledger and back. It
 * must never keep a holder waiting for anything but the ledger's commit.
 */
import type { FastifyInstance } from 'fastify';
import type { ReplyItem, ReportItem } from '../../quota/report.ts';
import { LedgerError } from '../../store/ledger.ts';
import { MEDIA_TYPE } from '../../wire/host.ts';
import {
  decodeSyncRequest,
  encodeSyncReply,
  LimitClass,
  type SyncAnswerItem,
  type SyncReportItem,
  type SyncRequest,
  SyncStatus,
} from '../../wire/sync.ts';
import { hostOf } from '../pages.ts';
import { Problem } from '../problem.ts';
import { answerShare } from '../share-items.ts';
import type { SyncServices } from '../sync-port.ts';

/** When to ask again about an account that is not the caller's, or of a class unknown here. */
const UNKNOWN_DENY_MS = 10_000;
/** When to ask again while the ledger does not answer. */
const UNAVAILABLE_DENY_MS = 1_000;
/** When to ask again about an account that may be among what this host reads just now. */
const BEHIND_DENY_MS = 100;
/** Longest heartbeat a holder is believed; the bound of the bootstrap. */
const HEARTBEAT_MS_MAX = 60_000;

/** Adds `POST /v1/sync/:group`. */
export function syncRoute(server: FastifyInstance, services: SyncServices): void {
  const { store, heads, usage, nowMs, heartbeatMs } = services;
  server.post<{ Params: { group: string }; Body: Buffer }>(
    '/v1/sync/:group',
    async (request, reply) => {
      const { group } = request.params;
      const decoded = decodeSyncRequest(request.body ?? new Uint8Array(0));
      if (!decoded.ok) {
        throw new Problem('malformed_message', `${decoded.code} in ${decoded.what}`);
      }
      const head = heads.get(group);
      if (head === undefined) throw new Problem('unknown_proxy_group', `no proxy group ${group}`);
      const call = decoded.value;
      const ours = Buffer.from(call.storeId).equals(store.identity.storeId);
      const [items, usageAcknowledged] = await Promise.all([
        answerItems(group, call, services, (error) => {
          request.log.error({ err: error }, 'the ledger does not answer');
        }),
        // Usage of another store's ids means nothing here.
        ours ? usage.take(group, call, inForceMs(call, heartbeatMs)) : 0,
      ]);
      const bytes = encodeSyncReply({
        host: hostOf(store.identity, heads.revision, nowMs()),
        sequence: call.sequence,
        heartbeatMs,
        policyRevision: head.policyRevision,
        usageAcknowledged,
        items,
      });
      return reply.type(MEDIA_TYPE).send(bytes);
    },
  );
}

async function answerItems(
  group: string,
  call: SyncRequest,
  services: SyncServices,
  onFault: (error: unknown) => void,
): Promise<readonly SyncAnswerItem[]> {
  const { store, ledger, terms, nowMs, heartbeatMs } = services;
  // Units of another store's ledger mean nothing here; the reply's store id says so.
  if (!Buffer.from(call.storeId).equals(store.identity.storeId)) return [];
  // A holder that saw a newer epoch has heard of grants this host has forgotten.
  if (call.epoch > store.identity.epoch) return call.items.map(unavailable);
  await terms.settledSoon();
  if (call.items.length === 0) return [];
  const { isBehind } = terms;
  // What another proxy group's proxies count is none of this caller's business.
  const served = call.items.filter(({ owner }) => terms.isServedBy(owner, group));
  const known = served.filter((item) => item.class === LimitClass.exact);
  try {
    const replies = await ledger.merge(call.incarnation, known.map(reportOf), {
      nowMs: nowMs(),
      heartbeatMs: inForceMs(call, heartbeatMs),
    });
    const byItem = new Map(known.map((item, index) => [item, replies[index]]));
    const isServed = new Set(served);
    const answer = (item: SyncReportItem): SyncAnswerItem => {
      if (!isServed.has(item)) return unknownAccount(item);
      const answered = byItem.get(item);
      if (answered !== undefined) return answerOf(item, answered);
      const share = answerShare(call.incarnation, call.sequence, item, services);
      return share ?? unknownAccount(item);
    };
    return call.items.map((item) => {
      const answered = answer(item);
      // A filter may know what was committed before this host has read it: after an import of
      // many thousand subscriptions that takes a moment, and nobody is unknown for that.
      if (!isBehind || answered.status !== SyncStatus.unknown) return answered;
      return empty(item, SyncStatus.unavailable, BEHIND_DENY_MS);
    });
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    onFault(error);
    return call.items.map(unavailable);
  }
}

/** The heartbeat a holder goes by: the one told, or the longer one it still has. */
function inForceMs(call: SyncRequest, toldMs: number): number {
  return Math.min(HEARTBEAT_MS_MAX, Math.max(toldMs, call.heartbeatMs));
}

function reportOf(item: SyncReportItem): ReportItem {
  const { owner, limit, windowKind, partition } = item;
  const { generation, windowId, next, used, released, granted, want, need } = item;
  const account = { owner, limit, windowKind, partition };
  return { account, generation, windowId, next, used, released, granted, want, need };
}

function answerOf(item: SyncReportItem, reply: ReplyItem): SyncAnswerItem {
  return {
    ...empty(item, SyncStatus[reply.status], whole(reply.denyForMs)),
    windowId: reply.windowId,
    granted: reply.granted,
    // Nothing is left of a quota that was lowered below what is out.
    remaining: Math.max(0, reply.remaining),
    quota: reply.quota,
    windowLeftMs: whole(reply.windowLeftMs),
    startsInMs: whole(reply.startsInMs),
    useByMs: whole(reply.useByMs),
    holders: reply.holders,
  };
}

/** Times go out as whole milliseconds; a window is never told to end later than it does. */
function whole(ms: number): number {
  return Math.min(0xffffffff, Math.max(0, Math.floor(ms)));
}

function unavailable(item: SyncReportItem): SyncAnswerItem {
  return empty(item, SyncStatus.unavailable, UNAVAILABLE_DENY_MS);
}

function unknownAccount(item: SyncReportItem): SyncAnswerItem {
  return empty(item, SyncStatus.unknown, UNKNOWN_DENY_MS);
}

function empty(item: SyncReportItem, status: number, denyForMs: number): SyncAnswerItem {
  const { owner, limit, partition, windowKind, generation, windowId } = item;
  return {
    ...{ owner, limit, partition, windowKind, generation, windowId },
    ...{ granted: 0, remaining: 0, quota: 0 },
    ...{ windowLeftMs: 0, startsInMs: 0, useByMs: 0 },
    denyForMs,
    status,
    class: item.class,
    ...{ approximate: false, holders: 0 },
  };
}
