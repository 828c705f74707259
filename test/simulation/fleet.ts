/**
 * A fleet in virtual time: holders under load, a network with faults, and a host that runs the
 * real arithmetic of the ledger. After every admission the cap is checked, after every second the
 * sums. One seed is one history; it must never use another source of chance or time.
 */
import assert from 'node:assert/strict';
import { LedgerBook } from '../../host/quota/book.ts';
import { seededRandom } from '../../host/quota/random.ts';
import type { Account, ReplyItem, ReportItem } from '../../host/quota/report.ts';
import { newStats } from '../../host/quota/stats.ts';
import { windowAt } from '../../host/quota/window.ts';
import { MemoryRows } from '../../host/store/ledger-memory.ts';
import { CALL_TIMEOUT_MS, START_MS, zipfWeight } from './fleets.ts';
import { Holder, type Settled, TICK_MS } from './holder.ts';
import { VirtualTime } from './queue.ts';

/** A host that is down refuses after so long. */
const REFUSED_MS = 5;

/** What goes wrong; absent = nothing. Rates are probabilities. */
export interface Faults {
  /** A message, there or back, is lost. */
  readonly loss?: number;
  /** A report is delivered a second time, up to a second later. */
  readonly copy?: number;
  /** A holder dies and another one takes its place, per holder and minute. */
  readonly crashPerMinute?: number;
  /** Spans of time, in ms from the start, in which every other holder is cut off. */
  readonly partitions?: readonly (readonly [number, number])[];
  /** Spans in which the host is down; its ledger is durable. */
  readonly hostDown?: readonly (readonly [number, number])[];
  /** The ledger is lost when the host comes back: what must never happen to a real one. */
  readonly ledgerLost?: boolean;
}

/** A simulation. Times are milliseconds. */
export interface Scenario {
  readonly seed: number;
  readonly holders: number;
  readonly quota: number;
  readonly windowSeconds: number;
  readonly durationMs: number;
  /** Requests per second of the whole fleet, by time from the start. */
  readonly load: (atMs: number) => number;
  /** Cost of a request, given a number in [0, 1); 1 when absent. */
  readonly cost?: (random: number) => number;
  readonly roundTripMs?: number;
  readonly heartbeatMs?: number;
  readonly holdMs?: number;
  readonly faults?: Faults;
}

/** What came out. All are units or counts. */
export interface Outcome {
  /** By window, in their order. */
  readonly windows: readonly { readonly admitted: number; readonly demanded: number }[];
  /** Of what could be admitted, min(quota, demand), the share that was; over all windows. */
  readonly use: number;
  readonly requests: number;
  readonly operations: number;
  readonly held: number;
  readonly unavailable: number;
  readonly folds: number;
  /** Units granted to holders that died, as far as nobody knows that they were used. */
  readonly lost: number;
}

interface Member {
  id: bigint;
  holder: Holder;
  readonly index: number;
}

/** Runs a scenario to its end. Throws at the first unit too many. */
export function simulate(scenario: Scenario): Outcome {
  return new Fleet(scenario).run();
}

