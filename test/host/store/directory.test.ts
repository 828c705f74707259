/**
 * Property test of directories: filters that read page by page, while everything changes under
 * them, end with exactly what a plain reading of the changes says. It runs on both stores.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { RecordKind } from '../../../host/compile/output.ts';
import { NO_RULES } from '../../../host/credential/rules.ts';
import { openMemoryStore } from '../../../host/store/memory.ts';
import { openSqliteStore } from '../../../host/store/sqlite.ts';
import type { DirectoryCursor, DirectoryPage, Store } from '../../../host/store/store.ts';
import {
  application,
  change,
  digestOf,
  group,
  newKey,
  OVERHEAD,
  record,
} from '../../contract/store-kit.ts';
import { printSeed } from '../../support/seed.ts';

printSeed();
const root = mkdtempSync(join(tmpdir(), 'sidegate-directory-'));
after(() => rmSync(root, { recursive: true }));

const GROUPS = ['a', 'b'];
const APPLICATIONS = ['one', 'two', 'three'];

/** What one step does. Numbers choose among what is there. */
type Action =
  | { readonly do: 'apply'; readonly in: boolean[]; readonly version: number; files: number }
  | { readonly do: 'create'; readonly app: number }
  | { readonly do: 'revoke'; readonly key: number }
  | { readonly do: 'read'; readonly filter: number };

const actions = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant('apply' as const),
      in: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
      version: fc.integer({ min: 1, max: 2 }),
      files: fc.integer({ min: 0, max: 7 }),
    }),
    fc.record({ do: fc.constant('create' as const), app: fc.nat(2) }),
    fc.record({ do: fc.constant('revoke' as const), key: fc.nat(20) }),
    fc.record({ do: fc.constant('read' as const), filter: fc.nat(3) }),
  ),
  { minLength: 1, maxLength: 40 },
);

/** A filter as docs/wire.md, section 4, has it: one page at a time, two generations. */
class Filter {
  readonly group: string;
  readonly #pageBytes: number;
  #held = 0;
  #cursor: DirectoryCursor | undefined;
  #fillHead: number | undefined;
  #records = new Map<string, string>();

  constructor(groupName: string, pageBytes: number) {
    this.group = groupName;
    this.#pageBytes = pageBytes;
  }

  /** Reads one page; answers whether it is complete. */
  async read(store: Store): Promise<boolean> {
    const cursor = this.#cursor === undefined ? {} : { cursor: this.#cursor };
    const query = { group: this.group, after: this.#held, maxBytes: this.#pageBytes };
    const page = await store.directoryAfter({ ...query, ...cursor, overheadBytes: OVERHEAD });
    if (page.outcome === 'no_group') return true;
    const walkBegan = this.#cursor === undefined;
    if (walkBegan && this.#held === 0) this.#fillHead = page.head;
    if (page.outcome === 'start_over' || this.#lags(page)) {
      this.#begin();
      return false;
    }
    for (const { kind, id, present, body } of page.records) {
      const key = `${kind}.${id}`;
      if (present) this.#records.set(key, Buffer.from(body).toString('hex'));
      else this.#records.delete(key);
    }
    this.#cursor = page.complete ? undefined : page.records.at(-1);
    if (page.complete) this.#held = page.upTo;
    return page.complete;
  }

  /** What it holds, in a fixed order. */
  view(): string[] {
    return [...this.#records].map(([key, body]) => `${key} ${body}`).sort();
  }

  #lags(page: Extract<DirectoryPage, { outcome: 'page' }>): boolean {
    return this.#held === 0 && page.forgotten > (this.#fillHead ?? page.head);
  }

  #begin(): void {
    this.#held = 0;
    this.#cursor = undefined;
    this.#records = new Map();
  }
}

/** The truth: what each group must hold, kept without any store. */
class Model {
  readonly ids: readonly number[];
  /** Whether application i is in group g, at 2·i + g. */
  members: boolean[] = [];
  version = 1;
  /** Application of every living key by id. */
  readonly keys = new Map<number, number>();
  /** Which of the declared credentials are there, one bit each. */
  files = 0;

  constructor(ids: readonly number[]) {
    this.ids = ids;
  }

