/**
 * A host that is killed at random points of random changes of every kind: what it acknowledged is
 * there when it comes back, what was under way is made whole or not at all, store, revision and
 * audit trail agree, and the filter that ships gets to the same state. A few kills by default;
 * SIDEGATE_CHANGES=1000 for the long run. The seed is printed.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../../../host/quota/random.ts';
import { filterModule } from '../../emulator/support/filter.ts';
import { EmulatedFilter } from '../../support/emulated-filter.ts';
import { Folder } from '../../support/folders.ts';
import { printSeed, seed } from '../../support/seed.ts';
import { until } from '../../support/wait.ts';
import { changeOf } from './kill-changes.ts';
import { KilledHost } from './kill-host.ts';
import { type HeldKey, World } from './kill-world.ts';

printSeed();

const CHANGES = Number(process.env.SIDEGATE_CHANGES ?? 30);
/** Changes between two kills, on average. */
const CHANGES_A_KILL = 10;

/** What a request with a key must come to: its status and the plan's quota. */
function expectedOf({ declared }: World, { application, state, isEnded }: HeldKey): string {
  if (state !== 'enabled' || isEnded) return '401';
  if (declared.states[application] !== 'active') return '403';
  return `200 ${declared.plans[application]}`;
}

/** Waits until the filter that ships decides as what was acknowledged says. */
async function converge(world: World, filter: EmulatedFilter): Promise<void> {
  for (const held of world.keys.values()) {
    const { key } = held;
    if (key === undefined) continue;
    const wanted = expectedOf(world, held);
    let got = 'nothing';
    try {
      await until(
        'the filter decides as was acknowledged',
        () => {
          const answer = filter.ask('/orders', key);
          const quota = answer?.upstream.find(([name]) => name === 'x-quota')?.[1];
          got = [answer?.status, quota].filter((each) => each !== undefined).join(' ');
          return got === wanted;
        },
        { deadlineMs: 60_000 },
      );
    } catch (cause) {
      throw new Error(`a key that is ${JSON.stringify(held)} got ${got}, not ${wanted}`, { cause });
    }
  }
}

/** Makes changes until the host is killed in the midst of the last one. */
async function changeUntilKilled(world: World, random: () => number, tookMs: Map<string, number>) {
  const last = Math.floor(random() * 2 * CHANGES_A_KILL);
  for (let made = 0; ; made += 1) {
    const change = changeOf(world, random);
    const began = performance.now();
    const usual = tookMs.get(change.name) ?? 20;
    const killed =
      made < last ? undefined : delay(random() * 1.2 * usual).then(() => world.host.kill());
    const answer = await change.act();
    if (answer !== undefined) {
      const took = performance.now() - began;
      tookMs.set(change.name, usual + (took - usual) / 4);
      change.acknowledged(answer);
    }
    if (killed === undefined) {
      assert.ok(answer !== undefined, 'a host that lives answers');
      continue;
    }
    await killed;
    return { made: made + 1, unsure: answer === undefined ? change : undefined };
  }
}

// Guarantees that a host that dies at any point loses nothing it said it had done.
test('kill -9 at random points of random changes', { timeout: 3_600_000 }, async (t) => {
  const random = seededRandom(seed);
  await using folder = await Folder.make();
  await mkdir(folder.join('store'));
  const host = new KilledHost(folder.join('store'));
  await host.start();
  const filter = new EmulatedFilter(filterModule(), host.syncPort, seed);
  const world = new World(host);
  const tookMs = new Map<string, number>();
  const cutShort = new Map<string, number>();
  try {
    await world.begin();
    let [made, kills] = [0, 0];
    for (; made < CHANGES; kills += 1) {
      const outcome = await changeUntilKilled(world, random, tookMs);
      made += outcome.made;
      await host.start();
      const { unsure } = outcome;
      if (unsure !== undefined) cutShort.set(unsure.name, (cutShort.get(unsure.name) ?? 0) + 1);
      await unsure?.settle();
      await world.check();
      await converge(world, filter);
    }
    const cut = [...cutShort].map(([name, count]) => `${name} ${count}`).join(', ');
    t.diagnostic(`${made} changes, ${kills} kills, cut short: ${cut || 'none'}`);
  } finally {
    filter.stop();
    await host.kill();
  }
});
