/**
 * Fills and swaps beside requests: what comes from the host is worked through in slices, whatever
 * its size, and a fill always comes to its end.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { followCallbacks, meteredModule } from '../bench/callbacks.ts';
import { forgetBefore } from '../support/start-over.ts';
import { FilterRig, RESOURCES } from './support/filter.ts';
import { randomFrom } from './support/storm.ts';

/** WebAssembly instructions of the largest callback: about 60 µs. */
const INSTRUCTIONS_MAX = 650_000;
/** The same before the first fill is whole: requests then wait for it, and not behind it. */
const FIRST_INSTRUCTIONS_MAX = 1_050_000;
const KEYS = 1_000;

/** So many keys of the application, by their digests. */
function keys(count: number): string {
  return Array.from({ length: count }, (_, index) => {
    const digest = createHash('sha256').update(`key ${index}`).digest('hex');
    return `---
apiVersion: sidegate.dev/v1alpha1
kind: Credential
metadata: { name: key-${index} }
spec: { application: shop, digest: "${digest}" }
`;
  }).join('');
}

/** A further product with so many operations; two numbers make two policies. */
function product(operations: number, number: number): string {
  const each = Array.from({ length: operations }, (_, index) => {
    const path = `path: "/part-${index}/{id}"`;
    return `    - { name: part-${index}, method: GET, ${path}, cost: ${number} }\n`;
  });
  return `---
apiVersion: sidegate.dev/v1alpha1
kind: Product
metadata: { name: parts }
spec:
  hosts: [parts.example.com]
  identify: [{ apiKey: { header: x-api-key } }]
  operations:
${each.join('')}`;
}

function assertNoneAbove(most: number, largest: ReadonlyMap<string, number>): void {
  assert.ok(largest.size > 0);
  for (const [callback, instructions] of largest) {
    assert.ok(instructions <= most, `${callback}: ${instructions} instructions`);
  }
}

// Guarantees that no request waits long for the background, however much comes in at once: the
// first fill, one more, and a large policy, counted in instructions, which no machine changes.
test('no callback of the background is a long one', async () => {
  await using rig = await FilterRig.start({ module: await meteredModule(), resources: '' });
  const largest = followCallbacks(rig);
  const floor = forgetBefore(rig.host.store);
  await rig.host.apply(RESOURCES + keys(KEYS));
  await rig.advance(1_000, 20);
  const { key } = await rig.host.createKey('shop');
  await rig.advance(100, 20);
  assert.equal((await rig.send(key)).outcome, 'continued');
  const pages = rig.host.calls['v1/directory'] ?? 0;
  assert.ok(pages > 3, 'the fill had pages');
  assertNoneAbove(FIRST_INSTRUCTIONS_MAX, largest);
  largest.clear();

  floor.revision = Number.MAX_SAFE_INTEGER;
  const second = await rig.host.createKey('shop');
  floor.revision = await rig.host.store.revision();
  await rig.advance(1_000, 20);
  assert.ok((rig.host.calls['v1/directory'] ?? 0) >= 2 * pages, 'it was filled anew');
  assert.equal((await rig.send(second.key)).outcome, 'continued');

  const watches = rig.host.calls['v1/watch'] ?? 0;
  await rig.host.apply(RESOURCES + product(1_000, 2) + keys(KEYS));
  await rig.advance(1_000, 20);
  assert.ok((rig.host.calls['v1/policy'] ?? 0) > 6, 'the policy had pages');
  assert.ok((rig.host.calls['v1/watch'] ?? 0) - watches <= 2, 'it did not poll meanwhile');
  const stream = rig.vm.request({
    headers: [
      [':method', 'GET'],
      [':path', '/part-7/1'],
      [':authority', 'parts.example.com'],
      ['x-api-key', second.key],
    ],
  });
  assert.equal(stream.details, 'sidegate_not_subscribed', 'the policy is in force');
  assertNoneAbove(INSTRUCTIONS_MAX, largest);
});

// Guarantees that a fill always comes to its end, whenever policies change, keys come and the host
// has forgotten too much, one after the other and all at once.
test('fills one after the other are all completed', async () => {
  for (const seed of [31, 32]) {
    const random = randomFrom(seed);
    await using rig = await FilterRig.start({ resources: RESOURCES + keys(600) });
    const floor = forgetBefore(rig.host.store);
    let number = 1;
    for (let round = 0; round < 8; round++) {
      const where = `seed ${seed}, round ${round}`;
      const change = async () => {
        if (random() < 0.5) return;
        number++;
        await rig.host.apply(RESOURCES + product(50 + (number % 3) * 200, number) + keys(600));
      };
      await change();
      await rig.advance(random() * 30, 1);
      floor.revision = Number.MAX_SAFE_INTEGER;
      const made = await rig.host.createKey('shop');
      floor.revision = await rig.host.store.revision();
      await rig.advance(random() * 20, 1);
      await change();
      await rig.advance(random() * 20, 1);
      await change();
      await rig.advance(1_000, 20);
      const known = await rig.send(made.key);
      assert.equal(known.outcome, 'continued', `${where}: ${known.details}`);
      const before = { ...rig.host.calls };
      await rig.advance(500, 20);
      assert.equal(rig.host.calls['v1/directory'], before['v1/directory'], `${where}: it is over`);
      assert.equal(rig.host.calls['v1/policy'], before['v1/policy'], `${where}: it is in force`);
      if (random() < 0.3) await rig.host.revokeKey(made.id);
    }
  }
});
