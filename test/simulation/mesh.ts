/**
 * A mesh in virtual time: proxies with many accounts each, one sync call at a time for all of them
 * as a filter makes it, and a host that runs the real arithmetic of the ledger. Requests of an
 * account at a proxy come at its ticks, as many as chance has it. After every admission and every
 * call the caps are checked. One seed is one history; it must never use another source of chance or
 * time.
 */
import assert from 'node:assert/strict';
import { LedgerBook } from '../../host/quota/book.ts';
import { seededRandom } from '../../host/quota/random.ts';
import type { Account, ReplyItem, ReportItem } from '../../host/quota/report.ts';
import { accountKey } from '../../host/quota/rows.ts';
import { newStats } from '../../host/quota/stats.ts';
import { windowAt } from '../../host/quota/window.ts';
import { MemoryRows } from '../../host/store/ledger-memory.ts';
import { SYNC_ITEMS_MAX } from '../../host/wire/sync.ts';
import { CALL_TIMEOUT_MS, START_MS, zipfWeight } from './fleets.ts';
import { Holder, type HolderSettings, type Settled, TICK_MS } from './holder.ts';
import { VirtualTime } from './queue.ts';

const ROUND_TRIP_MS = 10;
const HOLD_MS = 60;
const HEARTBEAT_MS = 1_000;
/** Requests a second of an application that bring one more proxy to it. */
const HOLDER_RATE = 10;
/** How long the host is away when it restarts. */
const RESTART_MS = 2_000;

/** A simulation. One in a hundred proxies is cut off, and another one in a hundred dies. */
export interface MeshScenario {
  readonly seed: number;
  readonly proxies: number;
  readonly applications: number;
  readonly requestsPerSecond: number;
  readonly windowSeconds: number;
  readonly seconds: number;
  /** Probability that a message is lost, and that it comes twice. */
  readonly loss: number;
  /** Seconds from the start: between the two proxies are cut off. */
  readonly cutOff: readonly [number, number];
  /** Seconds from the start at which proxies die, and at which the host restarts. */
  readonly deathAt: number;
  readonly restartAt: number;
  /** What the ledger goes by, of the quota that is checked: 1, but to show that checks see. */
  readonly laxity?: number;
}

/** What came out: counts, but for shares and rates. */
export interface MeshOutcome {
  readonly requests: number;
  readonly admitted: number;
  readonly held: number;
  readonly unavailable: number;
  /** Accounts at proxies: how many holders there are. */
  readonly holders: number;
  readonly calls: number;
  readonly items: number;
  readonly grants: number;
  /** Most grants in one second: the first of a window. */
  readonly grantsPeak: number;
  readonly folds: number;
  readonly trueUps: number;
  /** Of what could be admitted where demand is above the quota, the share that was. */
  readonly use: number;
  /** Over windows that are over: the account of which least was used. */
  readonly leastUse: number;
}

/** Runs a scenario to its end. Throws at the first unit too many. */
export function simulateMesh(scenario: MeshScenario): MeshOutcome {
  return new Mesh(scenario).run();
}

/** An application's account with what was asked of it and admitted, by window. */
interface Tally {
  readonly account: Account;
  readonly key: string;
  readonly quota: number;
  readonly demanded: number[];
  readonly admitted: number[];
}

interface Part {
  readonly tally: Tally;
  readonly settings: HolderSettings;
  /** Requests expected in a tick. */
  readonly rate: number;
  /** exp(-rate). */
  readonly none: number;
  holder: Holder;
}

interface Proxy {
  readonly index: number;
  readonly parts: Part[];
  id: bigint;
  beatAtMs: number;
  urgent: boolean;
  regular: boolean;
}

/** What a call carries: items, and the parts they belong to. */
interface Call {
  readonly proxy: Proxy;
  readonly id: bigint;
  readonly urgent: boolean;
  readonly sentMs: number;
  readonly items: ReportItem[];
  readonly of: Map<bigint, Part>;
}