  expected(groupIndex: number, declared: ReadonlyMap<number, number>): string[] {
    const rows: string[] = [];
    const isIn = (app: number) => this.members[2 * app + groupIndex] === true;
    for (const [app, id] of this.ids.entries()) {
      if (!isIn(app)) continue;
      rows.push(`${RecordKind.application}.${id}`);
      rows.push(`${RecordKind.subscription}.${1_000 + app}`);
    }
    for (const [id, app] of [...this.keys, ...declared]) {
      if (isIn(app)) rows.push(`${RecordKind.credential}.${id}`);
    }
    return rows.sort();
  }
}

async function step(action: Action, store: Store, model: Model, counter: { keys: number }) {
  if (action.do === 'apply') {
    model.members = action.in;
    model.files = action.files;
    const compiled = GROUPS.map((name, g) => {
      const apps = model.ids.filter((_, app) => action.in[2 * app + g]);
      const subscriptions = model.ids.flatMap((_, app) =>
        action.in[2 * app + g]
          ? [record(RecordKind.subscription, 1_000 + app, action.version)]
          : [],
      );
      return group(name, [
        ...apps.map((id) => record(RecordKind.application, id, action.version)),
        ...subscriptions,
      ]);
    });
    const credentials = [0, 1, 2].flatMap((i) =>
      (action.files >> i) & 1 ? [declaredOf(i, action.version)] : [],
    );
    const resources = APPLICATIONS.map(application);
    await store.applyResources(change({ resources, groups: compiled, credentials }));
  } else if (action.do === 'create') {
    counter.keys += 1;
    const app = APPLICATIONS[action.app] ?? '';
    const made = await store.createCredential(newKey(`key ${counter.keys}`, { application: app }));
    if (made.ok) model.keys.set(made.value.id, action.app);
  } else if (action.do === 'revoke') {
    const id = [...model.keys.keys()][action.key];
    if (id === undefined) return;
    await store.revokeCredential(id, 1);
    model.keys.delete(id);
  }
}

function declaredOf(i: number, version: number) {
  const state = version === 1 ? ('enabled' as const) : ('disabled' as const);
  const name = `file-${i}`;
  const times = { notBeforeMs: null, notAfterMs: null, rules: NO_RULES };
  const digest = digestOf(`file ${i}`);
  return {
    namespace: 'default',
    application: APPLICATIONS[i] ?? '',
    name,
    digest,
    state,
    ...times,
  };
}

async function run(store: Store, list: readonly Action[]): Promise<string[][]> {
  const names = APPLICATIONS.map((name) => {
    return { kind: 'Application', namespace: 'default', name } as const;
  });
  const model = new Model(await store.reserveIds(names));
  const counter = { keys: 0 };
  const filters = [1, 120, 1, 5_000].map((bytes, i) => new Filter(GROUPS[i % 2] ?? '', bytes));
  for (const action of list) {
    if (action.do === 'read') await filters[action.filter]?.read(store);
    else await step(action, store, model, counter);
  }
  const declared = new Map(
    (await store.credentials({ limit: 1_000 }))
      .filter(({ origin }) => origin === 'resource')
      .map(({ id, application: app }) => [id, APPLICATIONS.indexOf(app)]),
  );
  const views: string[][] = [];
  for (const filter of filters) {
    let pages = 0;
    while (!(await filter.read(store))) assert.ok(pages++ < 1_000, 'a walk ends');
    const held = filter.view();
    const groupIndex = GROUPS.indexOf(filter.group);
    const expected = model.expected(groupIndex, declared);
    assert.deepEqual(held.map((row) => row.split(' ')[0]).sort(), expected);
    const credentials = expected.filter((row) => row.startsWith('1.')).length;
    const head = await store.group(filter.group);
    assert.equal(head?.credentials ?? 0, credentials);
    views.push(held);
  }
  return views;
}

// Guarantees that no filter keeps a key that was revoked or lacks one that was made, however its
// reading and the changes interleave, and that both stores are one and the same to it.
test('filters end with what is there, on both stores', async () => {
  const limits = { removalsKeptMax: 3 };
  const storeId = new Uint8Array(16);
  await fc.assert(
    fc.asyncProperty(actions, async (list) => {
      const store = openMemoryStore({ storeId, limits });
      await run(store, list);
      await store.close();
    }),
    { numRuns: 300 },
  );
  let folders = 0;
  await fc.assert(
    fc.asyncProperty(actions, async (list) => {
      folders += 1;
      const holder = { pid: process.pid, machine: 'test', sinceMs: 0 };
      const folder = join(root, String(folders));
      const options = { folder, freshStoreId: storeId, holder, limits };
      const memory = openMemoryStore({ storeId, limits });
      const sqlite = await openSqliteStore(options);
      try {
        assert.deepEqual(await run(sqlite, list), await run(memory, list));
        const revisions = [await sqlite.revision(), await memory.revision()];
        assert.equal(revisions[0], revisions[1]);
      } finally {
        await sqlite.close();
      }
    }),
    { numRuns: 15 },
  );
});
