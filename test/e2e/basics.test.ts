/**
 * The main job in one real Envoy: keys, denials, header edits, and what must never get through.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { makeKey } from '../../host/credential/key.ts';
import type { MadeKey } from '../support/host.ts';
import { valuesOf } from '../support/origin.ts';
import { APPLICATION } from '../support/policies.ts';
import { Rig } from '../support/rig.ts';
import { until } from '../support/wait.ts';

describe('one proxy', () => {
  let rig: Rig;
  let good: MadeKey;

  before(async () => {
    rig = await Rig.start({ setting: { hosts: ['orders.example.com'] }, workers: 2 });
    good = await rig.host.createKey(APPLICATION);
    await until('the key is known', async () => (await call(good.key)).status === 200);
  });

  after(() => rig[Symbol.asyncDispose]());

  const call = (key?: string, headers: Record<string, string> = {}, path = '/orders') =>
    rig.call(key, { path, headers: { host: 'orders.example.com', ...headers } });

  // Guarantees what a caller is told without a usable key, the same for every kind of bad key.
  test('a missing key and a wrong key are 401', async () => {
    const missing = await call();
    assert.equal(missing.status, 401);
    assert.match(String(missing.headers['www-authenticate']), /^ApiKey realm="/);
    assert.equal(missing.headers['content-type'], 'application/problem+json');
    const unknown = await call(makeKey('sg', randomBytes).key.reveal());
    const malformed = await call('sg_guess');
    assert.equal(unknown.status, 401);
    const { date: _1, ...unknownHeaders } = unknown.headers;
    const { date: _2, ...malformedHeaders } = malformed.headers;
    assert.deepEqual(
      { ...malformed, headers: malformedHeaders },
      { ...unknown, headers: unknownHeaders },
    );
  });

  // Guarantees that on an inbound sidecar no other Host reaches the workload.
  test('an unknown host is refused', async () => {
    const before = rig.origin.count;
    const answer = await call(good.key, { host: 'other.example.com' });
    assert.equal(answer.status, 403);
    assert.match(answer.body, /host_not_governed|host-not-governed/);
    assert.equal(rig.origin.count, before);
  });

  // Guarantees that an operation nobody declared is not there.
  test('an unknown operation is 404', async () => {
    assert.equal((await call(good.key, {}, '/secrets')).status, 404);
    assert.equal((await call(good.key, {}, '/orders/../secrets')).status, 400);
  });

  // Guarantees that the service learns who calls from the proxy and from nobody else, on every
  // request that passes, whatever spelling a caller tries.
  test('identity headers from outside never reach the service', async () => {
    const spoofed = {
      'x-consumer': 'mallory',
      X_Consumer: 'mallory',
      x_plan: 'platinum',
      'x-sidegate-consumer': 'mallory',
      x_sidegate_anything: 'mallory',
      'x-internal': '1',
    };
    for (const path of ['/orders', '/health']) {
      rig.origin.reset();
      assert.equal((await call(good.key, spoofed, path)).status, 200);
      const arrival = rig.origin.arrivals[0];
      assert.ok(arrival);
      assert.doesNotMatch(arrival.headers.join('\n'), /mallory|platinum/);
      assert.deepEqual(valuesOf(arrival, 'x-api-key'), []);
      const named = path === '/orders' ? ['orders-buyer'] : [];
      assert.deepEqual(valuesOf(arrival, 'x-consumer'), named);
      assert.deepEqual(valuesOf(arrival, 'x-plan'), named.length > 0 ? ['orders-gold'] : []);
      assert.deepEqual(valuesOf(arrival, 'x-internal'), []);
    }
  });

  // Guarantees that an operation without security needs no key.
  test('an anonymous operation passes', async () => {
    assert.equal((await call(undefined, {}, '/health')).status, 200);
  });

  // Guarantees that two different keys in one request are refused instead of one being chosen.
  test('two values of the key header are refused', async () => {
    const { status } = await rig.call(undefined, {
      headers: { host: 'orders.example.com', 'x-api-key': [good.key, 'sg_other'] },
    });
    assert.equal(status, 401);
  });
});
