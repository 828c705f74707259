/**
 * The safety belt in a real Envoy: an RBAC filter behind ours, as Istio makes one of an
 * AuthorizationPolicy, lets pass what has the mark of the workload and nothing else.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Config, wasmFilter } from '../support/envoy-config.ts';
import { valuesOf } from '../support/origin.ts';
import { APPLICATION } from '../support/policies.ts';
import { HOLD_MS, RELEASE_MODULE, Rig } from '../support/rig.ts';
import { until } from '../support/wait.ts';

const MARK = 'a-mark-of-this-workload';
const HEADER = 'x-sidegate-mark';

const SIDEGATE = wasmFilter({
  module: RELEASE_MODULE,
  plugin: { clusters: ['sidegate'], holdMs: HOLD_MS },
  env: { SIDEGATE_MARK: MARK },
});

const BELT: Config = {
  name: 'envoy.filters.http.rbac',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC',
    rules: {
      action: 'ALLOW',
      policies: {
        marked: {
          permissions: [{ any: true }],
          principals: [{ header: { name: HEADER, string_match: { exact: MARK } } }],
        },
      },
    },
  },
};

// Guarantees that with the belt an API whose filter is missing is closed, that one whose filter is
// there works, and that a caller's guess at the mark is worth nothing while the filter is there.
test('without the filter nothing passes, with it what it let pass', async () => {
  let filters = [SIDEGATE, BELT];
  await using rig = await Rig.start({ filters: () => filters });
  const { key } = await rig.host.createKey(APPLICATION);
  await until('the key is known', async () => (await rig.call(key)).status === 200);
  rig.origin.reset();
  const forged = { headers: { [HEADER]: 'forged' } };
  assert.equal((await rig.call(key, forged)).status, 200);
  assert.equal((await rig.call(undefined, { path: '/health' })).status, 200);
  for (const arrival of rig.origin.arrivals) assert.deepEqual(valuesOf(arrival, HEADER), [MARK]);
  const denied = await rig.call(undefined, { headers: { [HEADER]: MARK } });
  assert.equal(denied.status, 401);
  assert.ok(!JSON.stringify(denied).includes(MARK));

  filters = [BELT];
  await rig.startProxy();
  for (const headers of [{}, { 'x-api-key': key }, { [HEADER]: 'forged' }]) {
    const refused = await rig.call(undefined, { headers }, 1);
    assert.equal(refused.status, 403);
    assert.match(refused.body, /RBAC: access denied/);
  }
  const learned = await rig.call(undefined, { headers: { [HEADER]: MARK } }, 1);
  assert.equal(
    learned.status,
    200,
    'what remains: whoever learned the mark passes without a filter',
  );
});
