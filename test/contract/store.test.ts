/**
 * Runs the contract of the store on every implementation. What only one of them promises is
 * tested in test/host/store, not here.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { openMemoryStore } from '../../host/store/memory.ts';
import { openSqliteStore } from '../../host/store/sqlite.ts';
import { accessContract } from './store-access.ts';
import { changesContract } from './store-changes.ts';
import { credentialChangesContract } from './store-credential-changes.ts';
import { credentialsContract } from './store-credentials.ts';
import { directoryContract } from './store-directory.ts';
import { type OpenStore, StoreKit } from './store-kit.ts';

const root = mkdtempSync(join(tmpdir(), 'sidegate-store-'));
after(() => rmSync(root, { recursive: true }));

let folders = 0;
const stores: Record<string, OpenStore> = {
  memory: async (limits) => openMemoryStore({ storeId: new Uint8Array(16), limits }),
  sqlite: (limits) => {
    folders += 1;
    const folder = join(root, String(folders));
    const holder = { pid: process.pid, machine: 'test', sinceMs: 0 };
    return openSqliteStore({ folder, freshStoreId: new Uint8Array(16), holder, limits });
  },
};

for (const [name, open] of Object.entries(stores)) {
  describe(`store in ${name}`, () => {
    const promises = [
      changesContract,
      credentialsContract,
      directoryContract,
      accessContract,
      credentialChangesContract,
    ];
    for (const promise of promises.flat()) {
      test(promise.name, async () => {
        const kit = await StoreKit.start(open);
        await promise.run(kit).finally(() => kit.store.close());
      });
    }
  });
}
