/**
 * Limits near exhaustion: accounts of which at least 80 % of the quota is used in the window now,
 * with the names people know them by. It must never decide anything.
 */
import { planName } from '../compile/ids.ts';
import type { NearLimit } from '../quota/view.ts';
import type { Ledger } from '../store/ledger.ts';
import type { Store } from '../store/store.ts';
import type { Terms } from './terms.ts';

/** Accounts near exhaustion at `nowMs`, the fullest first. */
export async function nearLimits(
  parts: { readonly ledger: Ledger; readonly terms: Terms; readonly store: Store },
  nowMs: number,
): Promise<readonly NearLimit[]> {
  const near = await parts.ledger.near(nowMs);
  const ids = near.map(({ account: { owner, limit } }) => {
    return [Number(owner), Number(limit), parts.terms.planOf(Number(owner)) ?? 0] as const;
  });
  const names = await parts.store.names(ids.flat());
  const found = near.map(({ account, used, quota, endMs }, i): NearLimit => {
    const [subscription, limit, plan] = names.slice(3 * i, 3 * i + 3);
    // The id of a subscription stands for `<application>/<product>`, the product perhaps with its
    // namespace.
    const [application = '', ...path] = subscription?.name.split('/') ?? [];
    const product = path.join('/');
    return {
      namespace: subscription?.namespace ?? '',
      ...{ application, product, plan: planName(plan?.name ?? ''), limit: limit?.name ?? '' },
      subscriptionId: Number(account.owner),
      windowSeconds: account.windowKind,
      ...{ used, quota, fraction: used / quota, endsInMs: Math.max(0, endMs - nowMs) },
    };
  });
  return found.sort((a, b) => b.fraction - a.fraction || a.subscriptionId - b.subscriptionId);
}
