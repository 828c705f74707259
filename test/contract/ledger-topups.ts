/**
 * The contract of the ledger, part 3: units on top of a quota in one window, while leases are out
 * and while holders fall silent. It runs on every implementation.
 */
import assert from 'node:assert/strict';
import { type ContractTest, DAY, type LedgerKit, MINUTE, type TestHolder } from './ledger-kit.ts';

/** Spends until nothing more comes and answers how much that was. */
async function spendAll(holders: readonly TestHolder[]): Promise<number> {
  const before = holders.reduce((sum, { used }) => sum + used, 0);
  for (let refused = 0; refused < holders.length; ) {
    for (const holder of holders) {
      const { status } = await holder.ask(30, 1);
      refused = status === 'exhausted' && holder.balance === 0 ? refused + 1 : 0;
      holder.used += holder.balance;
    }
  }
  for (const holder of holders) await holder.ask();
  return holders.reduce((sum, { used }) => sum + used, 0) - before;
}

const extraOf = async (kit: LedgerKit) =>
  (await kit.ledger.account(kit.account(), kit.nowMs))?.extra;

/** Promises to run one by one, each on an empty ledger. */
export const topUpsContract: readonly ContractTest[] = [
  // Guarantees that a top-up is worth what it says and not a unit more, said once or twice.
  {
    name: 'a window has its quota and what was put on top, and the next one its quota',
    async run(kit) {
      const holders = [kit.holder(1n), kit.holder(2n)];
      assert.equal(await spendAll(holders), 100);
      await kit.ledger.topUp(kit.account(), 40, kit.nowMs);
      await kit.ledger.topUp(kit.account(), 40, kit.nowMs);
      assert.equal(await spendAll(holders), 40);
      await kit.ledger.topUp(kit.account(), 25, kit.nowMs);
      assert.equal(await extraOf(kit), 40, 'it never falls');
      assert.equal(await spendAll(holders), 0);
      kit.nowMs += DAY;
      assert.equal(await extraOf(kit), undefined);
      for (const holder of holders) holder.reopen();
      assert.equal(await spendAll(holders), 100);
    },
  },

  // Guarantees that a top-up before the first request counts, for its account alone.
  {
    name: 'a top-up of an account that nobody used yet',
    async run(kit) {
      await kit.ledger.topUp(kit.account(), 5, kit.nowMs);
      const other = kit.account({ owner: 12n });
      assert.equal(await spendAll([kit.holder(1n)]), 105);
      assert.equal(await spendAll([kit.holder(1n, other)]), 100);
    },
  },

  // Guarantees that units which are out while a window is topped up by what was used are neither
  // lost nor given twice: quota + top-up is the most that is ever admitted.
  {
    name: 'a reset while leases are out and a holder is silent',
    async run(kit) {
      const [living, silent] = [kit.holder(1n), kit.holder(2n)];
      await living.ask(60, 1);
      await silent.ask(60, 1);
      living.used += 10;
      await living.ask();
      const used = (await kit.ledger.account(kit.account(), kit.nowMs))?.used ?? 0;
      assert.equal(used, 10);
      await kit.ledger.topUp(kit.account(), used, kit.nowMs);
      const held = silent.balance;
      assert.ok(held > 0);
      kit.nowMs += 2 * MINUTE;
      await kit.ledger.fold(kit.nowMs);
      assert.equal(living.used + (await spendAll([living])), 110 - held);
      silent.used += silent.balance;
      await silent.ask();
      assert.equal(living.used + silent.used, 110);
      assert.equal(await spendAll([living, silent]), 0);
    },
  },

  // Guarantees that a quota which is lowered below what is out takes nothing of a top-up away.
  {
    name: 'a lowered quota and a top-up add up',
    async run(kit) {
      const holder = kit.holder(1n);
      assert.equal(await spendAll([holder]), 100);
      kit.quota = 70;
      assert.equal(await spendAll([holder]), 0);
      await kit.ledger.topUp(kit.account(), 50, kit.nowMs);
      assert.equal(await spendAll([holder]), 20);
    },
  },
];
