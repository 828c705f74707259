/**
 * The contract of the ledger, part 1: granting, giving back, and messages that are lost, doubled
 * or late. It runs on every implementation.
 */
import assert from 'node:assert/strict';
import type { ReportItem } from '../../host/quota/report.ts';
import { type ContractTest, DAY, NOON, SECOND } from './ledger-kit.ts';

/** Promises to run one by one, each on an empty ledger. */
export const grantsContract: readonly ContractTest[] = [
  // Guarantees that the quota is a cap, and that all of it can be had while nothing fails.
  {
    name: 'two holders that contend for the last units get exactly the quota between them',
    async run(kit) {
      kit.quota = 1_000;
      const holders = [kit.holder(1n), kit.holder(2n)];
      let refused = 0;
      for (let turn = 0; refused < 2; turn++) {
        const holder = holders[turn % 2];
        if (holder === undefined) break;
        const { status } = await holder.ask(holder.balance + 30, 1);
        refused = status === 'exhausted' ? refused + 1 : 0;
        holder.used += holder.balance;
      }
      for (const holder of holders) await holder.ask();
      assert.equal(
        holders.reduce((sum, { used }) => sum + used, 0),
        1_000,
      );
      const state = await kit.ledger.account(kit.account(), kit.nowMs);
      assert.deepEqual([state?.folded, state?.out, state?.used, state?.open], [0, 1_000, 1_000, 2]);
    },
  },

  // Guarantees that the sum holds under real concurrency, not only call after call.
  {
    name: 'many holders at once never get more than the quota, and get all of it',
    async run(kit) {
      kit.quota = 500;
      const holders = Array.from({ length: 40 }, (_, index) => kit.holder(BigInt(index + 1)));
      let got = 1;
      while (got > 0) {
        const before = holders.reduce((sum, { granted }) => sum + granted, 0);
        await Promise.all(holders.map((holder) => holder.ask(25, 1)));
        got = holders.reduce((sum, { granted }) => sum + granted, 0) - before;
        assert.ok(before + got <= 500);
      }
      assert.equal(await kit.free(), 0);
    },
  },

  // Guarantees that a reply names everything a holder needs, in relative time.
  {
    name: 'a reply names account, generation, window and times',
    async run(kit) {
      const reply = await kit.holder(7n).ask(10, 1);
      assert.deepEqual(reply.account, kit.account());
      assert.deepEqual([reply.generation, reply.status, reply.quota], [1, 'ok', 100]);
      assert.deepEqual([reply.windowId, reply.startsInMs], [Math.floor(NOON / DAY) + 1, 0]);
      assert.equal(reply.windowLeftMs, DAY / 2);
      assert.deepEqual([reply.granted + reply.remaining, reply.denyForMs], [100, 0]);
      assert.ok(reply.useByMs > 0);
    },
  },

  // Guarantees that items are answered in order and do not share anything.
  {
    name: 'accounts are apart by each of their four parts',
    async run(kit) {
      kit.quota = 10;
      const parts = [{}, { owner: 12n }, { limit: 23n }, { windowKind: 3_600 }, { partition: 1n }];
      const items = parts.map((part) => kit.holder(1n, kit.account(part)).report(10, 10));
      const time = { nowMs: kit.nowMs, heartbeatMs: kit.heartbeatMs };
      const replies = await kit.ledger.merge(1n, items, time);
      assert.deepEqual(
        replies.map(({ account, granted }) => ({ account, granted })),
        items.map(({ account }) => ({ account, granted: 10 })),
      );
      assert.deepEqual(await kit.ledger.merge(1n, [], time), []);
    },
  },

  // Guarantees that ids beyond 2^53 and whole 64-bit incarnations are told apart.
  {
    name: 'ids of 64 bits are told apart',
    async run(kit) {
      kit.quota = 10;
      const top = 0xffff_ffff_ffff_ffffn;
      const accounts = [top, top - 1n].map((owner) => kit.account({ owner, partition: top }));
      for (const account of accounts) await kit.holder(top, account).ask(10, 10);
      const other = kit.holder(top - 1n, accounts[0]);
      assert.equal((await other.ask(1, 1)).status, 'exhausted');
      assert.equal(await kit.free(accounts[1]), 0);
    },
  },

  // Guarantees that a lost reply strands nothing: its units are told again, and no more.
  {
    name: 'a report that was answered already gets the same grant once more',
    async run(kit) {
      const holder = kit.holder(1n);
      const lost = await holder.send(holder.report(10, 1));
      const again = await holder.ask(10, 1);
      assert.deepEqual([again.granted, again.status], [lost.granted, 'ok']);
      assert.equal(await kit.free(), 100 - lost.granted);
    },
  },

  // Guarantees that the order of arrival does not matter: counters only grow.
  {
    name: 'reports that come late or twice change nothing',
    async run(kit) {
      const holder = kit.holder(1n);
      const reports: ReportItem[] = [];
      for (let turn = 0; turn < 4; turn++) {
        await holder.ask(holder.balance + 8, 1);
        holder.used += 3;
        holder.released += 1;
        reports.push(holder.report());
      }
      await holder.ask();
      const before = await kit.ledger.account(kit.account(), kit.nowMs);
      for (const report of [...reports, ...reports.toReversed()]) await holder.send(report);
      assert.deepEqual(await kit.ledger.account(kit.account(), kit.nowMs), before);
    },
  },

  // Guarantees that idle units find their way to whoever needs them.
  {
    name: 'what one holder gives back another one gets',
    async run(kit) {
      kit.quota = 40;
      const [one, two] = [kit.holder(1n), kit.holder(2n)];
      await one.ask(40, 40);
      assert.equal((await two.ask(5, 5)).status, 'exhausted');
      one.used += 10;
      await one.release(30);
      assert.equal(await kit.free(), 30);
      assert.deepEqual([(await two.ask(30, 30)).granted, await kit.free()], [30, 0]);
    },
  },

  // Guarantees that a unit is not granted twice because its release was reported twice.
  {
    name: 'a release counts once however often it is told',
    async run(kit) {
      const holder = kit.holder(1n);
      await holder.ask(50, 50);
      holder.released += 20;
      for (let copy = 0; copy < 3; copy++) await holder.send(holder.report());
      assert.equal(await kit.free(), 70);
    },
  },

  // Guarantees that grants too small for any request are not given (variant COST of the model).
  {
    name: 'less free than needed: nothing is granted, the rest stays for smaller needs',
    async run(kit) {
      kit.quota = 9;
      const [one, two, three] = [kit.holder(1n), kit.holder(2n), kit.holder(3n)];
      await one.ask(5, 5);
      const denied = await two.ask(5, 5);
      assert.deepEqual([denied.status, denied.granted, denied.remaining], ['exhausted', 0, 4]);
      assert.equal((await three.ask(4, 4)).granted, 4);
    },
  },

  // Guarantees that an exhausted account is not asked all the time, and never past its window.
  {
    name: 'denials last longer each time, up to the end of the window',
    async run(kit) {
      kit.quota = 1;
      await kit.holder(1n).ask(1, 1);
      const holder = kit.holder(2n);
      for (const base of [1, 2, 4, 4]) {
        const { denyForMs } = await holder.ask(1, 1);
        assert.ok(denyForMs >= 750 * base && denyForMs <= 1_250 * base, `${denyForMs} of ${base}`);
      }
      kit.nowMs = NOON + DAY / 2 - 100;
      assert.equal((await holder.ask(1, 1)).denyForMs, 100);
    },
  },

  // Guarantees that a heartbeat of a holder without wishes costs nothing and denies nothing.
  {
    name: 'a report without a wish opens nothing and is never a denial',
    async run(kit) {
      kit.quota = 0;
      const reply = await kit.holder(1n).ask();
      assert.deepEqual([reply.status, reply.denyForMs], ['ok', 0]);
      assert.equal(await kit.ledger.account(kit.account(), kit.nowMs), undefined);
    },
  },

  // Guarantees that a lowered quota is honoured at once, and a raised one usable at once.
  {
    name: 'a lowered quota grants nothing until consumption has passed it',
    async run(kit) {
      const [one, two] = [kit.holder(1n), kit.holder(2n)];
      await one.ask(80, 80);
      kit.quota = 50;
      const denied = await two.ask(1, 1);
      assert.deepEqual([denied.status, denied.remaining, denied.quota], ['exhausted', 0, 50]);
      assert.equal(denied.useByMs, 500, 'idle units are called back');
      await one.release(29);
      assert.equal((await two.ask(1, 1)).status, 'exhausted', '51 are still out');
      await one.release(2);
      assert.equal((await two.ask(1, 1)).granted, 1);
      kit.quota = 200;
      assert.equal((await two.ask(150, 150)).granted, 151);
    },
  },

  // Guarantees that a caller cannot make ledger rows by inventing accounts.
  {
    name: 'an account the policy does not know is answered so and keeps nothing',
    async run(kit) {
      kit.quota = undefined;
      const reply = await kit.holder(1n).ask(10, 1);
      assert.deepEqual([reply.status, reply.granted, reply.windowId], ['unknown', 0, 0]);
      assert.ok(reply.denyForMs > 0);
      kit.quota = 10;
      const strange = kit.holder(1n, kit.account({ windowKind: 0x80000000 }));
      assert.equal((await strange.ask(10, 1)).status, 'unknown');
      assert.equal(await kit.free(), 10);
      assert.equal(kit.ledger.stats().unknown, 2);
    },
  },

  // Guarantees that a faulty holder cannot talk units free that were spent.
  {
    name: 'counters that contradict each other change nothing',
    async run(kit) {
      const holder = kit.holder(1n);
      await holder.ask(50, 50);
      const good = holder.report();
      const bad = [
        { ...good, released: 51 },
        { ...good, used: 30, released: 21 },
        { ...good, used: -1 },
        { ...good, released: 0.5 },
        { ...good, granted: Number.NaN },
        { ...good, want: Number.POSITIVE_INFINITY },
        { ...good, windowId: 0 },
      ];
      for (const report of bad) assert.equal((await holder.send(report)).status, 'unknown');
      await holder.send({ ...good, used: 40 });
      assert.equal((await holder.send({ ...good, released: 20 })).status, 'unknown');
      assert.equal(await kit.free(), 50);
      assert.equal(kit.ledger.stats().contradictory, bad.length + 1);
    },
  },

  // Guarantees that a ledger which lost its tail learns from its holders, and that no holder can
  // push the sums past the quota by what it claims.
  {
    name: 'a holder that knows of more is believed up to what is free',
    async run(kit) {
      const [one, two] = [kit.holder(1n), kit.holder(2n)];
      await two.ask(30, 30);
      Object.assign(one, { windowId: two.windowId, granted: 60, used: 20, released: 10 });
      assert.equal((await one.ask()).status, 'ok');
      assert.equal(await kit.free(), 20);
      one.granted = 1_000_000;
      assert.equal((await one.ask(5, 5)).status, 'exhausted');
      assert.equal(await kit.free(), 0);
      const { unitsBelieved, unitsBeyondQuota } = kit.ledger.stats();
      assert.deepEqual([unitsBelieved, unitsBeyondQuota], [80, 999_920]);
    },
  },

  // Guarantees that a slot which lost its counters cannot spend them again (variant AMNESIA).
  {
    name: 'each generation is a holding of its own',
    async run(kit) {
      const holder = kit.holder(1n);
      await holder.ask(60, 60);
      const stale = holder.report();
      holder.used += 60;
      holder.reopen();
      await holder.ask(40, 40);
      assert.deepEqual([holder.granted, await kit.free()], [40, 0]);
      await holder.send(stale);
      assert.equal(await kit.free(), 0);
    },
  },

  // Guarantees that operators see what the ledger does.
  {
    name: 'counters add up',
    async run(kit) {
      const holder = kit.holder(1n);
      await holder.ask(50, 50);
      await holder.release(20);
      await holder.ask(200, 200);
      await kit.ledger.fold(kit.nowMs + SECOND);
      const { items, grants, unitsGranted, unitsReleased, exhausted, holders, invariantBroken } =
        kit.ledger.stats();
      assert.deepEqual([items, grants, unitsGranted, unitsReleased], [3, 1, 50, 20]);
      assert.deepEqual([exhausted, holders, invariantBroken], [1, 1, 0]);
    },
  },

  // Guarantees that nothing is granted by a ledger that is going away.
  {
    name: 'a closed ledger rejects every call',
    async run(kit) {
      await kit.ledger.close();
      const holder = kit.holder(1n);
      await assert.rejects(holder.ask(1, 1), { code: 'ledger_closed' });
      await assert.rejects(kit.ledger.fold(kit.nowMs), { code: 'ledger_closed' });
      await kit.ledger.close();
    },
  },
];
