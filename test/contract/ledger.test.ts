/**
 * Runs the contract of the ledger on every implementation. What only the durable one promises is
 * tested in test/host/store, not here.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { seededRandom } from '../../host/quota/random.ts';
import { openMemoryLedger } from '../../host/store/ledger-memory.ts';
import { openSqliteLedger } from '../../host/store/ledger-sqlite.ts';
import { grantsContract } from './ledger-grants.ts';
import { LedgerKit, type OpenLedger } from './ledger-kit.ts';
import { topUpsContract } from './ledger-topups.ts';
import { windowsContract } from './ledger-windows.ts';

const root = mkdtempSync(join(tmpdir(), 'sidegate-ledger-'));
after(() => rmSync(root, { recursive: true }));

let files = 0;
const ledgers: Record<string, OpenLedger> = {
  memory: async (resolve) => openMemoryLedger({ resolve, random: seededRandom(1) }),
  sqlite: (resolve) => {
    files += 1;
    return openSqliteLedger({ path: join(root, `${files}.db`), resolve, seed: 1 });
  },
};

for (const [name, open] of Object.entries(ledgers)) {
  describe(`ledger in ${name}`, () => {
    for (const promise of [...grantsContract, ...windowsContract, ...topUpsContract]) {
      test(promise.name, async () => {
        await using kit = await LedgerKit.start(open);
        await promise.run(kit);
      });
    }
  });
}
