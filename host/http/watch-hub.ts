/**
 * The open watches of all proxy groups. A change costs one read and one encoding for all watches
 * that hold the same revision, however many there are. It must never hold a watch that could be
 * answered, nor answer one with less than the store has.
 */

import type { Head, Heads } from '../service/heads.ts';
import type { CommitEvent, Store } from '../store/store.ts';
import { WALK_START, type WirePage } from '../wire/directory.ts';
import { type HostSection, RECORDS_BYTES } from '../wire/host.ts';
import { encodeWatchReply, type WatchReply, type WatchRequest } from '../wire/watch.ts';
import { hostOf, pageOf, RECORD_OVERHEAD } from './pages.ts';
import { Problem } from './problem.ts';

/** Most watches of one host. */
export const WATCHES_MAX = 40_000;

/** Watches answered in one go before other work gets its turn. */
const BATCH = 256;
/** Hold times are multiples of this, so that timers share lists. */
const HOLD_STEP_MS = 250;
const HOLD_JITTER = 0.2;

/** What the hub needs. */
export interface WatchHubOptions {
  readonly store: Store;
  readonly heads: Heads;
  readonly nowMs: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  /** How long a watch is held when nothing changes, ± 20 %. */
  readonly holdMs: number;
  readonly onFault: (error: unknown) => void;
}

/** A watch that was opened. */
export interface OpenWatch {
  readonly reply: Promise<Uint8Array>;
  /** The caller went away: nothing is answered any more. */
  cancel(): void;
}

