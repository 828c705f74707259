/**
 * Random walks of holders against a ledger: what holders may do at all, over a network that may do
 * anything. It keeps its own count of what was admitted and must never ask the ledger for it.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ReplyItem, ReportItem } from '../../../host/quota/report.ts';
import { windowAt } from '../../../host/quota/window.ts';
import type { Ledger } from '../../../host/store/ledger.ts';

/** One step of a walk. `holder` and `message` are taken modulo what there is. */
export type Move =
  | { readonly kind: 'spend'; readonly holder: number; readonly cost: number }
  | { readonly kind: 'release'; readonly holder: number; readonly units: number }
  | {
      readonly kind: 'report';
      readonly holder: number;
      readonly want: number;
      readonly next: boolean;
    }
  | { readonly kind: 'deliver'; readonly message: number; readonly copy: boolean }
  | { readonly kind: 'lose'; readonly message: number }
  | { readonly kind: 'reopen'; readonly holder: number }
  | { readonly kind: 'crash'; readonly holder: number }
  | { readonly kind: 'quota'; readonly units: number }
  | { readonly kind: 'topUp'; readonly units: number }
  | { readonly kind: 'reset' }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'fold' };

const holder = fc.nat({ max: 5 });
const message = fc.nat({ max: 30 });
const cost = fc.integer({ min: 1, max: 5 });

/** Moves of a network without faults and holders that stay alive. */
export const calmMoves: fc.WeightedArbitrary<Move>[] = [
  { weight: 40, arbitrary: fc.record({ kind: fc.constant('spend'), holder, cost }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('release'), holder, units: cost }) },
  {
    weight: 25,
    arbitrary: fc.record({
      kind: fc.constant('report'),
      holder,
      want: fc.nat({ max: 40 }),
      next: fc.boolean(),
    }),
  },
  {
    weight: 40,
    arbitrary: fc.record({ kind: fc.constant('deliver'), message, copy: fc.constant(false) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('fold') }) },
];

/** Loss, copies and any order; holders stay alive. */
export const wildNetwork: fc.WeightedArbitrary<Move>[] = [
  {
    weight: 20,
    arbitrary: fc.record({ kind: fc.constant('deliver'), message, copy: fc.constant(true) }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('lose'), message }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('pass'), ms: fc.integer({ min: 1, max: 40_000 }) }),
  },
];

/** Holders that die, slots that are lost, windows that end, quotas and clocks that change. */
export const disasters: fc.WeightedArbitrary<Move>[] = [
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('crash'), holder }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('reopen'), holder }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('quota'), units: fc.nat({ max: 60 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('pass'),
      ms: fc.integer({ min: -70_000, max: 4_000_000 }),
    }),
  },
];

/** Units put on top of the quota, and windows that begin anew for what was used. */
export const topUps: fc.WeightedArbitrary<Move>[] = [
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('topUp'), units: cost }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reset') }) },
];

/** A holding as its holder keeps it. */
interface Slot {
  readonly generation: number;
  readonly next: boolean;
  windowId: number;
  granted: number;
  used: number;
  released: number;
}

interface WalkHolder {
  id: bigint;
  generation: number;
  /** Index 0 for the window now, 1 for the one after it. */
  readonly slots: [Slot, Slot];
}

type Message =
  | { readonly from: bigint; readonly report: ReportItem }
  | { readonly to: bigint; readonly reply: ReplyItem };

/** Settings of a walk. */
export interface WalkOptions {
  readonly ledger: Ledger;
  readonly holders: number;
  readonly quota: number;
  readonly windowSeconds: number;
}

/** A walk. After each step the units admitted in every window are at most its quota. */
export class Walk {
  readonly #ledger: Ledger;
  readonly #account;
  readonly #lengthMs: number;
  readonly #holders: WalkHolder[];
  readonly #network: Message[] = [];
  /** Admitted, and the highest quota in force, by window. */
  readonly admitted = new Map<number, number>();
  readonly #caps = new Map<number, number>();
  /** On top of the quota, by window. */
  readonly extras = new Map<number, number>();
  /** Every reply, in the order they were given. */
  readonly replies: ReplyItem[] = [];
  #lastId = 0n;
  nowMs = Date.UTC(2026, 0, 15, 12);
  quota: number;

  constructor({ ledger, holders, quota, windowSeconds }: WalkOptions) {
    this.#ledger = ledger;
    this.#account = { owner: 5n, limit: 6n, windowKind: windowSeconds, partition: 0n };
    this.#lengthMs = windowSeconds * 1000;
    this.quota = quota;
    this.#holders = Array.from({ length: holders }, () => this.#newHolder());
    this.#raiseCap();
  }

  async step(move: Move): Promise<void> {
    this.#raiseCap();
    const holder = 'holder' in move ? this.#holders[move.holder % this.#holders.length] : undefined;
    if (move.kind === 'quota') this.quota = move.units;
    else if (move.kind === 'pass') this.nowMs += move.ms;
    else if (move.kind === 'topUp' || move.kind === 'reset') await this.#topUp(move);
    else if (move.kind === 'fold') await this.#ledger.fold(this.nowMs);
    else if (move.kind === 'deliver') await this.#deliver(move.message, move.copy);
    else if (move.kind === 'lose') this.#take(move.message);
    else if (holder) this.#act(holder, move);
    this.#raiseCap();
  }

