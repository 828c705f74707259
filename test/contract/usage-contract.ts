/**
 * The contract of the store of usage: what its promises are worth when reports are lost, doubled or
 * late. It uses the interface alone.
 */
import assert from 'node:assert/strict';
import type { UsageStore } from '../../host/store/usage.ts';
import {
  HOUR_MS,
  hourOf,
  type ReportedRow,
  type UsageKind,
  type UsageLabels,
  type UsageReport,
} from '../../host/usage/report.ts';

/** A moment well inside an hour. */
export const MOMENT = Date.UTC(2026, 4, 4, 12, 30);

/** One promise. */
export interface UsageContractTest {
  readonly name: string;
  run(store: UsageStore): Promise<void>;
}

/** Whose requests the rows of the tests count. */
export const LABELS: UsageLabels = {
  group: 'default',
  namespace: 'default',
  consumer: 'acme',
  application: 'shop',
  plan: 'gold',
  product: 'orders',
  operation: 'list',
  subscriptionId: 7,
  productId: 5,
  operationId: 6,
  other: false,
};
const ALLOWED: UsageKind = { reason: 'allowed', mode: 'enforce', status: 0, latency: 0 };

/** A row with this count. */
export function row(count: number, more: Partial<ReportedRow> = {}): ReportedRow {
  return { slot: 0, generation: 1, count, labels: LABELS, kind: ALLOWED, ...more };
}

/** A report of holder `a`. */
export function report(sequence: number, rows: ReportedRow[], more: Partial<UsageReport> = {}) {
  const base = { holder: 'a', group: 'default', batch: sequence, last: false, touched: [] };
  return { ...base, heartbeatMs: 1_000, nowMs: MOMENT, sequence, rows, ...more };
}

const EVER = { fromHour: 0, toHour: hourOf(MOMENT) + 100, filter: {}, offset: 0, limit: 1_000 };

/** Requests of all hours. */
export async function counted(store: UsageStore, filter = {}): Promise<number> {
  const totals = await store.totals({ ...EVER, filter, responses: false });
  return totals.reduce((sum, { count }) => sum + count, 0);
}

