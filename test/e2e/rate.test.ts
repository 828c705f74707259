/**
 * The promise of rate limits on real proxies: two Envoys with two workers each, loaded beyond the
 * rate. The witness is the time at which each worker began with a request that passed.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { excessOf } from '../support/interval.ts';
import { APPLICATION } from '../support/policies.ts';
import { Load } from '../support/requests.ts';
import { Rig } from '../support/rig.ts';
import { until } from '../support/wait.ts';

const RATE = 100;
const BURST = 50;
const SETTING = {
  limits: [{ name: 'second', class: 'rate' as const, quota: RATE, window: '1s', burst: BURST }],
};
/** A request that waited for its worker's first share began so much before it was decided. */
const WAITED_UNITS = 4;
/** A worker may be put aside between its look at the clock and the filter's, on a busy machine. */
const ASIDE_MS = 30;

/** Requests that passed, by when their worker began with them, over all proxies. */
function passed(rig: Rig): { readonly atMs: number; readonly cost: number }[] {
  return rig.proxies.flatMap((_, proxy) =>
    readFileSync(rig.accessLog(proxy), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { start: string; status: number | string })
      .filter(({ status }) => Number(status) === 200)
      .map(({ start }) => ({ atMs: Math.round(Number(start) * 1000), cost: 1 })),
  );
}

/** One connection to a proxy, and with it to one of its workers. */
function connection(rig: Rig, key: string, proxy: number, perSecond: number): Load {
  const headers = { 'x-api-key': key };
  return new Load({
    ...{ connections: 1, perSecond },
    next: () => ({ port: rig.port(proxy), path: '/orders', headers }),
  });
}

// Guarantees B6 on four workers, and that a balanced load gets what it pays for; tells what a
// skewed one gets.
test('100 a second over four workers: never above, and 95 % used under a balanced load', async (t) => {
  await using rig = await Rig.start({ setting: SETTING, proxies: 2, workers: 2, balanced: true });
  const { key } = await rig.host.createKey(APPLICATION);
  const loads = [0, 0, 1, 1].map((proxy) => connection(rig, key, proxy, 60));
  await until('the load runs', () => loads.every((load) => load.total > 20), {
    deadlineMs: 60_000,
  });
  await delay(10_000);
  const fromMs = Date.now();
  await delay(6_000);
  const toMs = Date.now();
  for (const load of loads.slice(1)) await load.stop();
  const skewedMs = Date.now();
  await delay(4_000);
  const skewedToMs = Date.now();
  await loads[0]?.stop();
  // Access logs are written every second.
  await delay(1_500);
  const all = passed(rig);
  const rateIn = (from: number, to: number) =>
    all.filter(({ atMs }) => atMs >= from && atMs < to).length / ((to - from) / 1000);
  const used = rateIn(fromMs, toMs) / RATE;
  const skewed = rateIn(skewedMs, skewedToMs) / RATE;
  const excess = excessOf(all, RATE, BURST);
  t.diagnostic(
    `used ${(used * 100).toFixed(1)} % balanced, ${(skewed * 100).toFixed(1)} % in the first ` +
      `4 s with all load on one worker; ${excess.toFixed(2)} units above burst + rate × time`,
  );
  assert.ok(excess <= WAITED_UNITS + (RATE * ASIDE_MS) / 1000, `${excess} units above`);
  assert.ok(used >= 0.95, `${used} of the rate used`);
});
