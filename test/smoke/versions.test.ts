/**
 * The main job on the Envoys that the Istio releases before and after carry: a key, an exact quota
 * and header edits. Everything else is tested on one version.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENVOY_SMOKE_VERSIONS } from '../../envoy/locate.ts';
import { valuesOf } from '../support/origin.ts';
import { APPLICATION } from '../support/policies.ts';
import { Rig } from '../support/rig.ts';
import { until } from '../support/wait.ts';

for (const version of ENVOY_SMOKE_VERSIONS) {
  // Guarantees that an operator may stay one release behind, or go one ahead.
  test(`keys, quota and header edits on Envoy ${version}`, async () => {
    const limits = [{ name: 'daily', quota: 5, window: '1d' }];
    await using rig = await Rig.start({ version, workers: 2, setting: { limits } });
    const { id, key } = await rig.host.createKey(APPLICATION);
    await until('policy is there', async () => (await rig.call()).status === 401);
    const headers = { 'x-consumer': 'mallory', 'x-internal': '1' };
    for (let i = 0; i < 5; i++) assert.equal((await rig.call(key, { headers })).status, 200);
    const refused = await rig.call(key);
    assert.equal(refused.status, 429);
    assert.match(refused.body, /daily/);
    assert.equal(rig.origin.count, 5);
    const arrival = rig.origin.arrivals[0];
    assert.ok(arrival);
    assert.deepEqual(valuesOf(arrival, 'x-consumer'), ['orders-buyer']);
    assert.deepEqual(valuesOf(arrival, 'x-internal'), []);
    assert.deepEqual(valuesOf(arrival, 'x-api-key'), []);
    await rig.host.revokeKey(id);
    await until('it is revoked', async () => (await rig.call(key)).status === 401);
  });
}