/** Every promise of a store of usage. */
export const usageContract: UsageContractTest[] = [
  {
    name: 'a report is confirmed by its number, and doubled or late ones add nothing',
    async run(store) {
      assert.equal(await store.merge(report(1, [row(5)])), 1);
      assert.equal(await store.merge(report(1, [row(5)])), 1);
      assert.equal(await store.merge(report(3, [row(9)])), 3);
      await store.merge(report(2, [row(7)]));
      assert.equal(await counted(store), 9);
    },
  },
  {
    name: 'a slot under a new generation begins anew, and the old one is over',
    async run(store) {
      await store.merge(report(1, [row(5)]));
      await store.merge(report(2, [row(2, { generation: 2 })]));
      await store.merge(report(3, [row(6)]));
      assert.equal(await counted(store), 7);
    },
  },
  {
    name: 'holders are counted apart, and hours as they come',
    async run(store) {
      await store.merge(report(1, [row(5)]));
      await store.merge(report(1, [row(3)], { holder: 'b' }));
      await store.merge(report(2, [row(6)], { nowMs: MOMENT + HOUR_MS }));
      const totals = await store.totals({ ...EVER, responses: false });
      assert.deepEqual(
        totals.map(({ hour, count }) => [hour - hourOf(MOMENT), count]),
        [
          [0, 8],
          [1, 1],
        ],
      );
    },
  },
  {
    name: 'totals are chosen by name and paged in order',
    async run(store) {
      const labels = { ...LABELS, application: 'other', subscriptionId: 8 };
      const denied = { ...ALLOWED, reason: 'quota_exceeded' };
      await store.merge(
        report(1, [row(1), row(2, { slot: 1, labels }), row(4, { slot: 2, kind: denied })]),
      );
      assert.equal(await counted(store, { application: 'other' }), 2);
      assert.equal(await counted(store, { subscriptionId: 7 }), 5);
      assert.equal(await counted(store, { namespaces: ['elsewhere', 'default'] }), 7);
      assert.equal(await counted(store, { namespaces: ['elsewhere'] }), 0);
      assert.equal(await counted(store, { reason: 'quota_exceeded', product: 'orders' }), 4);
      const pages = [0, 1, 2].map((offset) =>
        store.totals({ ...EVER, responses: false, offset, limit: 1 }),
      );
      const paged = (await Promise.all(pages)).flat().map(({ count }) => count);
      assert.deepEqual(paged.toSorted(), [1, 2, 4]);
    },
  },
  {
    name: 'responses are kept beside requests, never added to them',
    async run(store) {
      const answered = { ...ALLOWED, status: 2, latency: 3 };
      await store.merge(report(1, [row(5), row(4, { slot: 1, kind: answered })]));
      assert.equal(await counted(store), 5);
      const [total] = await store.totals({ ...EVER, responses: true });
      assert.deepEqual([total?.count, total?.kind.status, total?.kind.latency], [4, 2, 3]);
    },
  },
  {
    name: 'a holder that goes without its last word leaves a gap, and takes it back when it returns',
    async run(store) {
      await store.merge(report(1, [row(5)]));
      const [silent] = await store.silent(MOMENT + 1, 10);
      assert.equal(silent?.holder, 'a');
      const gap = {
        holder: 'a',
        group: 'default',
        fromMs: MOMENT,
        toMs: MOMENT + 900,
        lostMs: 900,
      };
      await store.end([{ ...gap, reportedMs: MOMENT }]);
      assert.deepEqual(await store.gaps(MOMENT - HOUR_MS, MOMENT + HOUR_MS), [gap]);
      assert.deepEqual(await store.gaps(MOMENT + HOUR_MS, MOMENT + 2 * HOUR_MS), []);
      await store.merge(report(2, [row(8)]));
      assert.deepEqual(await store.gaps(0, MOMENT + HOUR_MS), []);
      assert.equal(await counted(store), 8);
    },
  },
  {
    name: 'a holder that reported meanwhile is not ended, nor one that said its last word',
    async run(store) {
      const gap = { holder: 'a', group: 'default', fromMs: MOMENT, toMs: MOMENT, lostMs: 0 };
      await store.merge(report(1, [row(5)]));
      await store.merge(report(2, [], { nowMs: MOMENT + 5 }));
      await store.end([{ ...gap, reportedMs: MOMENT }]);
      await store.merge(report(4, [row(6)], { last: true, nowMs: MOMENT + 9 }));
      // Overtaken by the last one: it must not make the holder live again.
      await store.merge(report(3, [row(6)], { nowMs: MOMENT + 10 }));
      await store.end([{ ...gap, reportedMs: MOMENT + 9 }]);
      assert.deepEqual(await store.silent(MOMENT + HOUR_MS, 10), []);
      assert.deepEqual(await store.gaps(0, MOMENT + HOUR_MS), []);
    },
  },
  {
    name: 'a holder of which the counts are forgotten adds nothing any more',
    async run(store) {
      await store.merge(report(1, [row(5)], { last: true }));
      await store.forget(MOMENT + 2 * HOUR_MS, 0);
      await store.merge(report(1, [row(5)]));
      assert.equal(await counted(store), 5);
    },
  },
  {
    name: 'old hours are forgotten, young ones are not',
    async run(store) {
      await store.merge(report(1, [row(5)]));
      await store.merge(report(2, [row(7)], { nowMs: MOMENT + HOUR_MS }));
      await store.forget(MOMENT + 2 * HOUR_MS, MOMENT + HOUR_MS);
      assert.equal(await counted(store), 2);
    },
  },
  {
    name: 'the newest use of a credential is kept',
    async run(store) {
      await store.merge(report(1, [], { touched: [3, 4] }));
      await store.merge(report(2, [], { touched: [3], nowMs: MOMENT + 50 }));
      await store.merge(report(2, [], { touched: [3], nowMs: MOMENT - 50 }));
      assert.deepEqual(await store.lastUsed([3, 4, 5]), [
        [3, MOMENT + 50],
        [4, MOMENT],
      ]);
    },
  },
];
