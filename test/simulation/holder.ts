/**
 * The holder's side of the lease protocol for one account, in virtual time: what a filter does
 * between a request and a sync call. It is the yardstick for the filter's own arithmetic and must
 * never know anything that a filter cannot know: no host clock, no other holder, no quota.
 */
import type { Account, ReplyItem, ReportItem } from '../../host/quota/report.ts';

/** Seconds of its own rate that a holder asks for. */
const WANT_S = 30;
/** Seconds of its own rate that a holder keeps at use-by, unless units are scarce. */
const KEEP_S = 0.5;
/** A use-by up to this says that units are scarce: then nothing is kept. */
const SCARCE_USE_BY_MS = 500;
/** Ask again at this many round trips of its own rate. */
const ASK_ROUND_TRIPS = 1.5;
/** Below this rate, in units per second, a holder does not ask ahead. */
const ASK_AHEAD_RATE_MIN = 0.2;
/** Clock rates differ by at most this; a window is left so much early. */
const CLOCK_RATE_ERROR = 0.001;
const LEASE_MIN_MS = 30_000;
const BACK_OFF_MIN_MS = 200;
const BACK_OFF_MAX_MS = 10_000;
/** How often `tick` is called, in milliseconds. */
export const TICK_MS = 100;
const RATE_WEIGHT = 0.2;

/** Settings of a holder, in milliseconds but for `heldMax`. */
export interface HolderSettings {
  readonly account: Account;
  readonly heartbeatMs: number;
  /** Longest time a request waits for a grant. */
  readonly holdMs: number;
  /** Most requests that wait at once. */
  readonly heldMax: number;
}

/** `unavailable` = no answer in time: the limit's failure policy decides, here it denies. */
export type Verdict = 'admitted' | 'denied' | 'unavailable';

/** A request that had to wait and does no longer. */
export interface Settled {
  readonly request: number;
  readonly cost: number;
  readonly verdict: Verdict;
  /** Window that an admitted request was charged to. */
  readonly windowId: number;
}

interface Waiting {
  readonly request: number;
  readonly cost: number;
  readonly untilMs: number;
}

/** A holding as the holder keeps it: cumulative counters and relative times made absolute. */
interface Slot {
  readonly generation: number;
  readonly next: boolean;
  windowId: number;
  granted: number;
  used: number;
  released: number;
  startsAtMs: number;
  endsAtMs: number;
  useByAtMs: number;
  scarce: boolean;
}

/** One holder's part in one account. All times are its own monotonic milliseconds. */
export class Holder {
  readonly #settings: HolderSettings;
  readonly #random: () => number;
  readonly #waiting: Waiting[] = [];
  readonly #settled: Settled[] = [];
  #current: Slot | undefined;
  #next: Slot | undefined;
  /** Granted ahead for a window that was asked for on its own meanwhile: it goes back whole. */
  #back: Slot | undefined;
  #generation = 0;
  #rate = 0;
  #demand = 0;
  #lastCost = 1;
  #roundTripMs = 20;
  #denyUntilMs = 0;
  #asking = false;
  #reporting = false;
  #heartbeatAtMs: number;
  #reportedAtMs = 0;
  /** Used + released of the current slot as last reported. */
  #reported = 0;
  /** Units were given back and nobody knows yet. */
  #givingBack = false;
  #failures = 0;
  #retryAtMs = 0;

  constructor(settings: HolderSettings, random: () => number, nowMs: number) {
    this.#settings = settings;
    this.#random = random;
    this.#heartbeatAtMs = nowMs + settings.heartbeatMs * random();
  }

  /** Units granted and neither used nor given back, in the window now. */
  get balance(): number {
    const slot = this.#current;
    return slot ? slot.granted - slot.used - slot.released : 0;
  }

