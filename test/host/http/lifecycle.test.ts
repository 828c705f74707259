/**
 * What the lifecycle of a product means for calls, asked of the filter that ships beside a host
 * whose resources are changed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filterModule } from '../../emulator/support/filter.ts';
import { EmulatedFilter } from '../../support/emulated-filter.ts';
import { resourcesOf } from '../../support/policies.ts';
import { TrialHost } from '../../support/trial-host.ts';
import { until } from '../../support/wait.ts';

// Guarantees that a draft is called by nobody, that a deprecated product is called as before, that
// a retired one is no more, and that its callers keep their keys should it come back.
test('who may call at each point of a lifecycle', async () => {
  await using host = await TrialHost.start();
  assert.ok((await host.catalogue.start()).ok);
  const put = async (lifecycle: string) => {
    const files = Object.entries(resourcesOf()).map(([name, text]) => {
      return { name, text: text.replace('published', lifecycle) };
    });
    const { status, body } = await host.ask('POST', '/v1/apply', { files });
    assert.equal(status, 200, JSON.stringify(body));
  };
  await put('draft');
  const { key } = await host.createKey('shop');
  const filter = new EmulatedFilter(filterModule(), await host.listenSync(), 7);
  try {
    // Nothing governs the host of a product that no proxy knows.
    for (const [lifecycle, status] of [
      ...[['draft', 403] as const, ['published', 200] as const, ['deprecated', 200] as const],
      ...[['retired', 403] as const, ['published', 200] as const],
    ]) {
      await put(lifecycle);
      await until(
        `a call of the ${lifecycle} product gets ${status}`,
        () => filter.ask('/orders', key)?.status === status,
        { deadlineMs: 60_000 },
      );
    }
  } finally {
    filter.stop();
  }
});
