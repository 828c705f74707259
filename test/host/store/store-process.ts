/**
 * A process of its own that opens a store and creates credentials until it is killed, printing a
 * line for each that is acknowledged. It is started by tests, never by anything else.
 */
import { createHash } from 'node:crypto';
import { openSqliteStore } from '../../../host/store/sqlite.ts';

const folder = process.argv[2] ?? '';
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

try {
  const store = await openSqliteStore({
    folder,
    freshStoreId: new Uint8Array(16).fill(process.pid & 0xff),
    holder: { pid: process.pid, machine: 'test', sinceMs: 0 },
  });
  say(`open ${Buffer.from(store.identity.storeId).toString('hex')}`);
  const application = { kind: 'Application', namespace: 'default', name: 'app', text: '{}' };
  await store.applyResources({ resources: [application], credentials: [], groups: [], nowMs: 1 });
  const start = (await store.credentials({ limit: 100_000 })).length;
  for (let i = start; i < 100_000; i++) {
    const digest = new Uint8Array(createHash('sha256').update(`key ${i}`).digest());
    const made = await store.createCredential({
      namespace: 'default',
      application: 'app',
      name: `n${i}`,
      brand: 'sg',
      displayPrefix: '',
      digest,
      notBeforeMs: null,
      notAfterMs: null,
      createdAtMs: 1,
    });
    say(made.ok ? `made n${i} ${made.revision}` : `refused ${made.code}`);
  }
} catch (error) {
  say(`failed ${(error as { code?: string }).code} ${(error as Error).message}`);
}