class Fleet {
  readonly #scenario: Scenario;
  readonly #random: () => number;
  readonly #time = new VirtualTime(START_MS);
  readonly #account: Account;
  #rows = new MemoryRows();
  readonly #stats = newStats();
  readonly #members: Member[];
  /** Shares of the load, summed up, by Zipf's law. */
  readonly #shares: number[] = [];
  #book: LedgerBook;
  #lastHolder = 0n;
  readonly #admitted = new Map<number, number>();
  readonly #demanded = new Map<number, number>();
  #requests = 0;
  #held = 0;
  #unavailable = 0;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#random = seededRandom(scenario.seed);
    this.#account = { owner: 1n, limit: 1n, windowKind: scenario.windowSeconds, partition: 0n };
    this.#book = new LedgerBook(this.#rows, this.#random, this.#stats);
    let sum = 0;
    this.#members = Array.from({ length: scenario.holders }, (_, index) => {
      sum += zipfWeight(index);
      this.#shares.push(sum);
      return { index, ...this.#newHolder() };
    });
  }

  run(): Outcome {
    const { durationMs, faults = {} } = this.#scenario;
    this.#nextRequest();
    this.#time.every(TICK_MS, TICK_MS, () => this.#tick());
    this.#time.every(1_000, 1_000, () => this.#fold());
    // A restarted host has its ledger and forgets whom it has heard of.
    for (const [, untilMs] of faults.hostDown ?? []) {
      this.#time.after(untilMs, () => {
        if (faults.ledgerLost) this.#rows = new MemoryRows();
        this.#book = new LedgerBook(this.#rows, this.#random, this.#stats);
      });
    }
    this.#time.runUntil(START_MS + durationMs);
    return this.#outcome();
  }

  #nextRequest(): void {
    const sinceMs = this.#time.nowMs - START_MS;
    const perMs = this.#scenario.load(sinceMs) / 1000;
    // Without load, look again a little later.
    const gapMs = perMs > 0 ? -Math.log(1 - this.#random()) / perMs : TICK_MS;
    this.#time.after(Math.min(gapMs, 1_000), () => {
      if (perMs > 0 && gapMs <= 1_000) this.#request();
      this.#nextRequest();
    });
  }

  #request(): void {
    const cost = this.#scenario.cost?.(this.#random()) ?? 1;
    const member = this.#pick();
    this.#requests += 1;
    const { windowId } = this.#window();
    this.#demanded.set(windowId, (this.#demanded.get(windowId) ?? 0) + cost);
    const settled = member.holder.request(this.#time.nowMs, this.#requests, cost);
    if (settled) this.#count(settled);
    else this.#held += 1;
    this.#pump(member);
  }

  #pick(): Member {
    const point = this.#random() * (this.#shares.at(-1) ?? 0);
    let [low, high] = [0, this.#shares.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#shares[middle] ?? 0) <= point) low = middle + 1;
      else high = middle;
    }
    const member = this.#members[low];
    assert.ok(member);
    return member;
  }

  #count({ verdict, cost, windowId }: Settled): void {
    if (verdict === 'unavailable') this.#unavailable += 1;
    if (verdict !== 'admitted') return;
    const admitted = (this.#admitted.get(windowId) ?? 0) + cost;
    this.#admitted.set(windowId, admitted);
    const { quota, seed } = this.#scenario;
    assert.ok(admitted <= quota, `seed ${seed}: ${admitted} of ${quota} in window ${windowId}`);
    // B2: no unit is spent outside the host's window it was granted for.
    assert.equal(windowId, this.#window().windowId, `seed ${seed}: spent outside its window`);
  }

  #tick(): void {
    const crash = (this.#scenario.faults?.crashPerMinute ?? 0) * (TICK_MS / 60_000);
    for (const member of this.#members) {
      if (crash > 0 && this.#random() < crash) Object.assign(member, this.#newHolder());
      member.holder.tick(this.#time.nowMs);
      this.#pump(member);
    }
  }

  #fold(): void {
    if (!this.#isIn(this.#scenario.faults?.hostDown)) this.#book.fold(this.#time.nowMs);
    for (const window of this.#rows.windows()) {
      const open = this.#rows.holdingsOf(window.row).filter(({ folded }) => !folded);
      const out = open.reduce((sum, { granted, released }) => sum + granted - released, 0);
      assert.deepEqual([window.out, window.open], [out, open.length]);
      assert.ok(window.folded + window.out <= this.#scenario.quota);
    }
    assert.equal(this.#stats.invariantBroken + this.#stats.contradictory, 0);
  }

  /** Takes what the holder settled and sends the calls it has due. */
  #pump(member: Member): void {
    for (const settled of member.holder.settled()) this.#count(settled);
    this.#call(member, true, member.holder.urgentCall(this.#time.nowMs));
    this.#call(member, false, member.holder.regularCall(this.#time.nowMs));
  }

  #call(member: Member, urgent: boolean, items: ReportItem[]): void {
    if (items.length === 0) return;
    const { loss = 0, copy = 0, partitions, hostDown } = this.#scenario.faults ?? {};
    const { id, holder } = member;
    const sentMs = this.#time.nowMs;
    let open = true;
    const end = (replies: ReplyItem[] | undefined) => {
      if (!open) return;
      open = false;
      if (replies === undefined) holder.failed(urgent, this.#time.nowMs);
      else holder.answered(urgent, sentMs, this.#time.nowMs);
      for (const reply of replies ?? []) holder.take(reply, sentMs, this.#time.nowMs);
      if (member.holder === holder) this.#pump(member);
    };
    const cut = member.index % 2 === 0 && this.#isIn(partitions);
    const merge = () => {
      const terms = { quota: this.#scenario.quota };
      const termed = items.map((item) => ({ item, terms }));
      const heartbeatMs = this.#heartbeatMs;
      return this.#book.merge(id, termed, { nowMs: this.#time.nowMs, heartbeatMs });
    };
    this.#time.after(CALL_TIMEOUT_MS, () => end(undefined));
    if (cut || this.#random() < loss) return;
    this.#time.after(this.#oneWayMs(), () => {
      if (this.#isIn(hostDown)) {
        this.#time.after(REFUSED_MS, () => end(undefined));
        return;
      }
      const replies = merge();
      if (this.#random() < loss) return;
      this.#time.after(this.#oneWayMs(), () => end(replies));
    });
    if (this.#random() < copy) {
      this.#time.after(this.#random() * 1_000, () => {
        if (!this.#isIn(hostDown)) merge();
      });
    }
  }

  get #heartbeatMs(): number {
    return this.#scenario.heartbeatMs ?? 250;
  }

  #oneWayMs(): number {
    return ((this.#scenario.roundTripMs ?? 10) / 2) * (0.5 + this.#random());
  }

  #isIn(spans: readonly (readonly [number, number])[] = []): boolean {
    const sinceMs = this.#time.nowMs - START_MS;
    return spans.some(([fromMs, untilMs]) => sinceMs >= fromMs && sinceMs < untilMs);
  }

  #window() {
    return windowAt(this.#scenario.windowSeconds * 1000, this.#time.nowMs);
  }

  #newHolder(): { id: bigint; holder: Holder } {
    this.#lastHolder += 1n;
    const settings = {
      account: this.#account,
      heartbeatMs: this.#heartbeatMs,
      holdMs: this.#scenario.holdMs ?? 60,
      heldMax: 1_000,
    };
    const holder = new Holder(settings, this.#random, this.#time.nowMs);
    return { id: this.#lastHolder, holder };
  }

  #outcome(): Outcome {
    const { quota } = this.#scenario;
    const windows = [...this.#demanded].map(([windowId, demanded]) => {
      return { demanded, admitted: this.#admitted.get(windowId) ?? 0 };
    });
    const possible = windows.reduce((sum, { demanded }) => sum + Math.min(quota, demanded), 0);
    const admitted = windows.reduce((sum, window) => sum + window.admitted, 0);
    return {
      windows,
      use: admitted / possible,
      requests: this.#requests,
      operations: this.#stats.items,
      held: this.#held,
      unavailable: this.#unavailable,
      folds: this.#stats.folds,
      lost: this.#lost(),
    };
  }

  #lost(): number {
    const alive = new Set(this.#members.map(({ id }) => id.toString(16).padStart(16, '0')));
    return this.#rows
      .windows()
      .flatMap(({ row }) => this.#rows.holdingsOf(row))
      .filter(({ holder }) => !alive.has(holder))
      .reduce((sum, { granted, released, used }) => sum + granted - released - used, 0);
  }
}
