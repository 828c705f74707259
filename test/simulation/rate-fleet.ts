/**
 * A fleet under one rate limit in virtual time: holders with clocks of their own, a network with
 * faults, and the host's real shares. Every admission is kept with its time, so that the promise
 * can be checked over all intervals. One seed is one history.
 */
import { seededRandom } from '../../host/quota/random.ts';
import type { Account, AccountTerms, ShareReply, ShareReport } from '../../host/quota/report.ts';
import { Shares } from '../../host/quota/share.ts';
import { type Admission, excessOf } from '../support/interval.ts';
import { CALL_TIMEOUT_MS } from './fleets.ts';
import { VirtualTime } from './queue.ts';
import { RateHolder } from './rate-holder.ts';

const TICK_MS = 100;
const HOLD_MS = 60;
const IDLE_MS = 10_000n;
const RENEW_MS = 2_000n;
/** Rates of clocks differ by at most this from true time. */
const CLOCK_RATE_ERROR = 0.001;

/** What goes wrong; absent = nothing. Rates are probabilities; spans are ms from the start. */
export interface RateFaults {
  readonly loss?: number;
  /** A report is delivered a second time, up to 3 s later. */
  readonly copy?: number;
  /** Longest extra delay of a message, so that they overtake each other. */
  readonly delayMs?: number;
  /** A holder dies and another one takes its place, per holder and minute. */
  readonly crashPerMinute?: number;
  /** In these spans every other holder is cut off. */
  readonly partitions?: readonly (readonly [number, number])[];
  /** In these spans the host is down; it comes back knowing nothing. */
  readonly hostDown?: readonly (readonly [number, number])[];
  /** It gives shares at once when it comes back: what must never happen. */
  readonly hostDoesNotLearn?: boolean;
}

/** A simulation. */
export interface RateScenario {
  readonly seed: number;
  readonly quota: number;
  readonly windowSeconds: number;
  readonly burst?: number;
  readonly durationMs: number;
  /** Requests per second of each holder at a time; their number is that of holders. */
  readonly loads: readonly ((atMs: number) => number)[];
  readonly cost?: (random: number) => number;
  readonly faults?: RateFaults;
}

/** What came out. */
export interface RateOutcome {
  readonly admissions: readonly Admission[];
  /** Units above burst + rate × time in the worst interval, clocks and their steps allowed for. */
  readonly excess: number;
  readonly reports: number;
  /** Units admitted in a span. */
  between(fromMs: number, toMs: number): number;
}

interface Member {
  id: bigint;
  holder: RateHolder;
  /** Local time = this much faster than true time, and so far ahead. */
  rate: number;
  aheadMs: number;
  sequence: number;
  inFlight: boolean;
  notBeforeMs: bigint;
  denyUntilMs: bigint;
  lastUseMs: bigint;
  reportedMs: bigint;
  ackNumber: bigint;
  prompted: boolean;
  waiting: { readonly cost: number; readonly untilMs: number }[];
  readonly index: number;
}

/** Runs a scenario to its end. */
export function simulateRate(scenario: RateScenario): RateOutcome {
  return new RateFleet(scenario).run();
}

class RateFleet {
  readonly #scenario: RateScenario;
  readonly #faults: RateFaults;
  readonly #random: () => number;
  readonly #time = new VirtualTime(0);
  readonly #account: Account;
  readonly #terms: AccountTerms;
  readonly #members: Member[];
  readonly #admissions: Admission[] = [];
  #shares: Shares;
  #lastHolder = 0n;
  #reports = 0;

  constructor(scenario: RateScenario) {
    this.#scenario = scenario;
    this.#faults = scenario.faults ?? {};
    this.#random = seededRandom(scenario.seed);
    const { quota, windowSeconds, burst = quota } = scenario;
    this.#account = { owner: 1n, limit: 1n, windowKind: windowSeconds, partition: 0n };
    this.#terms = { quota, burst, class: 'rate' };
    this.#shares = this.#newShares(false);
    this.#members = scenario.loads.map((_, index) => ({ index, ...this.#newMember() }));
  }

