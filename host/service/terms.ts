/**
 * The terms of every account: from a subscription to its plan, from the plan to the quota of a
 * limit. It follows policies and directories as filters read them, so that host and filter mean
 * the same; it must never learn terms from a holder.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { RecordKind } from '../compile/output.ts';
import type { Account, AccountTerms, LimitClass } from '../quota/report.ts';
import type { CommitEvent, Store } from '../store/store.ts';
import { decodePolicy, type Policy } from '../wire/policy.ts';
import { decodeRecordBody } from '../wire/records.ts';

/**
 * How long terms that ended still hold. A filter learns of a change a little later than the host;
 * what it reports meanwhile is still counted, and a limit that is gone from the plan is not
 * answered as if the host were down.
 */
export const TERMS_GRACE_MS = 10_000;

/** Records read in one piece: some five hundred, a millisecond or two of work. */
const WALK_BYTES = 16_384;

/** Longest that a grant waits for terms which are being read. */
const SETTLE_MS = 10;

/** A change with more pages than this is an import, and no grant waits for any part of the rest. */
const SOON_PAGES = 8;

/** Terms of a plan by limit, window and class. */
type PlanTerms = ReadonlyMap<string, AccountTerms>;
type Plans = ReadonlyMap<number, PlanTerms>;

interface Subscription {
  readonly group: string;
  /** The proxy group before; its proxies report what they used until they know. */
  readonly priorGroup: string | undefined;
  readonly plan: number;
  readonly priorPlan: number | undefined;
  /** Until when plan and proxy group before hold. */
  readonly priorUntilMs: number;
  /** Until when it holds after it ended; undefined while it lives. */
  readonly endsMs: number | undefined;
}

interface GroupTerms {
  plans: Plans;
  priorPlans: Plans;
  priorUntilMs: number;
  /** Revision up to which the directory was read. */
  readTo: number;
}

/** Terms of all accounts of a store. */
export class Terms {
  readonly #store: Store;
  readonly #nowMs: () => number;
  readonly #groups = new Map<string, GroupTerms>();
  readonly #subscriptions = new Map<bigint, Subscription>();
  readonly #ending = new Set<bigint>();
  readonly #onFault: (error: unknown) => void;
  #stop: () => void = () => undefined;
  #work: Promise<void> = Promise.resolve();
  /** Commits that are not in the terms yet. */
  #reading = 0;
  /** Pages read of the oldest of them. */
  #pages = 0;

  private constructor(store: Store, nowMs: () => number, onFault: (error: unknown) => void) {
    this.#store = store;
    this.#nowMs = nowMs;
    this.#onFault = onFault;
  }

  /**
   * Reads all terms of a store and follows its commits until `close`. Rejects when the store does;
   * later faults go to `onFault` and leave the terms as they were.
   */
  static async open(
    store: Store,
    nowMs: () => number,
    onFault: (error: unknown) => void,
  ): Promise<Terms> {
    const terms = new Terms(store, nowMs, onFault);
    const read = terms.#readAll();
    terms.#work = read;
    terms.#stop = store.onCommit((event) => terms.#follow(event));
    await read;
    return terms;
  }

  /**
   * The terms of an account of a class now, or undefined when no living subscription and plan has
   * it. A limit that changed its class is known under both for a while.
   */
  resolve(account: Account, limitClass: LimitClass = 'exact'): AccountTerms | undefined {
    if (account.partition !== 0n) return undefined;
    const nowMs = this.#nowMs();
    const subscription = this.#subscriptions.get(account.owner);
    if (subscription === undefined || nowMs >= (subscription.endsMs ?? Infinity)) return undefined;
    const group = this.#groups.get(subscription.group);
    if (group === undefined) return undefined;
    const plans = [subscription.plan];
    if (subscription.priorPlan !== undefined && nowMs < subscription.priorUntilMs) {
      plans.push(subscription.priorPlan);
    }
    const tables = nowMs < group.priorUntilMs ? [group.plans, group.priorPlans] : [group.plans];
    const key = termsKey(account.limit, account.windowKind, limitClass);
    for (const table of tables) {
      for (const plan of plans) {
        const terms = table.get(plan)?.get(key);
        if (terms !== undefined) return terms;
      }
    }
    return undefined;
  }

