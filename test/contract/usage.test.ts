/**
 * Runs the contract of the store of usage on every implementation, and what the durable one alone
 * promises.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { UsageStore } from '../../host/store/usage.ts';
import { openMemoryUsage } from '../../host/store/usage-memory.ts';
import { openSqliteUsage } from '../../host/store/usage-sqlite.ts';
import { counted, report, row, usageContract } from './usage-contract.ts';

const root = mkdtempSync(join(tmpdir(), 'sidegate-usage-'));
after(() => rmSync(root, { recursive: true }));

let files = 0;
function freshPath(): string {
  files += 1;
  return join(root, `${files}.db`);
}
const stores: Record<string, () => Promise<UsageStore>> = {
  memory: async () => openMemoryUsage(),
  sqlite: () => openSqliteUsage(freshPath()),
};

for (const [name, open] of Object.entries(stores)) {
  describe(`usage in ${name}`, () => {
    for (const promise of usageContract) {
      test(promise.name, async () => {
        const store = await open();
        await promise.run(store).finally(() => store.close());
      });
    }
  });
}

// Guarantees that a restart neither loses nor doubles what was confirmed, and that no second host
// counts into the same file.
test('durable usage goes on where it stood, for one host', async () => {
  const path = freshPath();
  const first = await openSqliteUsage(path);
  await Promise.all([1, 2, 3].map((sequence) => first.merge(report(sequence, [row(sequence)]))));
  await assert.rejects(openSqliteUsage(path), { code: 'usage_locked' });
  await first.close();
  await assert.rejects(first.merge(report(4, [row(9)])), { code: 'usage_unavailable' });
  const second = await openSqliteUsage(path);
  await second.merge(report(3, [row(3)]));
  await second.merge(report(4, [row(10)]));
  assert.equal(await counted(second), 10);
  await second.close();
});
