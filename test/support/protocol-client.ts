/**
 * The filter's side of the protocol in TypeScript: fetches the policy, fills and follows the
 * directory, decides from both. A reference for tests of the host and of docs/wire.md; it must
 * take every step as that page says, and never decide from a state the page forbids.
 */
import { randomBytes } from 'node:crypto';
import { WALK_START, type WireCursor, type WirePage } from '../../host/wire/directory.ts';
import type { HostSection } from '../../host/wire/host.ts';
import { decodePolicy, type Policy } from '../../host/wire/policy.ts';
import type { SyncReply, SyncReportItem } from '../../host/wire/sync.ts';
import type { WatchReply, WatchRequest } from '../../host/wire/watch.ts';
import { CallFailed, type CallTarget, ProtocolCalls } from './protocol-calls.ts';
import { type Finding, ProtocolDirectory } from './protocol-directory.ts';

/** What the client answers a request of a caller with. */
export type Decision =
  | { readonly outcome: 'held' | 'no_operation' }
  | { readonly outcome: 'denied'; readonly reason: Finding['outcome'] }
  | {
      readonly outcome: 'admitted';
      readonly subscription: number;
      readonly quotas: readonly number[];
    };

/** A policy as held. */
interface HeldPolicy {
  readonly revision: number;
  readonly policy: Policy;
}

/** How a client is made. */
export interface ClientOptions extends CallTarget {
  /** Called before every call of a fill or a catch-up; tests change things here. */
  readonly beforeCall?: () => Promise<void>;
  /** Called when the directory held has moved from one revision to a later one. */
  readonly onRevision?: (from: number, to: number) => void;
  readonly proxy?: string;
}

const NO_STORE = new Uint8Array(16);

