/**
 * Holds the tables of metrics in docs/operations.md to the metrics that are there.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostMetrics } from '../../host/http/metrics.ts';
import { newStats } from '../../host/quota/stats.ts';
import { Engines } from '../../host/service/engines.ts';
import { Heads } from '../../host/service/heads.ts';
import { openMemoryStore } from '../../host/store/memory.ts';
import { checkDocumented } from './reference.ts';
import { read } from './sources.ts';

/** Shares as a host without traffic has them. */
const SHARES = { accounts: 0, approximate: 0, holders: 0, waits: 0 };

// Guarantees that whoever looks at a graph finds out what it shows.
test('every metric of the host is documented', async () => {
  const metrics = new HostMetrics();
  const heads = await Heads.open(openMemoryStore({ storeId: new Uint8Array(16) }));
  const engines = new Engines(() => 0, heads);
  const usageStats = () => ({ unconfirmed: 0, gaps: 0 });
  metrics.observe({
    heads,
    engines,
    watchesOf: () => 0,
    ledgerStats: newStats,
    usageStats,
    shareStats: () => SHARES,
  });
  const all = await metrics.registry.getMetricsAsJSON();
  const names = all.map(({ name }) => name).filter((name) => name.startsWith('sidegate_'));
  assert.ok(names.length > 20);
  assert.deepEqual(checkDocumented('docs/operations.md', section('of the host'), names), []);
});

// Guarantees the same for the counters of the filter, which only Envoy shows.
test('every metric of the filter is documented', () => {
  const events = read('assembly/telemetry/events.ts');
  const list = /^const NAMES = asciiList\(([^)]*)\);/m.exec(events)?.[1] ?? '';
  const names = [...list.matchAll(/(\w+)\|/g)].map((match) => match[1]);
  assert.equal(names.length, Number(/EVENTS: u32 = (\d+);/.exec(events)?.[1]));
  const metrics = ['requests', ...names].map((name) => `sidegate_${name}_total`);
  assert.deepEqual(checkDocumented('docs/operations.md', section('of the filter'), metrics), []);
});

/** The text of one section about metrics. */
function section(of: string): string {
  const page = read('docs/operations.md');
  const rest = page.slice(page.indexOf(`## Metrics ${of}`));
  return rest.slice(0, rest.indexOf('\n## ', 3));
}
