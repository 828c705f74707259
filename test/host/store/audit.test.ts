/**
 * How the audit trail forgets: its oldest entries, at a bound, and so that nobody takes what is
 * left for the whole. The same for the trail in memory and the one in SQLite.
 */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { AuditTables } from '../../../host/store/audit.ts';
import { MemoryAudit } from '../../../host/store/audit-memory.ts';
import { migrate } from '../../../host/store/migrations.ts';
import { SqliteTables } from '../../../host/store/sqlite-tables.ts';

const KEPT = 8;
const ORIGIN = { actor: 'ann', cause: 'apply', atMs: 1 };

function inSqlite(): AuditTables {
  const database = new DatabaseSync(':memory:');
  migrate(database);
  return new SqliteTables(database, new Uint8Array(16)).audit;
}

const TRAILS: Record<string, () => AuditTables> = {
  memory: () => new MemoryAudit(() => undefined),
  sqlite: inSqlite,
};

for (const [name, open] of Object.entries(TRAILS)) {
  // Guarantees that the trail is bounded, that the newest entries stay, and that a revision of
  // which one entry is gone counts as forgotten, so that nobody rolls back to half of it.
  test(`the trail in ${name} forgets its oldest entries`, () => {
    const trail = open();
    const add = (revision: number) =>
      trail.addEntry(revision, ORIGIN, {
        ...{ action: 'resource.create', kind: 'Plan', namespace: 'default' },
        ...{ name: `p-${revision}`, before: null, after: '{}' },
      });
    const revisions = () => trail.entries({ limit: 100 }).map(({ revision }) => revision);
    trail.forgetEntries(KEPT);
    assert.deepEqual([revisions(), trail.forgottenRevision()], [[], 0]);
    // Two entries of each revision, up to a quarter more than are kept.
    for (const revision of [1, 2, 3, 4, 5]) for (let at = 0; at < 2; at += 1) add(revision);
    trail.forgetEntries(KEPT);
    assert.equal(revisions().length, 10, 'a quarter more may stay');
    assert.equal(trail.forgottenRevision(), 0);
    add(6);
    trail.forgetEntries(KEPT);
    assert.deepEqual(revisions(), [6, 5, 5, 4, 4, 3, 3, 2]);
    assert.equal(trail.forgottenRevision(), 2, 'one of its two entries is gone');
    assert.deepEqual(
      trail.resourceEntriesAfter(2).map(({ revision }) => revision),
      [6, 5, 5, 4, 4, 3, 3],
    );
    add(7);
    trail.forgetEntries(KEPT);
    assert.equal(revisions().length, 9, 'it forgets in pieces, not with every entry');
  });
}

// Guarantees that a change does not become dearer with the length of the trail.
test('the ends of a long trail are found without reading it', () => {
  const database = new DatabaseSync(':memory:');
  migrate(database);
  const tables = new SqliteTables(database, new Uint8Array(16));
  const asked: string[] = [];
  const { prepare } = database;
  database.prepare = (sql, ...more) => {
    asked.push(sql);
    return prepare.call(database, sql, ...more);
  };
  tables.audit.forgetEntries(KEPT);
  for (const sql of asked) {
    const plan = prepare.call(database, `EXPLAIN QUERY PLAN ${sql}`).all();
    const steps = plan.map(({ detail }) => String(detail));
    // SQLite calls a step to one end of a table by its key a search of it.
    assert.ok(steps.length > 0 && !steps.includes('SCAN audit'), steps.join('; '));
  }
  assert.equal(asked.length, 1);
});
