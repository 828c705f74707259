/**
 * What is left of a subscription's quotas, and more of them on the word of an operator: a top-up
 * adds units to the window now, a reset as many as were used. It must never take units away nor add
 * them twice for one idempotency key, and writes down what it is going to do before it does it.
 */
import { limitKey, subscriptionKey } from '../compile/ids.ts';
import type { Account } from '../quota/report.ts';
import type { QuotaState } from '../quota/view.ts';
import { windowAt, windowLengthMs } from '../quota/window.ts';
import { passed } from '../resources/formats.ts';
import { readWindow } from '../resources/names.ts';
import { type Reference, resolveReference } from '../resources/reference.ts';
import { specOf } from '../resources/spec.ts';
import type { Once } from '../store/access.ts';
import type { Noted } from '../store/audit.ts';
import type { AccountState, Ledger } from '../store/ledger.ts';
import type { Refusal, Store } from '../store/store.ts';
import type { Caller } from './access.ts';
import type { Terms } from './terms.ts';

/** A change of one quota. */
export interface QuotaChange {
  readonly limit: string;
  /** Units to add; undefined = a reset. */
  readonly add: number | undefined;
  /** Asked twice by one actor within a day, the second adds nothing. */
  readonly once?: Once | undefined;
  readonly by: Caller;
}

/** What a quota is since it was changed. */
export type ChangedQuota = QuotaState & {
  /** Whether the change was made before, by the same idempotency key. */
  readonly replayed?: true;
};

/** Why there is nothing to show or change. */
export interface NoQuota {
  readonly ok: false;
  readonly code: 'not_found' | 'bad_request' | 'idempotency_key_reused';
  readonly message: string;
}

/** What the quotas of subscriptions are worked out from. */
export interface QuotaParts {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly terms: Terms;
  readonly nowMs: () => number;
}

interface Found {
  readonly limit: string;
  readonly account: Account;
  readonly quota: number;
}

/** Quotas of subscriptions. */
export class Quotas {
  readonly #parts: QuotaParts;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: QuotaParts) {
    this.#parts = parts;
  }

  /** Every exact limit of a subscription. */
  async list(subscription: Reference): Promise<readonly QuotaState[] | NoQuota> {
    const found = await this.#accounts(subscription);
    if ('ok' in found) return found;
    const atMs = this.#parts.nowMs();
    return Promise.all(found.map((each) => this.#state(each, atMs)));
  }

  /** Adds to a quota, or resets it; answers what it is since. One change at a time. */
  change(subscription: Reference, change: QuotaChange): Promise<ChangedQuota | NoQuota> {
    const turn = this.#last.then(() => this.#change(subscription, change));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #change(subscription: Reference, change: QuotaChange): Promise<ChangedQuota | NoQuota> {
    const { store, ledger } = this.#parts;
    // One point of time for all of it: what was used in one window is added to no other.
    const atMs = this.#parts.nowMs();
    const { add, once, by } = change;
    const done = once && (await store.doneOnce(by.name, once, atMs));
    if (done !== undefined && 'ok' in done) return reused(done);
    const found = await this.#accounts(subscription);
    if ('ok' in found) return found;
    const one = found.find(({ limit }) => limit === change.limit);
    if (one === undefined) return noLimit(subscription, change.limit, found);
    const before = await this.#state(one, atMs);
    const extra = add === undefined ? Math.max(before.extra, before.used) : before.extra + add;
    if (!Number.isSafeInteger(one.quota + extra)) {
      return badRequest('the quota would be more than 2^53 - 1');
    }
    if (extra === before.extra && once === undefined) return before;
    const verb = add === undefined ? 'reset' : 'add';
    // Written down first: an addition that nobody knows of would be worse than one that failed.
    const facts = {
      ...{ action: `quota.${verb}` as const, kind: 'Quota', namespace: subscription.namespace },
      name: `${subscription.name}/${change.limit}`,
      before: JSON.stringify(before),
      after: JSON.stringify({ ...before, extra, remaining: one.quota + extra - before.used }),
    };
    const origin = { actor: by.name, atMs, cause: `quota ${verb}` };
    const noted = await store.note(facts, origin, once);
    if (noted !== undefined && 'ok' in noted) return reused(noted);
    if (noted !== undefined) return this.#again(one, noted, atMs);
    await ledger.topUp(one.account, extra, atMs);
    return this.#state(one, atMs);
  }

  /**
   * Makes a change good that was written down by the same request: in its window it is made if it
   * was cut short, and not made twice.
   */
  async #again(one: Found, { after, atMs: notedMs }: Noted, atMs: number): Promise<ChangedQuota> {
    const { extra } = JSON.parse(after ?? '') as QuotaState;
    const lengthMs = windowLengthMs(one.account.windowKind) ?? 0;
    const endMs = (ms: number) => windowAt(lengthMs, ms).endMs;
    if (endMs(notedMs) === endMs(atMs)) await this.#parts.ledger.topUp(one.account, extra, atMs);
    return { ...(await this.#state(one, atMs)), replayed: true };
  }

  async #state({ limit, account, quota }: Found, atMs: number): Promise<QuotaState> {
    const held = await this.#parts.ledger.account(account, atMs);
    const state: Partial<AccountState> = held ?? {};
    const { used = 0, extra = 0 } = state;
    const lengthMs = windowLengthMs(account.windowKind) ?? 0;
    return {
      ...{ limit, quota, extra, used },
      remaining: Math.max(0, quota + extra - used),
      windowSeconds: account.windowKind,
      endsInMs: windowAt(lengthMs, atMs).endMs - atMs,
    };
  }

  async #accounts({ namespace, name }: Reference): Promise<readonly Found[] | NoQuota> {
    const { store, terms } = this.#parts;
    const text = await store.resource('Subscription', namespace, name);
    const spec = specOf<'Subscription'>(text);
    if (spec === undefined) {
      const message = `no subscription "${name}" in namespace "${namespace}"`;
      return { ok: false, code: 'not_found', message };
    }
    const refer = (reference: string) => resolveReference(reference, namespace);
    const plan = refer(spec.plan);
    const planText = await store.resource('Plan', plan.namespace, plan.name);
    const { limits = [] } = specOf<'Plan'>(planText) ?? {};
    const exact = limits.filter((each) => (each.class ?? 'exact') === 'exact');
    const key = subscriptionKey({
      ...{ application: refer(spec.application), product: refer(spec.product) },
    });
    const keys = [key, ...exact.map((limit) => limitKey(plan, limit))];
    const [owner = 0, ...ids] = await store.reserveIds(keys, true);
    await terms.settled();
    const { overrides = [] } = spec;
    return exact.map(({ name: limit, window, quota: usual }, at) => {
      const { quota = usual } = overrides.find((each) => each.limit === limit) ?? {};
      const windowKind = passed(readWindow(window));
      const account = { owner: BigInt(owner), limit: BigInt(ids[at] ?? 0), windowKind };
      const whole = { ...account, partition: 0n };
      return { limit, account: whole, quota: terms.resolve(whole)?.quota ?? quota };
    });
  }
}

function reused({ message }: Refusal): NoQuota {
  return { ok: false, code: 'idempotency_key_reused', message };
}

function badRequest(message: string): NoQuota {
  return { ok: false, code: 'bad_request', message };
}

function noLimit({ name }: Reference, limit: string, found: readonly Found[]): NoQuota {
  const there = found.map((each) => each.limit).join(', ') || 'none';
  const message = `subscription "${name}" has no exact limit "${limit}"; it has ${there}`;
  return { ok: false, code: 'not_found', message };
}