class Mesh {
  readonly #scenario: MeshScenario;
  readonly #random: () => number;
  readonly #time = new VirtualTime(START_MS);
  readonly #rows = new MemoryRows();
  readonly #stats = newStats();
  readonly #tallies: Tally[] = [];
  readonly #quotas = new Map<bigint, number>();
  readonly #proxies: Proxy[];
  #book: LedgerBook;
  #lastId = 0n;
  #requests = 0;
  #admitted = 0;
  #held = 0;
  #unavailable = 0;
  #holders = 0;
  #calls = 0;
  #grantsPeak = 0;
  #grantsBefore = 0;

  constructor(scenario: MeshScenario) {
    this.#scenario = scenario;
    this.#random = seededRandom(scenario.seed);
    this.#book = new LedgerBook(this.#rows, this.#random, this.#stats);
    this.#proxies = Array.from({ length: scenario.proxies }, (_, index) => ({
      ...{ index, parts: [], id: this.#newId(), urgent: false, regular: false },
      beatAtMs: START_MS + HEARTBEAT_MS * this.#random(),
    }));
    this.#spread();
  }

  run(): MeshOutcome {
    const { seconds, deathAt, restartAt } = this.#scenario;
    for (const proxy of this.#proxies) {
      this.#time.every(TICK_MS, TICK_MS * this.#random(), () => this.#tick(proxy));
    }
    this.#time.every(1_000, 1_000, () => this.#second());
    this.#time.after(deathAt * 1_000, () => this.#die());
    // A restarted host has its ledger and forgets whom it has heard of.
    this.#time.after(restartAt * 1_000 + RESTART_MS, () => {
      this.#book = new LedgerBook(this.#rows, this.#random, this.#stats);
    });
    this.#time.runUntil(START_MS + seconds * 1_000);
    this.#checkSums();
    return this.#outcome();
  }

  /** Gives every application its share of the requests and its proxies, by Zipf's law. */
  #spread(): void {
    const { applications, requestsPerSecond, windowSeconds, proxies } = this.#scenario;
    const weights = Array.from({ length: applications }, (_, at) => zipfWeight(at));
    const sum = weights.reduce((a, b) => a + b, 0);
    for (const [at, weight] of weights.entries()) {
      const perSecond = (requestsPerSecond * weight) / sum;
      const demand = perSecond * windowSeconds;
      // Every other one asks for half as much again as it may have.
      const quota = Math.max(1, Math.round(at % 2 === 0 ? demand / 1.5 : demand * 2));
      const owner = BigInt(at + 1);
      const account = { owner, limit: 1n, windowKind: windowSeconds, partition: 0n };
      const tally = { account, key: accountKey(account), quota, demanded: [], admitted: [] };
      this.#tallies.push(tally);
      this.#quotas.set(owner, quota);
      const settings = { account, heartbeatMs: HEARTBEAT_MS, holdMs: HOLD_MS, heldMax: 1_000 };
      const count = Math.min(proxies, Math.max(2, Math.ceil(perSecond / HOLDER_RATE)));
      const rate = (perSecond / count) * (TICK_MS / 1_000);
      const first = Math.floor(this.#random() * proxies);
      for (let place = 0; place < count; place++) {
        const holder = new Holder(settings, this.#random, START_MS);
        const part = { tally, settings, rate, none: Math.exp(-rate), holder };
        this.#proxies[(first + place) % proxies]?.parts.push(part);
      }
      this.#holders += count;
    }
  }

  #tick(proxy: Proxy): void {
    const nowMs = this.#time.nowMs;
    for (const part of proxy.parts) {
      const count = this.#arrivals(part);
      if (count > 0) this.#request(part, count);
      part.holder.tick(nowMs);
      if (part.holder.hasSettled) for (const each of part.holder.settled()) this.#count(part, each);
    }
    this.#pump(proxy);
  }

  /** Requests in a tick, by Poisson's law. */
  #arrivals({ none }: Part): number {
    let count = 0;
    for (let chance = this.#random(); chance > none; chance *= this.#random()) count += 1;
    return count;
  }

  #request(part: Part, count: number): void {
    const { demanded } = part.tally;
    const at = this.#windowAt(this.#window().windowId);
    demanded[at] = (demanded[at] ?? 0) + count;
    for (let left = count; left > 0; left--) {
      this.#requests += 1;
      const settled = part.holder.request(this.#time.nowMs, this.#requests, 1);
      if (settled) this.#count(part, settled);
      else this.#held += 1;
    }
  }

  #count({ tally }: Part, { verdict, windowId }: Settled): void {
    if (verdict === 'unavailable') this.#unavailable += 1;
    if (verdict !== 'admitted') return;
    this.#admitted += 1;
    const at = this.#windowAt(windowId);
    const admitted = (tally.admitted[at] ?? 0) + 1;
    tally.admitted[at] = admitted;
    const { seed } = this.#scenario;
    assert.ok(admitted <= tally.quota, `seed ${seed}: ${admitted} of ${tally.quota}`);
    assert.equal(windowId, this.#window().windowId, `seed ${seed}: spent outside its window`);
  }

  /** Sends the calls that are due: one for all cold accounts, and one at each heartbeat. */
  #pump(proxy: Proxy): void {
    const nowMs = this.#time.nowMs;
    if (!proxy.urgent) this.#send(proxy, true, (holder) => holder.urgentCall(nowMs));
    if (proxy.regular) return;
    const beat = nowMs >= proxy.beatAtMs;
    if (beat) proxy.beatAtMs = nowMs + HEARTBEAT_MS * (0.9 + 0.2 * this.#random());
    this.#send(proxy, false, (holder) => holder.report(nowMs, beat));
  }

  #send(proxy: Proxy, urgent: boolean, itemsOf: (holder: Holder) => ReportItem[]): void {
    const call: Call = {
      ...{ proxy, urgent, id: proxy.id, sentMs: this.#time.nowMs, items: [], of: new Map() },
    };
    for (const part of proxy.parts) {
      if (call.items.length >= SYNC_ITEMS_MAX - 1) break;
      const items = itemsOf(part.holder);
      if (items.length === 0) continue;
      call.items.push(...items);
      call.of.set(part.tally.account.owner, part);
    }
    if (call.items.length === 0) return;
    this.#calls += 1;
    proxy[urgent ? 'urgent' : 'regular'] = true;
    const { loss } = this.#scenario;
    if (this.#isCutOff(proxy) || this.#random() < loss) this.#fail(call, CALL_TIMEOUT_MS);
    else this.#time.after(this.#oneWayMs(), () => this.#arrive(call));
  }

  #arrive(call: Call): void {
    if (this.#isAway()) {
      this.#fail(call, ROUND_TRIP_MS);
      return;
    }
    const { loss } = this.#scenario;
    const replies = this.#merge(call);
    if (this.#random() < loss) this.#fail(call, CALL_TIMEOUT_MS);
    else this.#time.after(this.#oneWayMs(), () => this.#end(call, replies));
    if (this.#random() >= loss) return;
    this.#time.after(this.#random() * 1_000, () => {
      if (!this.#isAway()) this.#merge(call);
    });
  }

  #merge({ id, items }: Call): ReplyItem[] {
    const { laxity = 1 } = this.#scenario;
    const termed = items.map((item) => {
      const quota = (this.#quotas.get(item.account.owner) ?? 0) * laxity;
      return { item, terms: { quota } };
    });
    const time = { nowMs: this.#time.nowMs, heartbeatMs: HEARTBEAT_MS };
    const replies = this.#book.merge(id, termed, time);
    for (const { account, windowId } of replies) {
      const window = this.#rows.window(accountKey(account), windowId);
      const most = (this.#quotas.get(account.owner) ?? 0) * laxity;
      if (window) assert.ok(window.folded + window.out <= most, 'more is out than there is');
    }
    assert.equal(this.#stats.invariantBroken + this.#stats.contradictory, 0);
    return replies;
  }

  #fail(call: Call, afterMs: number): void {
    this.#time.after(afterMs, () => this.#end(call, undefined));
  }

  #end({ proxy, id, urgent, sentMs, of }: Call, replies: readonly ReplyItem[] | undefined): void {
    // Calls die with the proxy that made them.
    if (proxy.id !== id) return;
    const nowMs = this.#time.nowMs;
    proxy[urgent ? 'urgent' : 'regular'] = false;
    for (const { holder } of of.values()) {
      if (replies === undefined) holder.failed(urgent, nowMs);
      else holder.answered(urgent, sentMs, nowMs);
    }
    for (const reply of replies ?? [])
      of.get(reply.account.owner)?.holder.take(reply, sentMs, nowMs);
    for (const part of of.values()) {
      if (part.holder.hasSettled) for (const each of part.holder.settled()) this.#count(part, each);
    }
    this.#pump(proxy);
  }

  #second(): void {
    this.#grantsPeak = Math.max(this.#grantsPeak, this.#stats.grants - this.#grantsBefore);
    this.#grantsBefore = this.#stats.grants;
    if (this.#isAway()) return;
    while (this.#book.fold(this.#time.nowMs).more);
  }

  #die(): void {
    for (const proxy of this.#proxies.filter(({ index }) => index % 100 === 1)) {
      Object.assign(proxy, { id: this.#newId(), urgent: false, regular: false });
      for (const part of proxy.parts) {
        part.holder = new Holder(part.settings, this.#random, this.#time.nowMs);
      }
    }
  }

  /** What each window says of its holdings is what they say. */
  #checkSums(): void {
    for (const window of this.#rows.windows()) {
      const open = this.#rows.holdingsOf(window.row).filter(({ folded }) => !folded);
      const out = open.reduce((sum, { granted, released }) => sum + granted - released, 0);
      assert.deepEqual([window.out, window.open], [out, open.length]);
    }
  }

  #isCutOff({ index }: Proxy): boolean {
    const [from, until] = this.#scenario.cutOff;
    return index % 100 === 0 && this.#isBetween(from * 1_000, until * 1_000);
  }

  #isAway(): boolean {
    const fromMs = this.#scenario.restartAt * 1_000;
    return this.#isBetween(fromMs, fromMs + RESTART_MS);
  }

  #isBetween(fromMs: number, untilMs: number): boolean {
    const sinceMs = this.#time.nowMs - START_MS;
    return sinceMs >= fromMs && sinceMs < untilMs;
  }

  #oneWayMs(): number {
    return (ROUND_TRIP_MS / 2) * (0.5 + this.#random());
  }

  #window() {
    return windowAt(this.#scenario.windowSeconds * 1_000, this.#time.nowMs);
  }

  /** The place of a window among those of this history. */
  #windowAt(windowId: number): number {
    return windowId - windowAt(this.#scenario.windowSeconds * 1_000, START_MS).windowId;
  }

  #newId(): bigint {
    this.#lastId += 1n;
    return this.#lastId;
  }

  #outcome(): MeshOutcome {
    const { seconds, windowSeconds } = this.#scenario;
    const over = Math.floor(seconds / windowSeconds);
    let [possible, used, leastUse] = [0, 0, 1];
    for (const { quota, demanded, admitted } of this.#tallies) {
      for (let at = 0; at < over; at++) {
        if ((demanded[at] ?? 0) < quota * 1.2) continue;
        possible += quota;
        used += admitted[at] ?? 0;
        leastUse = Math.min(leastUse, (admitted[at] ?? 0) / quota);
      }
    }
    const { items, grants, folds, trueUps } = this.#stats;
    return {
      ...{ requests: this.#requests, admitted: this.#admitted, held: this.#held },
      ...{ unavailable: this.#unavailable, holders: this.#holders, calls: this.#calls },
      ...{ items, grants, grantsPeak: this.#grantsPeak, folds, trueUps },
      ...{ use: used / possible, leastUse },
    };
  }
}
