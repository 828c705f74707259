/**
 * Changes of the plugin configuration on a live proxy, as a mesh makes them: the VM stays, the root
 * contexts change. No request may notice, no unit may be lost or given twice, no memory may grow.
 */
import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Envoy } from '../support/envoy.ts';
import * as config from '../support/envoy-config.ts';
import { Folder } from '../support/folders.ts';
import { Host } from '../support/host.ts';
import { Origin } from '../support/origin.ts';
import type { PluginConfig } from '../support/plugin.ts';
import { resourcesOf } from '../support/policies.ts';
import { Load, send } from '../support/requests.ts';
import { HOLD_MS, RELEASE_MODULE } from '../support/rig.ts';
import { until } from '../support/wait.ts';

const MODULE = RELEASE_MODULE;

/** A filter whose configuration a test changes, as ECDS would. */
class Discovered {
  readonly name: string;
  private readonly file: string;
  private version = 0;

  constructor(name: string, folder: Folder) {
    this.name = name;
    this.file = folder.join(`${name}.json`);
  }

  get filter(): config.Config {
    return config.discoveredFilter(this.name, this.file);
  }

  /** Puts a configuration in place; the proxy notices by itself. */
  async write(plugin: Partial<PluginConfig>): Promise<void> {
    this.version++;
    const typed = config.wasmConfig({
      module: MODULE,
      name: this.name,
      plugin: { clusters: ['sidegate'], holdMs: HOLD_MS, ...plugin },
    });
    await writeFile(`${this.file}.new`, config.ecdsFile(this.name, this.version, typed));
    await rename(`${this.file}.new`, this.file);
  }

  /** Puts a configuration in place and waits until the proxy has taken it. */
  async change(plugin: Partial<PluginConfig>, envoy: Envoy): Promise<void> {
    await this.write(plugin);
    const reloads = `extension_config_discovery.http_filter.${this.name}.config_reload`;
    await until('the change is taken', async () => (await envoy.stat(reloads)) >= this.version);
  }
}

/** Two products for two groups of proxies, with an application each. */
const SHOP = { product: 'orders', applications: ['shop'], proxyGroup: 'default' };
const PARTNERS = { product: 'returns', applications: ['partner'], proxyGroup: 'partners' };

// Guarantees that an operator may change the configuration at any time: nothing fails, what was
// leased is spent by the next root, and a counter that was full stays full.
test('a change under load fails no request and neither loses nor refills quota', async (t) => {
  const quota = 600;
  const limits = [{ name: 'daily', quota, window: '1d' }];
  await using folder = await Folder.make();
  await using origin = await Origin.start();
  await using host = await Host.start({ resources: resourcesOf({ ...SHOP, limits }) });
  const { key } = await host.createKey('shop');
  const sidegate = new Discovered('sidegate', folder);
  await sidegate.write({});
  const listener = config.listener({ name: 'in', filters: [sidegate.filter], cluster: 'origin' });
  const clusters = [
    config.cluster('sidegate', host.syncPort),
    config.cluster('origin', origin.port),
  ];
  await using envoy = await Envoy.start({
    config: config.bootstrap('reload', [listener], clusters),
    workers: 2,
  });
  const request = { port: envoy.port('in'), path: '/orders', headers: { 'x-api-key': key } };
  await until('the key is known', async () => (await send(request)).status === 200);
  await using load = new Load({ connections: 8, perSecond: 100, next: () => request });
  for (let change = 0; change < 12; change++) {
    await sidegate.change({ holdMs: HOLD_MS + 1 + change }, envoy);
    const before = load.total;
    await until('the load goes on', () => load.total > before + 15);
  }
  // Sooner than the host would fold a holder that fell silent: nothing may be waiting for that.
  await until('all of the quota is used', () => origin.count >= quota, { deadlineMs: 20_000 });
  const refused = load.count(429);
  await until('more is refused', () => load.count(429) > refused + 50);
  await load.stop();
  t.diagnostic(`answers: ${JSON.stringify([...load.statuses])}`);
  assert.deepEqual([...load.statuses.keys()].sort(), [200, 429]);
  assert.equal(origin.count, quota);
});

// Guarantees that two uses of the module in one proxy, which share a VM, keep apart what they know,
// also while one of them is changed.
test('two filters with different configurations do not disturb each other', async () => {
  await using folder = await Folder.make();
  await using origin = await Origin.start();
  const resources = { ...resourcesOf(SHOP), ...resourcesOf(PARTNERS) };
  await using host = await Host.start({ resources });
  const [shop, partner] = [await host.createKey('shop'), await host.createKey('partner')];
  const one = new Discovered('one', folder);
  const two = new Discovered('two', folder);
  await one.write({ proxyGroup: 'default' });
  await two.write({ proxyGroup: 'partners' });
  const listeners = [one, two].map(({ name, filter }) =>
    config.listener({ name, filters: [filter], cluster: 'origin' }),
  );
  const clusters = [
    config.cluster('sidegate', host.syncPort),
    config.cluster('origin', origin.port),
  ];
  await using envoy = await Envoy.start({
    config: config.bootstrap('two', listeners, clusters),
  });
  const status = async (name: string, key: string) => {
    const request = { port: envoy.port(name), path: '/orders', headers: { 'x-api-key': key } };
    return (await send(request)).status;
  };
  await until('one knows its key', async () => (await status('one', shop.key)) === 200);
  await until('two knows its key', async () => (await status('two', partner.key)) === 200);
  for (let change = 0; change < 5; change++) {
    assert.equal(await status('one', partner.key), 401);
    assert.equal(await status('two', shop.key), 401);
    await one.change({ proxyGroup: 'default', holdMs: HOLD_MS + 1 + change }, envoy);
    assert.equal(await status('two', partner.key), 200);
    assert.equal(await status('one', shop.key), 200);
  }
});

// Guarantees that a proxy that lives for months does not grow by being configured.
test('100 changes of the configuration keep the memory flat', async (t) => {
  await using folder = await Folder.make();
  await using origin = await Origin.start();
  await using host = await Host.start({ resources: resourcesOf(SHOP) });
  const { key } = await host.createKey('shop');
  const sidegate = new Discovered('sidegate', folder);
  await sidegate.write({});
  const listener = config.listener({ name: 'in', filters: [sidegate.filter], cluster: 'origin' });
  const clusters = [
    config.cluster('sidegate', host.syncPort),
    config.cluster('origin', origin.port),
  ];
  await using envoy = await Envoy.start({
    config: config.bootstrap('flat', [listener], clusters),
  });
  const request = { port: envoy.port('in'), path: '/orders', headers: { 'x-api-key': key } };
  const changes = async (count: number) => {
    for (let change = 0; change < count; change++) {
      await sidegate.change({ holdMs: HOLD_MS + 1 + (change % 7) }, envoy);
      await until('the key works', async () => (await send(request)).status === 200);
    }
    return envoy.residentBytes();
  };
  // The first changes grow the allocator's pools; what leaks, leaks after that as well.
  const before = await changes(25);
  const after = await changes(100);
  const grownMb = (after - before) / 2 ** 20;
  t.diagnostic(`${(before / 2 ** 20).toFixed(1)} MB, then ${grownMb.toFixed(1)} MB more`);
  assert.ok(grownMb < 5, `grew by ${grownMb} MB`);
});
