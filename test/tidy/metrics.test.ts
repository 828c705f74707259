/**
 * Holds the table of metrics in docs/operations.md to the metrics that are there.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostMetrics } from '../../host/http/metrics.ts';
import { newStats } from '../../host/quota/stats.ts';
import { Heads } from '../../host/service/heads.ts';
import { openMemoryStore } from '../../host/store/memory.ts';
import { checkDocumented } from './reference.ts';
import { read } from './sources.ts';

// Guarantees that whoever looks at a graph finds out what it shows.
test('every metric of the host is documented', async () => {
  const metrics = new HostMetrics();
  const heads = await Heads.open(openMemoryStore({ storeId: new Uint8Array(16) }));
  metrics.observe({ heads, nowMs: () => 0, watchesOf: () => 0, ledgerStats: newStats });
  const all = await metrics.registry.getMetricsAsJSON();
  const names = all.map(({ name }) => name).filter((name) => name.startsWith('sidegate_'));
  assert.ok(names.length > 20);
  const page = read('docs/operations.md');
  const table = page.slice(page.indexOf('## Metrics of the host'));
  const documented = table.slice(0, table.indexOf('\n## ', 3));
  assert.deepEqual(checkDocumented('docs/operations.md', documented, names), []);
});