  run(): RateOutcome {
    for (const member of this.#members) this.#nextRequest(member);
    this.#time.every(TICK_MS, TICK_MS, () => this.#tick());
    this.#time.every(5_000, 5_000, () => this.#shares.sweep());
    for (const [, untilMs] of this.#faults.hostDown ?? []) {
      this.#time.after(untilMs, () => {
        this.#shares = this.#newShares(this.#faults.hostDoesNotLearn !== true);
      });
    }
    this.#time.runUntil(this.#scenario.durationMs);
    const { quota, windowSeconds, burst = quota } = this.#scenario;
    // Clocks run faster by 0.1 %, and a step of a millisecond brings in what belongs to it.
    const perSecond = (quota / windowSeconds) * (1 + CLOCK_RATE_ERROR * 1.01);
    const admissions = this.#admissions;
    return {
      admissions,
      excess: excessOf(admissions, perSecond, burst + perSecond / 1000),
      reports: this.#reports,
      between: (fromMs, toMs) =>
        admissions
          .filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
          .reduce((sum, { cost }) => sum + cost, 0),
    };
  }

  #newShares(learn: boolean): Shares {
    return new Shares({
      // Its clock is off as well, by as much as any other.
      clockMs: () => this.#time.nowMs * (1 + CLOCK_RATE_ERROR),
      learn,
      firstNumber: 1 + Math.floor(this.#time.nowMs * 1_000),
      onPrompt: (id) => this.#prompt(id),
    });
  }

  #newMember() {
    this.#lastHolder += 1n;
    return {
      ...{ id: this.#lastHolder, holder: new RateHolder() },
      rate: 1 + CLOCK_RATE_ERROR * (2 * this.#random() - 1),
      aheadMs: this.#random() * 100_000,
      ...{ sequence: 0, inFlight: false, notBeforeMs: 0n, denyUntilMs: 0n, lastUseMs: -1n << 40n },
      ...{ reportedMs: 0n, ackNumber: 0n, prompted: false, waiting: [] },
    };
  }

  #nowOf({ rate, aheadMs }: Member): bigint {
    return BigInt(Math.floor(this.#time.nowMs * rate + aheadMs));
  }

  #nextRequest(member: Member): void {
    const perMs = (this.#scenario.loads[member.index]?.(this.#time.nowMs) ?? 0) / 1000;
    const gapMs = perMs > 0 ? -Math.log(1 - this.#random()) / perMs : TICK_MS;
    this.#time.after(Math.min(gapMs, 1_000), () => {
      if (perMs > 0 && gapMs <= 1_000) this.#request(member);
      this.#nextRequest(member);
    });
  }

  #request(member: Member): void {
    const cost = this.#scenario.cost?.(this.#random()) ?? 1;
    member.lastUseMs = this.#nowOf(member);
    if (this.#decide(member, cost)) return;
    member.waiting.push({ cost, untilMs: this.#time.nowMs + HOLD_MS });
    this.#pump(member);
  }

  /** False = it has to wait. */
  #decide({ holder, ...member }: Member, cost: number): boolean {
    const verdict = holder.ask(cost, this.#nowOf({ holder, ...member }));
    if (verdict === 'cold') return false;
    if (verdict === 'ok') {
      holder.spend(cost);
      this.#admissions.push({ atMs: this.#time.nowMs, cost });
    }
    return true;
  }

  #tick(): void {
    const crash = (this.#faults.crashPerMinute ?? 0) * (TICK_MS / 60_000);
    for (const member of this.#members) {
      if (crash > 0 && this.#random() < crash) Object.assign(member, this.#newMember());
      if (this.#nowOf(member) - member.lastUseMs >= IDLE_MS) member.holder.drop();
      this.#pump(member);
    }
  }

  #isIn(spans: readonly (readonly [number, number])[] | undefined): boolean {
    const now = this.#time.nowMs;
    return spans?.some(([from, to]) => now >= from && now < to) ?? false;
  }

  /** Sends a report if the filter would. */
  #pump(member: Member): void {
    const now = this.#nowOf(member);
    member.waiting = member.waiting.filter(({ untilMs }) => untilMs > this.#time.nowMs);
    const { holder, prompted } = member;
    if (member.inFlight || now < member.notBeforeMs) return;
    const idle = now - member.lastUseMs >= IDLE_MS;
    const none = holder.number === 0n;
    const barred = none && member.denyUntilMs > now && !prompted;
    const asks = member.waiting.length > 0 || (none && member.denyUntilMs > 0n && !idle);
    const due = now - member.reportedMs >= RENEW_MS || holder.number !== member.ackNumber;
    if (barred || !(asks || holder.leaving || (!none && (due || prompted)))) return;
    this.#report(member, now);
  }

  #report(member: Member, now: bigint): void {
    const { holder, id } = member;
    member.sequence += 1;
    member.inFlight = true;
    member.reportedMs = now;
    member.prompted = false;
    this.#reports += 1;
    const report: ShareReport = {
      generation: 1,
      sequence: member.sequence,
      want: !holder.leaving,
      number: Number(holder.number),
      parts: Number(holder.parts),
      given: Number(holder.given >> 10n),
      need: 1,
    };
    const { sequence } = member;
    const mine = () => member.id === id && member.sequence === sequence && member.inFlight;
    this.#send(member, () => {
      const reply = this.#shares.answer(id, this.#account, this.#terms, report);
      this.#send(member, () => mine() && this.#receive(member, report, reply, now));
    });
    if (this.#random() < (this.#faults.copy ?? 0)) {
      this.#time.after(this.#random() * 3_000, () => {
        if (!this.#isIn(this.#faults.hostDown))
          this.#shares.answer(id, this.#account, this.#terms, report);
      });
    }
    this.#time.after(CALL_TIMEOUT_MS, () => {
      if (!mine()) return;
      member.inFlight = false;
      member.notBeforeMs = this.#nowOf(member) + 200n;
    });
  }

  /** One way of the network, to the host or from it. */
  #send(member: Member, arrive: () => void): void {
    const { loss = 0, delayMs = 0, partitions, hostDown } = this.#faults;
    if (this.#random() < loss) return;
    const cut = () => (member.index % 2 === 1 && this.#isIn(partitions)) || this.#isIn(hostDown);
    this.#time.after(2 + this.#random() * (3 + delayMs), () => {
      if (!cut()) arrive();
    });
  }

  #receive(member: Member, report: ShareReport, reply: ShareReply, sentMs: bigint): void {
    const now = this.#nowOf(member);
    const { holder } = member;
    member.inFlight = false;
    member.ackNumber = BigInt(report.number);
    if (holder.number === 0n && report.number === 0 && !report.want) holder.leaving = false;
    member.denyUntilMs = reply.status === 'ok' ? 0n : now + BigInt(reply.denyForMs);
    if (reply.number !== 0) holder.take(reply, sentMs, now);
    else if (reply.status === 'exhausted' && now >= holder.validUntilMs) holder.forget();
    const waiting = member.waiting.splice(0);
    for (const each of waiting) if (!this.#decide(member, each.cost)) member.waiting.push(each);
    this.#pump(member);
  }

  #prompt(id: bigint): void {
    const member = this.#members.find((each) => each.id === id);
    if (member === undefined) return;
    this.#send(member, () => {
      if (member.id !== id) return;
      member.prompted = true;
      this.#pump(member);
    });
  }
}