/** One engine. All its calls are made one after another, but for the watch of `follow`. */
export class ProtocolClient {
  readonly calls: ProtocolCalls;
  readonly incarnation = randomBytes(8).readBigUInt64LE();
  storeId: Uint8Array = NO_STORE;
  epoch = 0;
  held: HeldPolicy | undefined;
  directory = new ProtocolDirectory();
  #revision = 0;
  /** Whether the directory was complete once. */
  complete = false;
  /** Fills begun: first, after start over, after another store. */
  generations = 0;
  /** Newest policyRevision heard of. */
  heard = 0;
  /** HOST revision of the first page of the first fill; 0 before. */
  #began = 0;
  #filling = false;
  #stopped = false;
  #sequence = 0;
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.calls = new ProtocolCalls(options);
  }

  /** Revision of the directory held. */
  get revision(): number {
    return this.#revision;
  }

  set revision(to: number) {
    const from = this.#revision;
    this.#revision = to;
    if (to > from) this.#options.onRevision?.(from, to);
  }

  /**
   * Begins where another client is, without its records: what changed before is not known here.
   * For loads of many clients, which would hold the same large directory many times.
   */
  beginAt(other: ProtocolClient): void {
    this.storeId = other.storeId;
    this.epoch = other.epoch;
    this.held = other.held;
    this.heard = other.heard;
    this.complete = other.complete;
    this.#revision = other.revision;
  }

  /** Decides a request for an operation, by the digest of its key in hexadecimal. */
  decide(digest: string, operationName: string): Decision {
    const { held } = this;
    if (held === undefined) return { outcome: 'held' };
    if (!this.complete && (this.heard > held.revision || this.#began < held.revision)) {
      return { outcome: 'held' };
    }
    const operation = held.policy.operations.find(({ name }) => name === operationName);
    const product = held.policy.products[operation?.product ?? -1];
    if (operation === undefined || product === undefined) return { outcome: 'no_operation' };
    const found = this.directory.find(digest, product.id);
    if (found.outcome !== 'found') return this.#without(found);
    const plan = held.policy.plans.find(({ id }) => id === found.plan);
    if (plan === undefined) return { outcome: 'held' };
    const { first, count } = plan.limits;
    const quotas = held.policy.limits.slice(first, first + count).map(({ quota }) => quota);
    return { outcome: 'admitted', subscription: found.subscription, quotas };
  }

  #without(found: Finding): Decision {
    if (found.outcome === 'pending') return { outcome: 'held' };
    const missing = found.outcome === 'unknown_key' || found.outcome === 'not_subscribed';
    // What is not there yet may still come: with a fill, or with the policy that is pending.
    const mayCome = !this.complete || this.heard > (this.held?.revision ?? 0);
    return missing && mayCome ? { outcome: 'held' } : { outcome: 'denied', reason: found.outcome };
  }

  /** Makes policy and directory those of the host's head as it is when the last call returns. */
  async catchUp(): Promise<void> {
    await this.#before();
    const manifest = await this.calls.manifest();
    if (!this.#hears(manifest.host) || !this.complete) return this.#fill();
    this.heard = Math.max(this.heard, manifest.policyRevision);
    do {
      const whole = this.#isPending() ? await this.#changePolicy() : await this.#walk(false);
      if (whole === undefined) return this.#fill();
    } while (this.#isPending());
  }

  /** Follows the host by watches until `stop`; a failed call is tried again after `retryMs`. */
  async follow(retryMs = 20): Promise<void> {
    while (!this.#stopped) {
      try {
        if (!this.complete) await this.catchUp();
        await this.#take(await this.calls.watch(this.watchRequest()));
      } catch (error) {
        if (!(error instanceof CallFailed)) throw error;
        if (!this.#stopped) await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  /** What this engine would open a watch with now. */
  watchRequest(): WatchRequest {
    return {
      incarnation: this.incarnation,
      storeId: this.storeId,
      policyRevision: this.held?.revision ?? 0,
      directoryRevision: this.revision,
      complete: this.complete,
      filling: this.#filling,
      proxy: this.#options.proxy ?? 'test',
      workload: 'test',
      version: '0.1.0',
    };
  }

  /** One sync call with these items. */
  async sync(items: readonly SyncReportItem[], more: { last?: boolean } = {}): Promise<SyncReply> {
    this.#sequence += 1;
    return this.calls.sync({
      incarnation: this.incarnation,
      storeId: this.storeId,
      epoch: this.epoch,
      policyRevision: this.held?.revision ?? 0,
      directoryRevision: this.revision,
      heartbeatMs: 1_000,
      sequence: this.#sequence,
      urgent: false,
      last: more.last ?? false,
      usageBatch: 0,
      items,
      usage: [],
      touched: [],
    });
  }

  /** Ends `follow` and closes all connections. */
  stop(): void {
    this.#stopped = true;
    this.calls.close();
  }

  async #take(reply: WatchReply): Promise<void> {
    if (!this.#hears(reply.host)) return this.#fill();
    // A host that lags moves nothing backwards.
    if (reply.host.revision < this.revision) return;
    this.heard = Math.max(this.heard, reply.policyRevision);
    if (this.#isPending()) {
      if (reply.page !== undefined) this.directory.apply(reply.page, true);
      return this.catchUp();
    }
    const { page } = reply;
    if (page !== undefined && page.after === this.revision && page.complete) {
      this.heard = Math.max(this.heard, page.policyRevision);
      this.directory.apply(page, this.#isPending());
      if (!this.#isPending()) this.revision = page.upTo;
    } else if (reply.fetch || page !== undefined) await this.catchUp();
  }

  /** False when the reply is of another store than the one held. */
  #hears(host: HostSection): boolean {
    this.epoch = Math.max(this.epoch, host.epoch);
    return Buffer.from(host.storeId).equals(this.storeId);
  }

  #isPending(): boolean {
    return this.heard > (this.held?.revision ?? 0);
  }

  /** Fetches the newest policy, reads all that restricts, swaps; undefined = begin anew. */
  async #changePolicy(): Promise<number | undefined> {
    const next = await this.#fetchPolicy();
    // A host that lags has not what was heard of; what is held goes on.
    if (next.revision < this.heard) throw new CallFailed(200, 'the host lags');
    const head = await this.#walk(true);
    if (head === undefined) return undefined;
    // Only the pair of a policy and all records up to its revision is swapped.
    if (head < next.revision || this.heard > next.revision) return head;
    this.held = next;
    return this.#walk(false);
  }

  async #fetchPolicy(): Promise<HeldPolicy> {
    for (;;) {
      await this.#before();
      const manifest = await this.calls.manifest();
      this.heard = Math.max(this.heard, manifest.policyRevision);
      try {
        await this.#before();
        const policy = decodePolicy(await this.calls.policy(manifest));
        if (!policy.ok) throw new CallFailed(200, `policy refused: ${policy.code}`);
        return { revision: manifest.policyRevision, policy: policy.value };
      } catch (error) {
        // Replaced meanwhile: start again.
        if (!(error instanceof CallFailed) || error.status !== 410) throw error;
      }
    }
  }

  /** Reads all changes after the revision held. Answers the head, or undefined: begin anew. */
  async #walk(restrict: boolean): Promise<number | undefined> {
    const after = this.revision;
    let cursor = WALK_START;
    for (;;) {
      const { host, page } = await this.#page(after, cursor);
      if (!this.#hears(host) || page.startOver) return undefined;
      if (!isExpected(page, after, cursor)) throw new CallFailed(200, 'another page');
      if (host.revision < after) throw new CallFailed(200, 'the host lags');
      this.heard = Math.max(this.heard, page.policyRevision);
      const pending = restrict || this.#isPending();
      this.directory.apply(page, pending);
      cursor = page.next;
      if (!page.complete) continue;
      if (!pending) this.revision = page.upTo;
      return host.revision;
    }
  }

  /** Fills a new generation, which serves only once it is whole, but for the very first. */
  async #fill(): Promise<void> {
    this.#filling = true;
    try {
      while (!(await this.#fillOnce()));
    } finally {
      this.#filling = false;
    }
  }

  /** One walk from the beginning; false when it has to begin anew. */
  async #fillOnce(): Promise<boolean> {
    this.generations += 1;
    const directory = new ProtocolDirectory();
    this.heard = 0;
    this.#began = 0;
    if (!this.complete) this.directory = directory;
    let policy = await this.#fillPolicy();
    let after = 0;
    let cursor = WALK_START;
    let first: HostSection | undefined;
    for (;;) {
      const { host, page } = await this.#page(after, cursor);
      first ??= host;
      this.#began = first.revision;
      const sameStore = Buffer.from(host.storeId).equals(first.storeId);
      const forgotten = after === 0 && page.forgotten > first.revision;
      if (!sameStore || page.startOver || forgotten) return false;
      if (!isExpected(page, after, cursor)) throw new CallFailed(200, 'another page');
      this.heard = Math.max(this.heard, page.policyRevision);
      directory.apply(page, false);
      cursor = page.next;
      if (!page.complete) continue;
      after = page.upTo;
      if (page.policyRevision === policy.revision) {
        this.#serve(first, policy, directory, after);
        return true;
      }
      policy = await this.#fillPolicy();
    }
  }

  /** The policy of a fill; it serves at once only while nothing served before. */
  async #fillPolicy(): Promise<HeldPolicy> {
    const policy = await this.#fetchPolicy();
    if (!this.complete) this.held = policy;
    return policy;
  }

  #serve(
    host: HostSection,
    held: HeldPolicy,
    directory: ProtocolDirectory,
    revision: number,
  ): void {
    this.storeId = host.storeId;
    this.epoch = host.epoch;
    this.held = held;
    this.directory = directory;
    this.revision = revision;
    this.complete = true;
  }

  async #page(after: number, cursor: WireCursor): Promise<{ host: HostSection; page: WirePage }> {
    await this.#before();
    return this.calls.directory(after, cursor);
  }

  async #before(): Promise<void> {
    await this.#options.beforeCall?.();
  }
}

function isExpected(page: WirePage, after: number, from: WireCursor): boolean {
  const { revision, kind, id } = page.from;
  return page.after === after && revision === from.revision && kind === from.kind && id === from.id;
}
