/**
 * From what the store answers to what goes on the wire: the section HOST and directory pages. It
 * must never change an order or leave a record out.
 */
import type { DirectoryPage, StoreIdentity } from '../store/store.ts';
import { RECORD_BYTES, WALK_START, type WireCursor, type WirePage } from '../wire/directory.ts';
import type { HostSection } from '../wire/host.ts';

/** What a record costs on the wire besides its body. */
export const RECORD_OVERHEAD = RECORD_BYTES;

/** The section HOST of a reply made now. */
export function hostOf(identity: StoreIdentity, revision: number, nowMs: number): HostSection {
  return { storeId: identity.storeId, epoch: identity.epoch, revision, hostNowMs: nowMs };
}

/** A page of the store as a page of the wire. */
export function pageOf(
  after: number,
  from: WireCursor,
  page: Extract<DirectoryPage, { outcome: 'page' }>,
): WirePage {
  const last = page.records.at(-1);
  const next =
    page.complete || last === undefined
      ? WALK_START
      : { revision: last.revision, kind: last.kind, id: last.id };
  return {
    policyRevision: page.policyRevision,
    after,
    from,
    upTo: page.upTo,
    next,
    complete: page.complete,
    startOver: false,
    forgotten: page.forgotten,
    records: page.records,
  };
}

/** The page that tells a filter to begin anew. */
export function startOverPage(after: number, from: WireCursor, policyRevision: number): WirePage {
  return {
    policyRevision,
    after,
    from,
    upTo: 0,
    next: WALK_START,
    complete: false,
    startOver: true,
    forgotten: 0,
    records: [],
  };
}
