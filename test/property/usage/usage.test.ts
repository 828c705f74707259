/**
 * Usage as a property: whatever is lost, doubled, delayed, overtaken or restarted, the sum of the
 * totals is what living holders counted, and no total is ever above it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openMemoryUsage } from '../../../host/store/usage-memory.ts';
import type { ReportedRow, UsageReport } from '../../../host/usage/report.ts';
import { counted, report, row } from '../../contract/usage-contract.ts';
import { printSeed } from '../../support/seed.ts';

printSeed();

const SLOTS = 3;
const HOLDERS = 2;

/** A holder as the filter is one: rows in slots, freed only when their count was confirmed. */
class Holder {
  readonly name: string;
  sequence = 0;
  /** Everything it ever counted. */
  total = 0;
  readonly #slots = Array.from({ length: SLOTS }, () => ({
    generation: 1,
    count: 0,
    confirmed: 0,
  }));

  constructor(name: string) {
    this.name = name;
  }

  count(slot: number, requests: number): void {
    const row = this.#slots[slot];
    if (row === undefined) return;
    row.count += requests;
    this.total += requests;
  }

  /** What a call would carry now; at most two rows, so that some are always left. */
  report(): UsageReport {
    this.sequence += 1;
    const rows: ReportedRow[] = this.#slots
      .map(({ generation, count }, slot) => row(count, { slot, generation }))
      .filter(({ slot, count }) => count !== this.#slots[slot]?.confirmed)
      .slice(0, 2);
    return report(this.sequence, rows, { holder: this.name });
  }

  /** The host has confirmed this very call; an older one says nothing. */
  confirm({ sequence, rows }: UsageReport): void {
    if (sequence !== this.sequence) return;
    for (const { slot, generation, count } of rows) {
      const own = this.#slots[slot];
      if (own?.generation === generation) own.confirmed = count;
    }
  }

  /** Frees a slot as the filter does under pressure. */
  free(slot: number): void {
    const own = this.#slots[slot];
    if (own === undefined || own.count === 0 || own.count !== own.confirmed) return;
    own.generation += 1;
    own.count = 0;
    own.confirmed = 0;
  }
}

const step = fc.oneof(
  fc.record({
    does: fc.constant('count' as const),
    holder: fc.nat({ max: HOLDERS - 1 }),
    slot: fc.nat({ max: SLOTS - 1 }),
    requests: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({
    does: fc.constantFrom('send' as const, 'lose' as const, 'deaf' as const, 'twice' as const),
    holder: fc.nat({ max: HOLDERS - 1 }),
  }),
  fc.record({ does: fc.constant('late' as const), which: fc.nat({ max: 50 }) }),
  fc.record({
    does: fc.constant('free' as const),
    holder: fc.nat({ max: HOLDERS - 1 }),
    slot: fc.nat({ max: SLOTS - 1 }),
  }),
);

// Guarantees the promise of usage in its whole breadth: never too much at any time, and all of it
// once every holder got a report through.
test('usage is neither lost nor doubled', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 50, maxLength: 300, size: 'max' }),
      async (steps) => {
        const store = openMemoryUsage();
        const holders = Array.from({ length: HOLDERS }, (_, at) => new Holder(`h${at}`));
        const sent: UsageReport[] = [];
        const all = () => holders.reduce((sum, { total }) => sum + total, 0);
        for (const one of steps) {
          const holder = 'holder' in one ? holders[one.holder] : undefined;
          if (one.does === 'count') holder?.count(one.slot, one.requests);
          else if (one.does === 'free') holder?.free(one.slot);
          else if (one.does === 'late') {
            const old = sent[one.which % Math.max(1, sent.length)];
            if (old !== undefined) await store.merge(old);
          } else if (holder !== undefined) {
            const call = holder.report();
            sent.push(call);
            if (one.does === 'twice') await store.merge(call);
            if (one.does !== 'lose') await store.merge(call);
            if (one.does === 'send' || one.does === 'twice') holder.confirm(call);
          }
          const told = await counted(store);
          assert.ok(told <= all(), `${told} of ${all()}: some were doubled`);
        }
        for (const holder of holders) {
          for (let i = 0; i < SLOTS; i++) {
            const call = holder.report();
            await store.merge(call);
            holder.confirm(call);
          }
        }
        assert.equal(await counted(store), all());
        await store.close();
      },
    ),
    { numRuns: 60 },
  );
});