  #act(holder: WalkHolder, move: Extract<Move, { holder: number }>): void {
    const now = windowAt(this.#lengthMs, this.nowMs).windowId;
    if (move.kind === 'crash') Object.assign(holder, this.#newHolder());
    else if (move.kind === 'reopen') this.#reopen(holder, 0);
    else if (move.kind === 'report') this.#report(holder, move.want, 1, move.next);
    else if (move.kind === 'release') {
      const [slot] = holder.slots;
      slot.released += Math.min(move.units, balanceOf(slot));
    } else {
      // A holder spends in the window now; what it was granted ahead it spends when that begins.
      const slot = holder.slots.find(({ windowId }) => windowId === now);
      if (slot) this.#spend(slot, move.cost);
    }
  }

  /** As an operator does it: more than there is by some units, or as much as was used. */
  async #topUp(move: Extract<Move, { kind: 'topUp' | 'reset' }>): Promise<void> {
    const state = await this.#ledger.account(this.#account, this.nowMs);
    const { used = 0, extra = 0 } = state ?? {};
    const units = move.kind === 'reset' ? used : extra + move.units;
    await this.#ledger.topUp(this.#account, units, this.nowMs);
    const { windowId } = windowAt(this.#lengthMs, this.nowMs);
    this.extras.set(windowId, Math.max(extra, units));
  }

  #spend(slot: Slot, cost: number): void {
    if (balanceOf(slot) < cost) return;
    slot.used += cost;
    const admitted = (this.admitted.get(slot.windowId) ?? 0) + cost;
    this.admitted.set(slot.windowId, admitted);
    const cap = this.#caps.get(slot.windowId) ?? 0;
    assert.ok(admitted <= cap, `${admitted} admitted of ${cap} in window ${slot.windowId}`);
  }

  #report(holder: WalkHolder, want: number, need: number, next: boolean): void {
    const { generation, windowId, granted, used, released } = holder.slots[next ? 1 : 0];
    const counters = { generation, windowId, granted, used, released };
    const report = { account: this.#account, next, want, need, ...counters };
    this.#network.push({ from: holder.id, report });
  }

  #take(index: number): Message | undefined {
    return this.#network.splice(index % Math.max(1, this.#network.length), 1)[0];
  }

  async #deliver(index: number, copy: boolean): Promise<void> {
    const message = this.#take(index);
    if (message === undefined) return;
    if (copy && this.#network.length < 100) this.#network.push(message);
    if ('reply' in message) this.#accept(message.to, message.reply);
    else await this.#merge(message.from, message.report, true);
  }

  async #merge(from: bigint, report: ReportItem, viaNetwork: boolean): Promise<void> {
    const time = { nowMs: this.nowMs, heartbeatMs: 1000 };
    const replies = await this.#ledger.merge(from, [report], time);
    for (const reply of replies) {
      this.replies.push(reply);
      if (viaNetwork) this.#network.push({ to: from, reply });
      else this.#accept(from, reply);
    }
  }

  // The rules of docs/wire.md for replies: another generation or window is ignored.
  #accept(to: bigint, reply: ReplyItem): void {
    const holder = this.#holders.find(({ id }) => id === to);
    const index = holder?.slots.findIndex(({ generation }) => generation === reply.generation);
    const slot = holder?.slots[index ?? -1];
    if (holder === undefined || slot === undefined) return;
    if (slot.windowId !== 0 && reply.windowId !== 0 && slot.windowId !== reply.windowId) return;
    if (reply.status === 'windowOver' || reply.status === 'unknown') {
      this.#reopen(holder, index ?? 0);
      return;
    }
    slot.windowId = reply.windowId;
    slot.granted = Math.max(slot.granted, reply.granted);
  }

  /** Lets every holder ask and spend, without faults, until nobody gets anything more. */
  async drain(): Promise<void> {
    this.#network.length = 0;
    for (let idle = 0; idle < 3; idle++) {
      for (const holder of this.#holders) {
        const before = holder.slots[0].used;
        this.#report(holder, balanceOf(holder.slots[0]) + 5, 1, false);
        const message = this.#take(0);
        if (message && 'report' in message) await this.#merge(message.from, message.report, false);
        const slot = holder.slots[0];
        while (balanceOf(slot) > 0) this.#spend(slot, 1);
        if (slot.used > before) idle = 0;
      }
    }
  }

  #raiseCap(): void {
    const now = windowAt(this.#lengthMs, this.nowMs).windowId;
    for (const windowId of [now, now + 1]) {
      const cap = this.quota + (this.extras.get(windowId) ?? 0);
      this.#caps.set(windowId, Math.max(cap, this.#caps.get(windowId) ?? 0));
    }
  }

  #newHolder(): WalkHolder {
    this.#lastId += 1n;
    return { id: this.#lastId, generation: 2, slots: [newSlot(1, false), newSlot(2, true)] };
  }

  #reopen(holder: WalkHolder, index: number): void {
    holder.generation += 1;
    holder.slots[index === 0 ? 0 : 1] = newSlot(holder.generation, index !== 0);
  }
}

function newSlot(generation: number, next: boolean): Slot {
  return { generation, next, windowId: 0, granted: 0, used: 0, released: 0 };
}

function balanceOf({ granted, used, released }: Slot): number {
  return granted - used - released;
}
