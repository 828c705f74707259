/**
 * The contract of the ledger, part 2: silent holders, windows, pre-grants and clocks. It runs on
 * every implementation.
 */
import assert from 'node:assert/strict';
import {
  type ContractTest,
  DAY,
  HOUR,
  type LedgerKit,
  MINUTE,
  NOON,
  SECOND,
} from './ledger-kit.ts';

const LEASE = 30 * SECOND;

/** Moves time on and folds, as a host does once a second. */
async function pass(kit: LedgerKit, ms: number): Promise<number> {
  kit.nowMs += ms;
  let folded = 0;
  let more = true;
  while (more) {
    const result = await kit.ledger.fold(kit.nowMs);
    folded += result.folded;
    more = result.more;
  }
  return folded;
}

/** Promises to run one by one, each on an empty ledger. */
export const windowsContract: readonly ContractTest[] = [
  // Guarantees that units of a holder that fell silent are never granted to another one: it may
  // be alive behind a cut and spend them (variant RECLAIM of the model).
  {
    name: 'a silent holder is folded after its lease, and its units stay spent',
    async run(kit) {
      const holder = kit.holder(1n);
      await holder.ask(60, 60);
      assert.equal(await pass(kit, LEASE - 1), 0);
      assert.equal(await pass(kit, 1), 1);
      const state = await kit.ledger.account(kit.account(), kit.nowMs);
      assert.deepEqual([state?.folded, state?.out, state?.open], [60, 0, 0]);
      assert.equal((await kit.holder(2n).ask(41, 41)).status, 'exhausted');
      assert.equal(await pass(kit, LEASE + SECOND), 1, 'the denied holder, silent since');
    },
  },

  // Guarantees that a fleet which falls silent at once does not hold up the grants of others.
  {
    name: 'folding is done in pieces, and all of it is done',
    async run(kit) {
      kit.quota = 10_000;
      const holders = Array.from({ length: 450 }, (_, index) => kit.holder(BigInt(index + 1)));
      await Promise.all(holders.map((holder) => holder.ask(1, 1)));
      const state = await kit.ledger.account(kit.account(), kit.nowMs);
      kit.nowMs += LEASE;
      const first = await kit.ledger.fold(kit.nowMs);
      assert.ok(first.more && first.folded < 450);
      assert.equal(first.folded + (await pass(kit, 0)), 450);
      const after = await kit.ledger.account(kit.account(), kit.nowMs);
      assert.deepEqual([after?.folded, after?.out, after?.open], [state?.out, 0, 0]);
    },
  },

  // Guarantees that a holder which reports as told is never folded.
  {
    name: 'each report extends the lease, by three of the heartbeats told',
    async run(kit) {
      const holder = kit.holder(1n);
      await holder.ask(10, 10);
      for (let beat = 0; beat < 10; beat++) {
        assert.equal(await pass(kit, LEASE - 1), 0);
        await holder.ask();
      }
      kit.heartbeatMs = MINUTE;
      await holder.ask();
      assert.equal(await pass(kit, 3 * MINUTE - 1), 0);
      assert.equal(await pass(kit, 1), 1);
    },
  },

  // Guarantees that a cut-off holder costs nothing once it is back.
  {
    name: 'true-up: what a folded holder gives back returns to the account',
    async run(kit) {
      const holder = kit.holder(1n);
      await holder.ask(60, 60);
      await pass(kit, LEASE);
      holder.used += 15;
      holder.released += 45;
      await holder.ask();
      const state = await kit.ledger.account(kit.account(), kit.nowMs);
      assert.deepEqual([state?.folded, state?.out, state?.open], [0, 15, 1]);
      assert.equal((await kit.holder(2n).ask(85, 85)).granted, 85);
      assert.deepEqual([kit.ledger.stats().folds, kit.ledger.stats().trueUps], [1, 1]);
    },
  },

  // Guarantees that neither a late holder nor a late fold makes units out of nothing.
  {
    name: 'a holder may come back folded many times over',
    async run(kit) {
      const holder = kit.holder(1n);
      await holder.ask(60, 60);
      for (let turn = 0; turn < 5; turn++) {
        await pass(kit, LEASE + SECOND);
        holder.used += 5;
        await holder.ask();
        assert.equal(await kit.free(), 40);
      }
    },
  },

  // Guarantees that forgetting a holder costs units, never makes any.
  {
    name: 'a holder that comes back after its counters were forgotten is counted again',
    async run(kit) {
      kit.quota = 200;
      const holder = kit.holder(1n);
      await holder.ask(60, 60);
      await pass(kit, LEASE);
      await pass(kit, HOUR - 1);
      await pass(kit, 1);
      await holder.release(60);
      assert.equal(await kit.free(), 140, 'what was folded stays spent');
      assert.equal(kit.ledger.stats().trueUps, 0);
    },
  },

  // Guarantees that units die with their window and a new window begins with the whole quota.
  {
    name: 'a window that is over takes no part any more',
    async run(kit) {
      const account = kit.account({ windowKind: 60 });
      const holder = kit.holder(1n, account);
      await holder.ask(100, 100);
      kit.nowMs += MINUTE;
      const over = await holder.ask(10, 1);
      assert.deepEqual([over.status, over.windowLeftMs], ['windowOver', 0]);
      assert.equal(over.windowId, holder.windowId);
      const fresh = kit.holder(1n, account);
      fresh.generation = 2;
      const reply = await fresh.ask(100, 100);
      assert.deepEqual([reply.granted, reply.windowId], [100, holder.windowId + 1]);
      assert.equal((await holder.send(holder.report())).status, 'windowOver');
      assert.equal(await kit.free(account), 0);
    },
  },

  // Guarantees that a window ends when it ends, to the millisecond.
  {
    name: 'windows of a second are apart at the second',
    async run(kit) {
      const account = kit.account({ windowKind: 1 });
      kit.nowMs = NOON + 999;
      assert.equal((await kit.holder(1n, account).ask(100, 100)).windowLeftMs, 1);
      kit.nowMs = NOON + SECOND;
      assert.equal((await kit.holder(2n, account).ask(100, 100)).granted, 100);
    },
  },

  // Guarantees that a window's start is not a stampede of cold holders.
  {
    name: 'the next window is granted shortly before it starts, once',
    async run(kit) {
      const account = kit.account({ windowKind: 60 });
      const early = kit.holder(1n, account);
      early.next = true;
      kit.nowMs = NOON + MINUTE - 4 * SECOND;
      assert.equal((await early.ask(40, 1)).status, 'windowOver', 'too early');
      kit.nowMs = NOON + MINUTE - 2 * SECOND;
      const asked = early.report(40, 1);
      const reply = await early.ask(40, 1);
      assert.deepEqual([reply.startsInMs, reply.windowLeftMs], [2 * SECOND, 62 * SECOND]);
      assert.ok(reply.granted > 0);
      assert.equal(reply.windowId, Math.floor(NOON / MINUTE) + 2);
      assert.equal((await early.send(asked)).granted, reply.granted, 'asked twice, granted once');

      kit.nowMs = NOON + MINUTE + 10;
      const late = await early.send(asked);
      assert.deepEqual([late.windowId, late.granted], [reply.windowId, reply.granted]);
      assert.deepEqual([late.status, late.startsInMs], ['ok', 0], 'it came while it began');
      assert.equal(await kit.free(account), 100 - reply.granted);
    },
  },

  // Guarantees that a pre-grant is not folded before its holder could have reported it.
  {
    name: 'the lease of a pre-grant counts from the start of its window',
    async run(kit) {
      const account = kit.account({ windowKind: 3_600 });
      kit.heartbeatMs = 30 * SECOND;
      kit.nowMs = NOON + HOUR - MINUTE;
      const early = kit.holder(1n, account);
      early.next = true;
      await early.ask(40, 1);
      assert.equal(await pass(kit, MINUTE + 90 * SECOND - 1), 0);
      assert.equal(await pass(kit, 1), 1);
    },
  },

  // Guarantees that windows too short for it are left alone.
  {
    name: 'windows of less than five heartbeats get no pre-grant',
    async run(kit) {
      const short = kit.holder(1n, kit.account({ windowKind: 4 }));
      short.next = true;
      assert.equal((await short.ask(10, 1)).status, 'windowOver');
    },
  },

  // Guarantees that the ledger does not grow for ever, and that a clock set back does not fill an
  // account again whose rows are gone.
  {
    name: 'windows long over are removed and stay closed',
    async run(kit) {
      const account = kit.account({ windowKind: 3_600 });
      await kit.holder(1n, account).ask(100, 100);
      const removed = async (ms: number) => {
        kit.nowMs += ms;
        return (await kit.ledger.fold(kit.nowMs)).removed;
      };
      assert.equal(await removed(2 * HOUR - 1), 0);
      assert.equal(await removed(1), 1);
      kit.nowMs = NOON + 1;
      const reply = await kit.holder(2n, account).ask(1, 1);
      assert.deepEqual([reply.status, reply.granted], ['exhausted', 0]);
      assert.ok(kit.ledger.stats().clockBehind > 0);
    },
  },

  // Guarantees that short windows do not pile up for an hour.
  {
    name: 'an ended window is kept for at most sixty windows',
    async run(kit) {
      await kit.holder(1n, kit.account({ windowKind: 1 })).ask(1, 1);
      kit.nowMs += 61 * SECOND - 1;
      assert.equal((await kit.ledger.fold(kit.nowMs)).removed, 0);
      kit.nowMs += 1;
      assert.equal((await kit.ledger.fold(kit.nowMs)).removed, 1);
    },
  },

  // Guarantees that a clock which is corrected by a second or two does not open windows again.
  {
    name: 'small steps of the clock backwards are held still',
    async run(kit) {
      const account = kit.account({ windowKind: 60 });
      kit.nowMs = NOON + MINUTE;
      const holder = kit.holder(1n, account);
      await holder.ask(100, 100);
      kit.nowMs = NOON + MINUTE - 2 * SECOND;
      const reply = await kit.holder(2n, account).ask(1, 1);
      assert.deepEqual([reply.windowId, reply.status], [holder.windowId, 'exhausted']);
    },
  },

  // Guarantees that a large step back neither stops the ledger nor refills the window it left.
  {
    name: 'large steps of the clock backwards are followed without refilling',
    async run(kit) {
      const holder = kit.holder(1n);
      await holder.ask(70, 70);
      kit.nowMs = NOON - DAY;
      const other = kit.holder(2n);
      assert.equal((await other.ask(100, 100)).granted, 100);
      const ahead = await holder.ask(10, 10);
      assert.deepEqual([ahead.status, ahead.granted], ['exhausted', 70], 'its window is to come');
      kit.nowMs = NOON;
      assert.equal(await kit.free(), 30);
    },
  },

  // Guarantees that who is about to run out can be told in time, and is no longer told afterwards.
  {
    name: 'an account is near exhaustion from 80 % used to the end of its window',
    async run(kit) {
      const account = kit.account({ windowKind: 3_600 });
      const holder = kit.holder(1n, account);
      await holder.ask(100, 100);
      holder.used = 79;
      await holder.ask();
      assert.deepEqual(await kit.ledger.near(kit.nowMs), []);
      holder.used = 80;
      await holder.ask();
      const endMs = NOON + HOUR;
      assert.deepEqual(await kit.ledger.near(kit.nowMs), [
        { account, used: 80, quota: 100, endMs },
      ]);
      assert.equal(kit.ledger.stats().near, 1);
      kit.quota = 1_000;
      await holder.ask();
      assert.deepEqual(await kit.ledger.near(kit.nowMs), [], 'the quota was raised');
      kit.quota = 100;
      await holder.ask();
      assert.equal((await kit.ledger.near(endMs - 1)).length, 1);
      assert.deepEqual(await kit.ledger.near(endMs), []);
    },
  },

  // Guarantees that a local share is never split over fewer holders than live: a ledger that has
  // just started does not know them yet.
  {
    name: 'holders are told once all that live have been heard',
    async run(kit) {
      const first = kit.holder(1n);
      assert.equal((await first.ask(1, 1)).holders, 0);
      kit.nowMs += 29 * SECOND;
      await kit.holder(2n).ask(1, 1);
      kit.nowMs += SECOND;
      assert.equal((await first.ask(1, 1)).holders, 2);
    },
  },
];
