/**
 * Items of the sync call about shares of rates: from the bytes' fields to what `quota/share.ts`
 * takes, and back. It must never decide what a holder gets.
 */
import type { LimitClass as ClassName, HolderId } from '../quota/report.ts';
import type { Shares } from '../quota/share.ts';
import type { Terms } from '../service/terms.ts';
import { LimitClass, type SyncAnswerItem, type SyncReportItem, SyncStatus } from '../wire/sync.ts';

const CLASS_NAMES: Readonly<Record<number, ClassName>> = {
  [LimitClass.rate]: 'rate',
  [LimitClass.approximate]: 'approximate',
};

/** When to ask again about an account that nobody here knows. */
const UNKNOWN_DENY_MS = 2_000;

const NOTHING = {
  ...{ windowId: 0, granted: 0, remaining: 0, quota: 0 },
  ...{ windowLeftMs: 0, startsInMs: 0, useByMs: 0, approximate: false, holders: 0 },
};

/** Answers an item about a share; undefined for an item of another class. */
export function answerShare(
  holder: HolderId,
  sequence: number,
  item: SyncReportItem,
  { shares, terms }: { readonly shares: Shares; readonly terms: Pick<Terms, 'resolve'> },
): SyncAnswerItem | undefined {
  const name = CLASS_NAMES[item.class];
  if (name === undefined) return undefined;
  const { owner, limit, windowKind, partition, generation, need } = item;
  const account = { owner, limit, windowKind, partition };
  const echo = { ...account, generation, class: item.class };
  const known = terms.resolve(account, name);
  if (known === undefined) {
    return { ...echo, ...NOTHING, status: SyncStatus.unknown, denyForMs: UNKNOWN_DENY_MS };
  }
  const reply = shares.answer(holder, account, known, {
    ...{ generation, sequence, need },
    want: item.want > 0,
    number: item.windowId,
    parts: item.granted,
    given: item.released,
  });
  return {
    ...echo,
    windowId: reply.number,
    granted: reply.rate,
    remaining: reply.burst,
    quota: reply.start,
    windowLeftMs: reply.validMs,
    startsInMs: reply.parts,
    useByMs: 0,
    denyForMs: reply.denyForMs,
    status: SyncStatus[reply.status],
    approximate: reply.approximate,
    holders: reply.holders,
  };
}
