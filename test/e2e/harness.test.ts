/**
 * Proves the harness of the end to end tests with a module that does nothing, so that a failure of
 * those tests speaks of the filter and not of the harness.
 */
import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Envoy } from '../support/envoy.ts';
import * as config from '../support/envoy-config.ts';
import { Folder } from '../support/folders.ts';
import { writeNoopModule } from '../support/noop.ts';
import { Origin, valuesOf } from '../support/origin.ts';
import { Load, send } from '../support/requests.ts';
import { until } from '../support/wait.ts';

// Guarantees that a crashed Envoy is really gone, and comes back on the port that a load knows.
test('an Envoy with a wasm filter serves, crashes and comes back on its port', async () => {
  await using folder = await Folder.make();
  await using origin = await Origin.start();
  const module = folder.join('noop.wasm');
  await writeNoopModule(module);
  const listener = config.listener({
    name: 'in',
    filters: [config.wasmFilter({ module })],
    cluster: 'origin',
    accessLog: folder.join('access.log'),
  });
  const clusters = [config.cluster('origin', origin.port)];
  await using envoy = await Envoy.start({
    config: config.bootstrap('harness', [listener], clusters),
    workers: 2,
  });
  const port = envoy.port('in');
  assert.equal((await send({ port, headers: { 'X-One': '1' } })).status, 200);
  assert.deepEqual(valuesOf(origin.arrivals[0] ?? { method: '', path: '', headers: [] }, 'x-one'), [
    '1',
  ]);

  await envoy.crash();
  assert.equal((await send({ port })).status, 0);
  await envoy.restart();
  assert.equal((await send({ port })).status, 200);
  assert.equal(origin.count, 2);
});

// Guarantees that a load counts what it did, and that a filter read from a file can be replaced
// under it: the shape of every reload test.
test('a filter from a file is replaced under load without a failed request', async () => {
  await using folder = await Folder.make();
  await using origin = await Origin.start();
  const module = folder.join('noop.wasm');
  await writeNoopModule(module);
  const file = folder.join('filter.json');
  const plugin = (version: number) => ({ clusters: ['origin'], holdMs: version });
  const write = async (version: number) => {
    const typed = config.wasmConfig({ module, plugin: plugin(version) });
    await writeFile(`${file}.new`, config.ecdsFile('sidegate', version, typed));
    await rename(`${file}.new`, file);
  };
  await write(1);
  const listener = config.listener({
    name: 'in',
    filters: [config.discoveredFilter('sidegate', file)],
    cluster: 'origin',
  });
  await using envoy = await Envoy.start({
    config: config.bootstrap('harness', [listener], [config.cluster('origin', origin.port)]),
  });
  const reloads = 'extension_config_discovery.http_filter.sidegate.config_reload';
  const port = envoy.port('in');
  await using load = new Load({ connections: 4, perSecond: 200, next: () => ({ port }) });
  for (let version = 2; version <= 4; version++) {
    await write(version);
    await until('the filter is replaced', async () => (await envoy.stat(reloads)) >= version);
  }
  await load.stop();
  assert.deepEqual([...load.statuses.keys()], [200]);
  assert.equal(load.count(200), origin.count);
});