  /** Decides a request of `cost` units; undefined = it waits and is settled later. */
  request(nowMs: number, request: number, cost: number): Settled | undefined {
    this.#roll(nowMs);
    this.#demand += cost;
    this.#lastCost = cost;
    if (this.balance >= cost) return this.#spend(request, cost);
    if (nowMs < this.#denyUntilMs) return { request, cost, verdict: 'denied', windowId: 0 };
    const { holdMs, heldMax } = this.#settings;
    if (holdMs === 0 || this.#waiting.length >= heldMax) {
      return { request, cost, verdict: 'unavailable', windowId: 0 };
    }
    this.#waiting.push({ request, cost, untilMs: nowMs + holdMs });
    return undefined;
  }

  /** Whether anything has been settled since the last time. */
  get hasSettled(): boolean {
    return this.#settled.length > 0;
  }

  /** Takes what has been settled since the last time. */
  settled(): Settled[] {
    return this.#settled.splice(0);
  }

  /** Every TICK_MS: rate, requests that waited too long, use-by. */
  tick(nowMs: number): void {
    this.#roll(nowMs);
    this.#rate += RATE_WEIGHT * (this.#demand / (TICK_MS / 1000) - this.#rate);
    this.#demand = 0;
    while (this.#waiting[0] && this.#waiting[0].untilMs <= nowMs) {
      this.#settleFirst('unavailable', 0);
    }
    const slot = this.#current;
    if (slot === undefined || nowMs < slot.useByAtMs || this.#waiting.length > 0) return;
    const keep = slot.scarce ? 0 : Math.floor(this.#rate * KEEP_S);
    // Deducted first and told then: what is given back can never be spent again.
    const idle = Math.max(0, this.balance - keep);
    slot.released += idle;
    this.#givingBack ||= idle > 0;
    slot.useByAtMs = nowMs + SCARCE_USE_BY_MS;
  }

  /** The items of an urgent call if one is due: requests wait, or units will run out. */
  urgentCall(nowMs: number): ReportItem[] {
    this.#roll(nowMs);
    const ahead = this.#rate > ASK_AHEAD_RATE_MIN && this.balance <= this.#lowWater();
    const wanted = this.#waiting.length > 0 || ahead;
    const barred = this.#asking || nowMs < this.#denyUntilMs || nowMs < this.#retryAtMs;
    // Units of a window that is about to start are as good as an answer.
    if (!wanted || barred || (this.#current === undefined && this.#next?.windowId)) return [];
    this.#asking = true;
    this.#current ??= this.#newSlot(false);
    const lacking = (this.#waiting[0]?.cost ?? this.#lastCost) - this.balance;
    return [this.#item(this.#current, this.#want(), Math.max(1, lacking), nowMs)];
  }

  /** The items of a regular call if one is due: a heartbeat, or units given back. */
  regularCall(nowMs: number): ReportItem[] {
    if (this.#reporting || nowMs < this.#retryAtMs) return [];
    const beat = nowMs >= this.#heartbeatAtMs;
    if (beat) {
      this.#heartbeatAtMs = nowMs + this.#settings.heartbeatMs * (0.9 + 0.2 * this.#random());
    }
    return this.report(nowMs, beat);
  }

  /**
   * The items of a regular call at a heartbeat, or between two. Called by a proxy that has one
   * heartbeat for all its accounts.
   */
  report(nowMs: number, beat: boolean): ReportItem[] {
    this.#roll(nowMs);
    if (this.#reporting || nowMs < this.#retryAtMs) return [];
    const items: ReportItem[] = [];
    if (beat && this.#back) items.push(this.#item(this.#back, 0, 0, nowMs));
    const slot = this.#current;
    if (slot?.windowId && this.#hasNews(slot, nowMs, beat))
      items.push(this.#item(slot, 0, 0, nowMs));
    if (beat && slot?.windowId && this.#nextIsDue(slot, nowMs)) {
      this.#next ??= this.#newSlot(true);
      items.push(this.#item(this.#next, this.#want(), this.#lastCost, nowMs));
    }
    this.#reporting = items.length > 0;
    return items;
  }

  /** Takes one reply of a call that was sent at `sentMs` and received now. */
  take(reply: ReplyItem, sentMs: number, nowMs: number): void {
    this.#roll(nowMs);
    if (reply.generation === this.#back?.generation) this.#back = undefined;
    const slot = [this.#current, this.#next].find((s) => s?.generation === reply.generation);
    if (slot === undefined) return;
    if (slot.windowId !== 0 && reply.windowId !== 0 && slot.windowId !== reply.windowId) return;
    if (reply.status === 'windowOver' || reply.status === 'unknown') {
      this.#drop(slot);
      if (reply.status === 'unknown') this.#deny(nowMs + reply.denyForMs);
      return;
    }
    const useByAtMs = nowMs + reply.startsInMs + reply.useByMs;
    const brings = reply.granted > slot.granted;
    slot.useByAtMs = brings ? useByAtMs : Math.min(slot.useByAtMs, useByAtMs);
    slot.granted = Math.max(slot.granted, reply.granted);
    slot.windowId = reply.windowId;
    slot.scarce = reply.useByMs <= SCARCE_USE_BY_MS;
    // Each reply bounds the host's window from inside; the tightest bound is as true as any.
    const endsAtMs = sentMs + reply.windowLeftMs * (1 - CLOCK_RATE_ERROR);
    slot.endsAtMs = slot.endsAtMs === Infinity ? endsAtMs : Math.max(slot.endsAtMs, endsAtMs);
    slot.startsAtMs = Math.min(slot.startsAtMs, nowMs + reply.startsInMs);
    this.#roll(nowMs);
    this.#serve();
    if (reply.status === 'exhausted' && slot === this.#current) {
      this.#deny(nowMs + reply.denyForMs);
    }
  }

  /** A call was answered; `urgent` as it was sent. Called before its replies are taken. */
  answered(urgent: boolean, sentMs: number, nowMs: number): void {
    this.#ended(urgent);
    this.#failures = 0;
    this.#retryAtMs = 0;
    this.#roundTripMs += 0.2 * (nowMs - sentMs - this.#roundTripMs);
  }

  /** A call failed or was not answered in time. Nothing that is held changes. */
  failed(urgent: boolean, nowMs: number): void {
    this.#ended(urgent);
    const backOff = Math.min(BACK_OFF_MAX_MS, BACK_OFF_MIN_MS * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    this.#retryAtMs = nowMs + backOff * (0.5 + this.#random());
    // What the call was to tell is told by the next one.
    this.#reported = -1;
  }

  #ended(urgent: boolean): void {
    if (urgent) this.#asking = false;
    else this.#reporting = false;
  }

  #want(): number {
    const waiting = this.#waiting.reduce((sum, { cost }) => sum + cost, 0);
    return Math.max(waiting, Math.ceil(this.#rate * WANT_S), 1);
  }

  #lowWater(): number {
    return (this.#rate * ASK_ROUND_TRIPS * this.#roundTripMs) / 1000;
  }

  // At a heartbeat anything new is told; units given back are told at once.
  #hasNews(slot: Slot, nowMs: number, beat: boolean): boolean {
    const sum = slot.used + slot.released;
    const leaseMs = Math.max(LEASE_MIN_MS, 3 * this.#settings.heartbeatMs);
    if (this.balance > 0 && nowMs - this.#reportedAtMs >= leaseMs / 3) return true;
    return this.#givingBack || (beat && sum !== this.#reported);
  }

  #nextIsDue(slot: Slot, nowMs: number): boolean {
    const lengthMs = this.#settings.account.windowKind * 1000;
    const { heartbeatMs } = this.#settings;
    const isActive = this.#rate > ASK_AHEAD_RATE_MIN;
    const isNear = slot.endsAtMs - nowMs <= 2 * heartbeatMs && lengthMs >= 5 * heartbeatMs;
    return isActive && isNear && (this.#next?.granted ?? 0) === 0;
  }

  #item(slot: Slot, want: number, need: number, nowMs: number): ReportItem {
    const { generation, windowId, next, used, released, granted } = slot;
    if (slot === this.#current) {
      this.#reported = used + released;
      this.#reportedAtMs = nowMs;
      this.#givingBack = false;
    }
    const { account } = this.#settings;
    return { account, generation, windowId, next, used, released, granted, want, need };
  }

  // Units die with their window; those of the next one come alive with it.
  #roll(nowMs: number): void {
    if (this.#current && nowMs >= this.#current.endsAtMs) this.#current = undefined;
    if (this.#next && nowMs >= this.#next.endsAtMs) this.#next = undefined;
    if (this.#back && nowMs >= this.#back.endsAtMs) this.#back = undefined;
    const next = this.#next;
    if (next?.windowId && next.windowId === this.#current?.windowId) {
      next.released = next.granted;
      this.#back = next;
      this.#next = undefined;
      return;
    }
    if (this.#current === undefined && next && next.windowId !== 0 && nowMs >= next.startsAtMs) {
      this.#current = next;
      this.#next = undefined;
      this.#denyUntilMs = 0;
      this.#serve();
    }
  }

  #newSlot(next: boolean): Slot {
    this.#generation += 1;
    return {
      generation: this.#generation,
      next,
      windowId: 0,
      granted: 0,
      used: 0,
      released: 0,
      startsAtMs: Infinity,
      endsAtMs: Infinity,
      useByAtMs: Infinity,
      scarce: false,
    };
  }

  #drop(slot: Slot): void {
    if (slot === this.#current) this.#current = undefined;
    else this.#next = undefined;
  }

  #deny(untilMs: number): void {
    this.#denyUntilMs = untilMs;
    while (this.#waiting.length > 0) this.#settleFirst('denied', 0);
  }

  #serve(): void {
    const slot = this.#current;
    while (slot && this.#waiting[0] && this.balance >= this.#waiting[0].cost) {
      slot.used += this.#waiting[0].cost;
      this.#settleFirst('admitted', slot.windowId);
    }
  }

  #spend(request: number, cost: number): Settled {
    const slot = this.#current;
    if (slot) slot.used += cost;
    return { request, cost, verdict: 'admitted', windowId: slot?.windowId ?? 0 };
  }

  #settleFirst(verdict: Verdict, windowId: number): void {
    const first = this.#waiting.shift();
    if (first) this.#settled.push({ request: first.request, cost: first.cost, verdict, windowId });
  }
}
