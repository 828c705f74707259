/**
 * Holds the filter's arithmetic of shares to the holder that the simulation runs: the same calls
 * give the same verdicts and the same levels, to the last fraction. So what the simulation shows of
 * rates is true of the filter.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import type { ShareReply } from '../../host/quota/report.ts';
import { RateHolder } from '../simulation/rate-holder.ts';
import { printSeed, seed } from '../support/seed.ts';
import { loadCore } from './filter-core.ts';

printSeed();

const VERDICTS: Readonly<Record<number, string>> = { 0: 'ok', 1: 'exhausted', 2: 'cold' };
const RATE = 2;

let core: Awaited<ReturnType<typeof loadCore>>;
before(async () => {
  core = await loadCore();
});

type Move =
  | { readonly kind: 'ask'; readonly cost: number; readonly afterMs: number }
  | { readonly kind: 'drop'; readonly afterMs: number }
  | {
      readonly kind: 'take';
      readonly afterMs: number;
      readonly tripMs: number;
      readonly share: ShareReply;
    };

const afterMs = fc.oneof(
  { weight: 5, arbitrary: fc.nat(40) },
  fc.nat(3_000),
  fc.constantFrom(5_993, 5_994, 6_000, 60_000),
);
const anyBurst = fc.oneof(fc.nat(200 * 2 ** 20), fc.nat(10 ** 9 * 2 ** 20), fc.nat(9));
const share: fc.Arbitrary<ShareReply> = fc.record({
  status: fc.constant('ok' as const),
  number: fc.integer({ min: 1, max: 12 }),
  parts: fc.nat(2 ** 30),
  rate: fc.oneof(fc.integer({ min: 1, max: 2 ** 30 }), fc.integer({ min: 1, max: 2 ** 50 })),
  burst: anyBurst,
  start: anyBurst,
  validMs: fc.constantFrom(1, 999, 6_000, 6_001),
  holders: fc.constant(1),
  approximate: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  denyForMs: fc.constant(0),
});
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      cost: fc.integer({ min: 1, max: 30 }),
      afterMs,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), afterMs }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('take' as const),
      afterMs,
      tripMs: fc.nat(500),
      share,
    }),
  },
);

/** What the filter holds: number, parts, level, level given back, until when. */
function state(): bigint[] {
  core.shareState();
  const view = new DataView(core.memory.buffer, core.OUT.value as number, 40);
  return [0, 8, 16, 24, 32].map((at) => view.getBigUint64(at, true));
}

function take(reply: ShareReply, sentMs: bigint, nowMs: bigint): void {
  const { number, parts, rate, burst, start, validMs, approximate } = reply;
  const view = new DataView(core.memory.buffer, core.IN.value as number, 56);
  const fields = [number, parts, rate, burst, start, validMs, approximate ? 1 : 0];
  for (const [i, value] of fields.entries()) view.setBigUint64(i * 8, BigInt(value), true);
  core.shareTake(sentMs, nowMs);
}

// Guarantees that the simulated holder and the filter are one and the same machine.
test('filter and simulated holder agree on every verdict and every level', () => {
  fc.assert(
    fc.property(fc.array(move, { minLength: 1, maxLength: 60 }), (moves) => {
      const holder = new RateHolder();
      core.shareBegin(RATE, 100n, 1, 100);
      let now = 100_000n;
      for (const each of moves) {
        now += BigInt(each.afterMs);
        if (each.kind === 'ask') {
          const verdict = holder.ask(each.cost, now);
          if (verdict === 'ok') holder.spend(each.cost);
          assert.equal(VERDICTS[core.shareSpend(each.cost, now)], verdict);
        } else if (each.kind === 'drop') {
          holder.drop();
          core.shareDrop();
        } else {
          const sentMs = now - BigInt(each.tripMs);
          holder.take(each.share, sentMs, now);
          take(each.share, sentMs, now);
        }
        const { number, parts, level, given, validUntilMs } = holder;
        assert.deepEqual(state(), [number, parts, level, given >> 10n, validUntilMs]);
      }
    }),
    { seed, numRuns: 400 },
  );
});

// Guarantees that a level never passes its burst and never falls below nothing, at the largest
// amounts and after the longest silence.
test('the largest amounts neither overflow nor run out of range', () => {
  core.shareBegin(RATE, 10n ** 9n, 1, 10 ** 9);
  const burst = 10 ** 9 * 2 ** 20;
  const largest: ShareReply = {
    ...{ status: 'ok', number: 1, parts: 2 ** 30, burst, start: burst, validMs: 0xffffffff },
    ...{ rate: 10 ** 6 * 2 ** 30, holders: 1, approximate: true, denyForMs: 0 },
  };
  take(largest, 1n, 1n);
  const full = BigInt(burst) << 10n;
  assert.equal(state()[2], full);
  assert.equal(VERDICTS[core.shareSpend(10 ** 9, 1n)], 'ok');
  assert.equal(state()[2], 0n);
  assert.equal(VERDICTS[core.shareSpend(1, 1n)], 'exhausted');
  assert.equal(VERDICTS[core.shareSpend(10 ** 9, 2n ** 50n)], 'ok');
  assert.equal(VERDICTS[core.shareSpend(4_294_967_295, 2n ** 51n)], 'exhausted');
});

// Guarantees B3 for every holder: whatever stretch of a window's length is looked at, no more than
// its part of the local share was lent in it; and the whole part can be had.
test('what is borrowed stays within the part in any stretch of a window', () => {
  const asks = fc.array(
    fc.record({
      cost: fc.integer({ min: 1, max: 9 }),
      afterMs: fc.oneof(fc.nat(50), fc.nat(4_000)),
    }),
    { minLength: 50, maxLength: 200 },
  );
  fc.assert(
    fc.property(asks, fc.integer({ min: 1, max: 8 }), (list, holders) => {
      const most = Math.floor(Math.floor((1_000 * 100) / 1_000) / holders);
      core.borrowBegin(1_000n, 5, 100, holders);
      const lent: { readonly at: number; readonly cost: number }[] = [];
      let at = 10_000;
      for (const { cost, afterMs } of list) {
        at += afterMs;
        if (core.borrowOnce(cost, BigInt(at)) === 1) lent.push({ at, cost });
      }
      core.borrowEnd();
      assert.ok(lent.length > 0);
      for (const [i, first] of lent.entries()) {
        const inWindow = lent.slice(i).filter((each) => each.at < first.at + 5_000);
        const units = inWindow.reduce((sum, { cost }) => sum + cost, 0);
        assert.ok(units <= most, `${units} of ${most}`);
      }
    }),
    { seed, numRuns: 100 },
  );
  core.borrowBegin(1_000n, 5, 100, 4);
  assert.deepEqual([core.borrowOnce(25, 20_000n), core.borrowOnce(1, 20_001n)], [1, 0]);
  core.borrowEnd();
  core.borrowBegin(1_000n, 5, 100, 0);
  assert.equal(core.borrowOnce(1, 20_000n), 0, 'nothing while the holders are not known');
  core.borrowEnd();
});
