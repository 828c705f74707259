/**
 * Properties of the ledger over random walks: never more admitted than the quota, sums that add
 * up, all of the quota usable, and two implementations that answer alike.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../../host/quota/random.ts';
import type { LimitTerms } from '../../../host/quota/report.ts';
import type { HoldingRow } from '../../../host/quota/rows.ts';
import { MemoryRows, openMemoryLedger } from '../../../host/store/ledger-memory.ts';
import { openSqliteLedger } from '../../../host/store/ledger-sqlite.ts';
import { Folder } from '../../support/folders.ts';
import { printSeed } from '../../support/seed.ts';
import { calmMoves, disasters, type Move, topUps, Walk, wildNetwork } from './walk.ts';

printSeed();

/** Rows that count the folded holdings whose counters were waited for in vain. */
class CountingRows extends MemoryRows {
  forgotten = 0;

  override dropHolding(holding: HoldingRow): void {
    this.forgotten += 1;
    super.dropHolding(holding);
  }
}

/** A walk over a ledger in memory, with its rows to look into. */
function memoryWalk(holders: number, quota: number, windowSeconds: number) {
  const rows = new CountingRows();
  const terms: { walk?: Walk } = {};
  const resolve = (): LimitTerms => ({ quota: terms.walk?.quota ?? 0 });
  const ledger = openMemoryLedger({ resolve, random: seededRandom(1), rows });
  const walk = new Walk({ ledger, holders, quota, windowSeconds });
  terms.walk = walk;
  return { walk, rows, ledger };
}

function movesOf(...kinds: fc.WeightedArbitrary<Move>[][]): fc.Arbitrary<Move[]> {
  return fc.array(fc.oneof(...kinds.flat()), { maxLength: 400, size: 'max' });
}

/** The sums a window keeps are those of its holdings. */
function assertBooks(rows: MemoryRows): void {
  for (const window of rows.windows()) {
    const open = rows.holdingsOf(window.row).filter(({ folded }) => !folded);
    const out = open.reduce((sum, { granted, released }) => sum + granted - released, 0);
    assert.deepEqual([window.out, window.open], [out, open.length]);
    assert.ok(window.folded >= 0 && window.used <= window.folded + window.out);
  }
}

const holders = fc.integer({ min: 1, max: 6 });
const quota = fc.integer({ min: 1, max: 60 });
const windowSeconds = fc.constantFrom(1, 60, 3_600, 86_400);

// Guarantees B1: whatever is lost, doubled, late or killed, the quota is a cap in every window.
// The walk itself fails at the first unit too many.
test('never more is admitted than the quota', async () => {
  const moves = movesOf(calmMoves, wildNetwork, disasters, topUps);
  await fc.assert(
    fc.asyncProperty(holders, quota, windowSeconds, moves, async (count, units, seconds, steps) => {
      const { walk, rows, ledger } = memoryWalk(count, units, seconds);
      for (const move of steps) {
        await walk.step(move);
        assertBooks(rows);
      }
      assert.equal(ledger.stats().invariantBroken, 0);
      // What an honest holder says after true-up's time may not fit under the quota any more: it is
      // cut, and copies older still contradict what was kept. All of that admits nothing.
      if (rows.forgotten > 0) return;
      assert.equal(ledger.stats().contradictory, 0, 'an honest holder is never called a liar');
    }),
    { numRuns: 400 },
  );
});

// Guarantees that the cap holds by the sums alone: C + sum(G - R) <= L after every step.
test('what is folded and what is out is at most the quota', async () => {
  const moves = movesOf(
    calmMoves,
    wildNetwork,
    topUps,
    disasters.filter((_, index) => index < 2),
  );
  await fc.assert(
    fc.asyncProperty(holders, quota, moves, async (count, units, steps) => {
      const { walk, rows } = memoryWalk(count, units, 86_400);
      for (const move of steps) {
        await walk.step(move);
        for (const { folded, out, windowId, extra } of rows.windows()) {
          assert.equal(extra, walk.extras.get(windowId) ?? 0);
          assert.ok(folded + out <= units + extra);
        }
      }
    }),
    { numRuns: 200 },
  );
});

// Guarantees that exactness costs nothing: while no holder dies, every unit of the quota is used
// in the end, whatever the network did and however often holders were folded meanwhile.
test('the whole quota is used when no holder is lost', async () => {
  const moves = movesOf(calmMoves, wildNetwork, topUps);
  await fc.assert(
    fc.asyncProperty(holders, quota, moves, async (count, units, steps) => {
      const { walk } = memoryWalk(count, units, 86_400);
      for (const move of steps) await walk.step(move);
      await walk.drain();
      const [extra = 0] = walk.extras.values();
      assert.deepEqual([...walk.admitted.values()], [units + extra]);
    }),
    { numRuns: 300 },
  );
});

// Guarantees that tests on the ledger in memory speak for the one that hosts use.
test('memory and SQLite answer alike', async () => {
  await using folder = await Folder.make();
  let files = 0;
  const moves = movesOf(calmMoves, wildNetwork, disasters, topUps);
  await fc.assert(
    fc.asyncProperty(holders, quota, windowSeconds, moves, async (count, units, seconds, steps) => {
      files += 1;
      const memory = memoryWalk(count, units, seconds).walk;
      const terms: { walk?: Walk } = {};
      const ledger = await openSqliteLedger({
        path: folder.join(`${files}.db`),
        resolve: () => ({ quota: terms.walk?.quota ?? 0 }),
        seed: 1,
        gatherMs: 0,
      });
      try {
        const walk = new Walk({ ledger, holders: count, quota: units, windowSeconds: seconds });
        terms.walk = walk;
        for (const move of steps.slice(0, 80)) {
          await memory.step(move);
          await walk.step(move);
        }
        assert.deepEqual(walk.replies, memory.replies);
      } finally {
        await ledger.close();
      }
    }),
    { numRuns: 15, endOnFailure: true },
  );
});