interface Waiter {
  readonly group: string;
  readonly request: WatchRequest;
  readonly resolve: (reply: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/** The part of a request that decides what it is answered; equal for most watches of a group. */
function sameAnswer(group: string, request: WatchRequest): string {
  const { directoryRevision, complete, filling } = request;
  const store = Buffer.from(request.storeId).toString('hex');
  return `${group}/${store}/${directoryRevision}/${complete}/${filling}`;
}

/** Holds watches and answers them when something changes. */
export class WatchHub {
  readonly #options: WatchHubOptions;
  readonly #groups = new Map<string, Set<Waiter>>();
  readonly #engines = new Map<bigint, Waiter>();
  readonly #stop: () => void;
  #open = 0;
  #closed = false;

  constructor(options: WatchHubOptions) {
    this.#options = options;
    this.#stop = options.heads.onMove((event) => this.#wake(event));
  }

  /** Watches held now. */
  get open(): number {
    return this.#open;
  }

  /** Watches held now for a proxy group. */
  openOf(group: string): number {
    return this.#groups.get(group)?.size ?? 0;
  }

  /**
   * Opens a watch. Throws a Problem for a proxy group that is not known and when there are too
   * many.
   */
  watch(group: string, request: WatchRequest): OpenWatch {
    const head = this.#options.heads.get(group);
    if (head === undefined) throw new Problem('unknown_proxy_group', `no proxy group ${group}`);
    if (this.#closed) throw new Problem('stopping', 'the host is stopping');
    // One watch per engine: an older one is of a connection that died without a word.
    const older = this.#engines.get(request.incarnation);
    if (older !== undefined) this.#answerAlone(older);
    if (this.#isDue(head, request)) {
      return { reply: this.#answer(group, request), cancel: () => undefined };
    }
    if (this.#open >= WATCHES_MAX) {
      throw new Problem('too_many_watches', `more than ${WATCHES_MAX} watches are open`);
    }
    return this.#hold(group, request);
  }

  /** Asks an engine to report at once, by the watch it has open; nothing happens without one. */
  prompt(incarnation: bigint): void {
    const waiter = this.#engines.get(incarnation);
    if (waiter === undefined || !this.#take(waiter)) return;
    const { policyRevision = 0 } = this.#options.heads.get(waiter.group) ?? {};
    const reply = { host: this.#host(), policyRevision, fetch: false, report: true };
    waiter.resolve(encodeWatchReply(reply));
  }

  /** Answers every open watch and refuses new ones. */
  close(): void {
    this.#closed = true;
    this.#stop();
    for (const waiters of this.#groups.values()) {
      for (const waiter of waiters) this.#answerAlone(waiter);
    }
  }

  #hold(group: string, request: WatchRequest): OpenWatch {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const timer = setTimeout(() => this.#answerAlone(waiter), this.#holdMs());
    const waiter: Waiter = { group, request, resolve, reject, timer };
    const waiters = this.#groups.get(group) ?? new Set();
    waiters.add(waiter);
    this.#groups.set(group, waiters);
    this.#engines.set(request.incarnation, waiter);
    this.#open += 1;
    return { reply: promise, cancel: () => this.#take(waiter) };
  }

  /** Takes a waiter out; false when it was out already. */
  #take(waiter: Waiter): boolean {
    if (!this.#groups.get(waiter.group)?.delete(waiter)) return false;
    clearTimeout(waiter.timer);
    if (this.#engines.get(waiter.request.incarnation) === waiter) {
      this.#engines.delete(waiter.request.incarnation);
    }
    this.#open -= 1;
    return true;
  }

  #answerAlone(waiter: Waiter): void {
    if (!this.#take(waiter)) return;
    this.#answer(waiter.group, waiter.request).then(waiter.resolve, waiter.reject);
  }

  #wake(event: CommitEvent): void {
    for (const { group } of event.groups) {
      const head = this.#options.heads.get(group);
      if (head === undefined) continue;
      const alike = new Map<string, Waiter[]>();
      for (const waiter of this.#groups.get(group) ?? []) {
        if (!this.#isDue(head, waiter.request)) continue;
        this.#take(waiter);
        const key = sameAnswer(group, waiter.request);
        const waiters = alike.get(key);
        if (waiters === undefined) alike.set(key, [waiter]);
        else waiters.push(waiter);
      }
      for (const waiters of alike.values()) {
        this.#answerAll(group, waiters).catch(this.#options.onFault);
      }
    }
  }

  async #answerAll(group: string, waiters: readonly Waiter[]): Promise<void> {
    const [first] = waiters;
    if (first === undefined) return;
    try {
      const reply = await this.#answer(group, first.request);
      for (const [index, waiter] of waiters.entries()) {
        if (index > 0 && index % BATCH === 0) await new Promise((go) => setImmediate(go));
        waiter.resolve(reply);
      }
    } catch (error) {
      for (const waiter of waiters) waiter.reject(error);
    }
  }

  #isDue(head: Head, request: WatchRequest): boolean {
    if (!this.#knowsStore(request)) return true;
    if (head.policyRevision > request.policyRevision) return true;
    return !request.filling && head.directoryRevision > request.directoryRevision;
  }

  #knowsStore(request: WatchRequest): boolean {
    return Buffer.from(this.#options.store.identity.storeId).equals(request.storeId);
  }

  async #answer(group: string, request: WatchRequest): Promise<Uint8Array> {
    return encodeWatchReply(await this.#replyTo(group, request));
  }

  async #replyTo(group: string, request: WatchRequest): Promise<WatchReply> {
    const head = this.#options.heads.get(group) ?? { policyRevision: 0, directoryRevision: 0 };
    const { policyRevision } = head;
    const quiet: WatchReply = { host: this.#host(), policyRevision, fetch: false, report: false };
    if (request.filling) return quiet;
    if (!this.#knowsStore(request)) return { ...quiet, fetch: true };
    if (head.directoryRevision <= request.directoryRevision) return quiet;
    if (!request.complete) return { ...quiet, fetch: true };
    const read = await this.#readPage(group, request.directoryRevision);
    if (read === undefined) return { ...quiet, host: this.#host(), fetch: true };
    const { page, head: revision } = read;
    const host = { ...this.#host(), revision };
    return { ...quiet, host, policyRevision: page.policyRevision, page };
  }

  /** All that changed after a revision, or undefined when it does not fit a page. */
  async #readPage(
    group: string,
    after: number,
  ): Promise<{ page: WirePage; head: number } | undefined> {
    const page = await this.#options.store.directoryAfter({
      group,
      after,
      maxBytes: RECORDS_BYTES,
      overheadBytes: RECORD_OVERHEAD,
    });
    if (page.outcome !== 'page' || !page.complete) return undefined;
    return { page: pageOf(after, WALK_START, page), head: page.head };
  }

  #host(): HostSection {
    const { store, heads, nowMs } = this.#options;
    return hostOf(store.identity, heads.revision, nowMs());
  }

  #holdMs(): number {
    const { holdMs, random } = this.#options;
    const jittered = holdMs * (1 - HOLD_JITTER + 2 * HOLD_JITTER * random());
    return Math.max(1, Math.round(jittered / HOLD_STEP_MS)) * HOLD_STEP_MS;
  }
}