  /** Whether proxies of a group may report and ask for what a subscription has. */
  isServedBy(subscription: bigint, group: string): boolean {
    const held = this.#subscriptions.get(subscription);
    if (held?.priorGroup === group && this.#nowMs() < held.priorUntilMs) return true;
    return held?.group === group;
  }

  /** The id of the plan a subscription is on, or was when it ended a moment ago. */
  planOf(subscription: number): number | undefined {
    return this.#subscriptions.get(BigInt(subscription))?.plan;
  }

  /** Resolves once every commit heard of so far is in the terms. */
  settled(): Promise<void> {
    return this.#work;
  }

  /** Resolves as {@link settled} does, but soon, and at once while an import is being read. */
  async settledSoon(): Promise<void> {
    if (this.#reading === 0 || this.#pages > SOON_PAGES) return;
    await Promise.race([this.#work, delay(SETTLE_MS, undefined, { ref: false })]);
  }

  /** Whether something was committed that is not in the terms yet. */
  get isBehind(): boolean {
    return this.#reading > 0;
  }

  /** Subscriptions that live. */
  get size(): number {
    return this.#subscriptions.size - this.#ending.size;
  }

  /** Stops following the store. */
  async close(): Promise<void> {
    this.#stop();
    await this.#work;
  }

  #follow(event: CommitEvent): void {
    this.#reading += 1;
    this.#work = this.#work
      .then(() => this.#take(event))
      .catch(this.#onFault)
      .finally(() => {
        this.#reading -= 1;
      });
  }

  async #take(event: CommitEvent): Promise<void> {
    this.#pages = 0;
    this.#forget();
    for (const { group, policyChanged, directoryChanged } of event.groups) {
      if (policyChanged) await this.#readPolicy(group);
      if (directoryChanged) await this.#readDirectory(group);
    }
  }

  async #readAll(): Promise<void> {
    for (const { group } of await this.#store.groups()) {
      await this.#readPolicy(group);
      await this.#readDirectory(group);
    }
  }

  #groupOf(name: string): GroupTerms {
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const fresh = { plans: new Map(), priorPlans: new Map(), priorUntilMs: 0, readTo: 0 };
    this.#groups.set(name, fresh);
    return fresh;
  }

  async #readPolicy(name: string): Promise<void> {
    const [newest] = await this.#store.policies(name);
    if (newest === undefined) return;
    const policy = decodePolicy(newest.bytes);
    if (!policy.ok) throw new Error(`policy of ${name}: ${policy.code} in ${policy.what}`);
    const group = this.#groupOf(name);
    group.priorPlans = group.plans;
    group.priorUntilMs = this.#nowMs() + TERMS_GRACE_MS;
    group.plans = plansOf(policy.value);
  }

  async #readDirectory(name: string): Promise<void> {
    const group = this.#groupOf(name);
    let cursor: { revision: number; kind: number; id: number } | undefined;
    for (;;) {
      const page = await this.#store.directoryAfter({
        group: name,
        after: group.readTo,
        ...(cursor && { cursor }),
        maxBytes: WALK_BYTES,
        overheadBytes: 0,
      });
      this.#pages += 1;
      if (page.outcome === 'no_group') return;
      if (page.outcome === 'start_over') {
        group.readTo = 0;
        cursor = undefined;
        continue;
      }
      for (const record of page.records) {
        if (record.kind !== RecordKind.subscription) continue;
        const id = BigInt(record.id);
        if (record.present) this.#put(id, name, record.body);
        else this.#end(id, name);
      }
      const last = page.records.at(-1);
      if (page.complete || last === undefined) {
        group.readTo = page.upTo;
        return;
      }
      // An import brings credentials and applications by the hundred thousand in one revision;
      // they stand before its subscriptions, and nothing is read from them.
      const isBefore = last.kind < RecordKind.subscription;
      cursor = isBefore
        ? { revision: last.revision, kind: RecordKind.subscription, id: 0 }
        : { revision: last.revision, kind: last.kind, id: last.id };
    }
  }

  #put(id: bigint, group: string, body: Uint8Array): void {
    const decoded = decodeRecordBody(RecordKind.subscription, body);
    if (!decoded.ok || decoded.value.kind !== 'subscription') {
      throw new Error(`subscription ${id} cannot be read`);
    }
    const { plan } = decoded.value;
    const held = this.#subscriptions.get(id);
    const moved = held !== undefined && (held.plan !== plan || held.group !== group);
    this.#ending.delete(id);
    this.#subscriptions.set(id, {
      group,
      priorGroup: moved ? held.group : held?.priorGroup,
      plan,
      priorPlan: moved ? held.plan : held?.priorPlan,
      priorUntilMs: moved ? this.#nowMs() + TERMS_GRACE_MS : (held?.priorUntilMs ?? 0),
      endsMs: undefined,
    });
  }

  #end(id: bigint, group: string): void {
    const held = this.#subscriptions.get(id);
    // A subscription whose product moved lives on in the other group.
    if (held === undefined || held.group !== group || held.endsMs !== undefined) return;
    this.#subscriptions.set(id, { ...held, endsMs: this.#nowMs() + TERMS_GRACE_MS });
    this.#ending.add(id);
  }

  #forget(): void {
    const nowMs = this.#nowMs();
    for (const id of this.#ending) {
      if (nowMs < (this.#subscriptions.get(id)?.endsMs ?? 0)) continue;
      this.#subscriptions.delete(id);
      this.#ending.delete(id);
    }
  }
}

function termsKey(limit: bigint | number, windowKind: number, limitClass: LimitClass): string {
  return `${limit}.${windowKind}.${limitClass}`;
}

/** Classes by their number on the wire. */
const CLASSES: Readonly<Record<number, LimitClass>> = { 1: 'exact', 2: 'rate', 3: 'approximate' };

function plansOf(policy: Policy): Plans {
  return new Map(
    policy.plans.map((plan) => {
      const { first, count } = plan.limits;
      const limits = policy.limits.slice(first, first + count);
      const terms = limits.map((each): [string, AccountTerms] => {
        const { id, windowKind, quota, burst, class: number } = each;
        const limitClass = CLASSES[number] ?? 'exact';
        return [termsKey(id, windowKind, limitClass), { quota, class: limitClass, burst }];
      });
      return [plan.id, new Map(terms)];
    }),
  );
}
