/**
 * What the SQLite store promises beyond the contract: one process at a time, nothing lost by a
 * kill, and files of other versions. Processes are real and killed for real.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RecordKind } from '../../../host/compile/output.ts';
import { NO_RULES } from '../../../host/credential/rules.ts';
import { StoreError } from '../../../host/store/open.ts';
import { openSqliteStore } from '../../../host/store/sqlite.ts';
import type { DirectoryRecord, Store } from '../../../host/store/store.ts';
import { application, digestOf, group, newKey, record, walk } from '../../contract/store-kit.ts';

const root = mkdtempSync(join(tmpdir(), 'sidegate-sqlite-'));
const children = new Set<ChildProcess>();
after(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(root, { recursive: true });
});

function open(folder: string): Promise<Store> {
  const holder = { pid: process.pid, machine: 'test', sinceMs: 0 };
  return openSqliteStore({ folder, freshStoreId: new Uint8Array(16).fill(7), holder });
}

/** A process that creates credentials, with the lines it has printed so far. */
class Creator {
  readonly child: ChildProcess;
  readonly exited: Promise<unknown>;
  readonly #lines: string[] = [];
  #heard: () => void = () => {};

  constructor(folder: string) {
    const script = fileURLToPath(new URL('./store-process.ts', import.meta.url));
    this.child = spawn(process.execPath, [script, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.add(this.child);
    this.exited = new Promise((resolve) => this.child.once('exit', resolve));
    const lines = createInterface({ input: this.child.stdout ?? process.stdin });
    lines.on('line', (line) => {
      this.#lines.push(line);
      this.#heard();
    });
    lines.on('close', () => this.#heard());
  }

  /** Waits until `count` lines begin with `word` and answers all that do. */
  async lines(word: string, count: number): Promise<string[]> {
    const deadline = AbortSignal.timeout(20_000);
    for (;;) {
      const found = this.#lines.filter((line) => line.startsWith(word));
      if (found.length >= count) return found;
      await new Promise<void>((resolve, reject) => {
        this.#heard = resolve;
        deadline.onabort = () => reject(new Error(`no ${count} lines "${word}": ${this.#lines}`));
      });
    }
  }

  async kill(): Promise<string[]> {
    this.child.kill('SIGKILL');
    await this.exited;
    children.delete(this.child);
    return this.#lines.filter((line) => line.startsWith('made '));
  }
}

// Guarantees that two hosts never share a store, whose quotas would then be granted twice.
test('a second process is refused and told who holds the store', async () => {
  const folder = join(root, 'two');
  const first = new Creator(folder);
  await first.lines('made', 1);
  const second = new Creator(folder);
  const [refused] = await second.lines('failed', 1);
  assert.match(refused ?? '', /^failed store_locked another host is using the store/);
  assert.match(refused ?? '', new RegExp(`process ${first.child.pid} on test`));
  await assert.rejects(open(folder), { code: 'store_locked' });
  await second.exited;
  await first.kill();
});

// Guarantees that what was acknowledged is there after a kill, at once and under the same store id.
test('kill -9 loses no acknowledged credential and leaves no lock', async () => {
  const folder = join(root, 'killed');
  let storeId = '';
  let acknowledged = 0;
  for (const round of [1, 2, 3]) {
    const creator = new Creator(folder);
    const [opened] = await creator.lines('open', 1);
    storeId ||= opened ?? '';
    assert.equal(opened, storeId, 'the store id outlives the process');
    await creator.lines('made', 20 * round);
    const made = await creator.kill();
    acknowledged += made.length;
    const store = await open(folder);
    const kept = await store.credentials({ limit: 100_000 });
    assert.ok(kept.length >= acknowledged, `${kept.length} kept of ${acknowledged}`);
    acknowledged = kept.length;
    const names = new Set(kept.map((credential) => credential.name));
    for (const line of made) assert.ok(names.has(line.split(' ')[1] ?? ''), line);
    assert.ok((await store.revision()) >= Number(made.at(-1)?.split(' ')[2]));
    await store.close();
  }
});

// Guarantees that everything is there again after an orderly stop.
test('a store that is opened again is the same store', async () => {
  const folder = join(root, 'again');
  const first = await open(folder);
  const records = [{ kind: 2, id: 5, body: new Uint8Array([1, 2, 3]) }] as const;
  const group = { group: 'default', policy: new Uint8Array([9]), records };
  const resource = { kind: 'Plan', namespace: 'default', name: 'gold', text: '{}' };
  const set = { resources: [resource], credentials: [], groups: [group], nowMs: 1 };
  await first.applyResources(set);
  const key = { kind: 'Plan', namespace: 'default', name: 'gold' } as const;
  const [id] = await first.reserveIds([key]);
  await first.close();
  const second = await open(folder);
  assert.deepEqual(second.identity, first.identity);
  assert.deepEqual(await second.reserveIds([key]), [id]);
  assert.deepEqual(await second.resources(), [resource]);
  const again = await second.applyResources(set);
  assert.deepEqual(again, { ok: true, revision: 1, changed: false, value: null });
  const query = { group: 'default', after: 0, maxBytes: 1000, overheadBytes: 20 };
  const page = await second.directoryAfter(query);
  assert.equal(page.outcome === 'page' && page.records.length, 1);
  await second.close();
});

// Guarantees that a newer version leaves no filter with what an older one made of a credential.
test('records of credentials are made anew when something else compiled them', async () => {
  const folder = join(root, 'encoded');
  const set = {
    resources: [application('app')],
    credentials: [
      {
        ...{ namespace: 'default', application: 'app', name: 'declared', rules: NO_RULES },
        ...{
          digest: digestOf('declared'),
          state: 'enabled' as const,
          notBeforeMs: null,
          notAfterMs: null,
        },
      },
    ],
    nowMs: 1,
  };
  const keys = [{ kind: 'Application', namespace: 'default', name: 'app' } as const];
  const apply = async (store: Store, compiledBy: string) => {
    const [id = 0] = await store.reserveIds(keys);
    const groups = [group('a', [record(RecordKind.application, id)])];
    const outcome = await store.applyResources({ ...set, groups, compiledBy });
    assert.ok(outcome.ok);
    return outcome.changed;
  };
  const first = await open(folder);
  assert.ok(await apply(first, 'old'));
  const made = await first.createCredential(newKey('made'));
  const gone = await first.createCredential(newKey('gone'));
  assert.ok(made.ok && gone.ok);
  await first.revokeCredential(gone.value.id, 2);
  const before = await walk(first, 'a', 0);
  await first.close();
  const database = new DatabaseSync(join(folder, 'store.db'));
  database.exec("UPDATE directory SET body = x'00' WHERE kind = 1 AND present = 1");
  database.close();
  const second = await open(folder);
  assert.equal(await apply(second, 'old'), false, 'nothing tells of it');
  assert.ok(await apply(second, 'new'));
  const bodies = (records: readonly DirectoryRecord[]) => {
    return new Map(
      records.map(({ kind, id, present, body }) => [`${kind}.${id}`, [present, body]]),
    );
  };
  assert.deepEqual(bodies(await walk(second, 'a', 0)), bodies(before));
  assert.equal((await walk(second, 'a', (await second.revision()) - 1)).length, 2);
  assert.equal((await second.group('a'))?.credentials, 2);
  assert.equal(await apply(second, 'new'), false);
  await second.close();
});

// Guarantees that an older host never writes into a file it does not understand.
test('a file of a newer version is refused and left alone', async () => {
  const folder = join(root, 'newer');
  await (await open(folder)).close();
  const path = join(folder, 'store.db');
  const database = new DatabaseSync(path);
  database.exec('PRAGMA user_version = 99');
  database.close();
  await assert.rejects(open(folder), (error: unknown) => {
    assert.ok(error instanceof StoreError);
    assert.equal(error.code, 'store_newer');
    assert.match(error.message, /version 99, this host knows up to \d+; start a newer host/);
    return true;
  });
  await assert.rejects(open(folder), { code: 'store_newer' }, 'the lock was let go');
});

// Guarantees the durability that the promises rest on: a commit is on the disk, not in a cache.
test('the file is in WAL mode and holds no key material but digests', async () => {
  const folder = join(root, 'wal');
  await (await open(folder)).close();
  const database = new DatabaseSync(join(folder, 'store.db'), { readOnly: true });
  assert.equal(database.prepare('PRAGMA journal_mode').get()?.journal_mode, 'wal');
  const columns = database.prepare("SELECT name FROM pragma_table_info('credentials')").all();
  const names = columns.map((column) => column.name);
  assert.ok(names.includes('digest') && !names.includes('key') && !names.includes('secret'));
  database.close();
});

// Guarantees that a store of the version before opens with everything it had, and does not claim to
// remember what nobody wrote down.
test('a file of the first version is brought up to this one', async () => {
  const folder = join(root, 'older');
  const first = await open(folder);
  const resource = { kind: 'Plan', namespace: 'default', name: 'gold', text: '{}' };
  await first.applyResources({ resources: [resource], credentials: [], groups: [], nowMs: 1 });
  await first.close();
  const database = new DatabaseSync(join(folder, 'store.db'));
  database.exec(`DROP TABLE audit; DROP TABLE access_tokens;
    DROP TABLE done_once; DROP INDEX ids_by_id;
    DROP INDEX credentials_made;
    DELETE FROM meta WHERE name IN ('audit_forgotten', 'resource_revision', 'compiled_by');
    ALTER TABLE credentials DROP COLUMN rules;
    PRAGMA user_version = 1`);
  database.close();
  const second = await open(folder);
  assert.deepEqual(await second.resources(), [resource]);
  assert.equal(await second.resourceRevision(), 1);
  assert.equal(await second.resourceChangesAfter(0), undefined);
  assert.deepEqual(await second.resourceChangesAfter(1), []);
  assert.equal(await second.compiledBy(), '');
  await second.close();
});

// Guarantees that what was done once before an upgrade is not done again after it, although nobody
// knows any more what was asked for.
test('idempotency keys of an older version stay used', async () => {
  const folder = join(root, 'keys');
  await (await open(folder)).close();
  const database = new DatabaseSync(join(folder, 'store.db'));
  database.exec(`DROP TABLE done_once;
    DELETE FROM meta WHERE name = 'compiled_by';
    DROP INDEX credentials_made;
    CREATE TABLE creations (
      actor TEXT NOT NULL, idempotency_key TEXT NOT NULL, credential_id INTEGER NOT NULL,
      at_ms INTEGER NOT NULL, PRIMARY KEY (actor, idempotency_key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE notes (
      actor TEXT NOT NULL, idempotency_key TEXT NOT NULL, at_ms INTEGER NOT NULL,
      noted TEXT NOT NULL, PRIMARY KEY (actor, idempotency_key)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO creations VALUES ('ann', 'k', 7, 5);
    INSERT INTO notes VALUES ('bob', 'l', 6, '{"action":"quota.add"}');
    PRAGMA user_version = 6`);
  database.close();
  const store = await open(folder);
  for (const [actor, idempotencyKey] of [
    ['ann', 'k'],
    ['bob', 'l'],
  ] as const) {
    const done = await store.doneOnce(actor, { idempotencyKey, request: 'r' }, 10);
    assert.ok(done !== undefined && 'ok' in done && done.code === 'idempotency_key_reused');
  }
  await store.close();
});
