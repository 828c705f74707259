/**
 * A holder of one account at the ledger of a trial host: it takes and reports as a filter does, in
 * the test's process and without a port.
 */
import type { Account } from '../../host/quota/report.ts';
import type { TrialHost } from './trial-host.ts';

/** The account of a subscription, named `application/product`, and a limit of its plan. */
export async function namedAccount(
  host: TrialHost,
  subscription: string,
  limit: string,
  windowKind = 86_400,
): Promise<Account> {
  const keys = [
    { kind: 'Subscription', namespace: 'default', name: subscription },
    { kind: 'Limit', namespace: 'default', name: limit },
  ] as const;
  const [owner = 0, id = 0] = await host.store.reserveIds(keys, true);
  return { owner: BigInt(owner), limit: BigInt(id), windowKind, partition: 0n };
}

/** The one holder of an account. */
export class Holder {
  readonly #host: TrialHost;
  readonly #account: Account;
  readonly #held = { windowId: 0, used: 0, granted: 0, released: 0 };

  constructor(host: TrialHost, account: Account) {
    this.#host = host;
    this.#account = account;
  }

  /** Uses up to so many units, and answers how many it has used in all. */
  async spend(units: number): Promise<number> {
    const held = this.#held;
    const goal = held.used + units;
    while (held.used < goal && (await this.#report(goal - held.used))) {
      held.used = Math.min(held.granted, goal);
    }
    await this.#report(0);
    return held.used;
  }

  /** Says what was used and asks for more; whether there may be more still. */
  async #report(want: number): Promise<boolean> {
    const ask = { generation: 1, next: false, ...this.#held, want, need: Math.min(1, want) };
    const time = { nowMs: this.#host.nowMs(), heartbeatMs: 1_000 };
    const item = { account: this.#account, ...ask };
    const [reply] = await this.#host.ledger.merge(1n, [item], time);
    const { windowId = 0, granted = 0, status } = reply ?? {};
    Object.assign(this.#held, { windowId, granted });
    return status === 'ok';
  }
}
