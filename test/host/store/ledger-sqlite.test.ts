/**
 * What only the durable ledger promises: a grant that was told outlives the process, one process
 * alone owns the file, and a disk that fails tells nobody of a grant that is not on it.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { Account } from '../../../host/quota/report.ts';
import { LEDGER_CALLS_MAX, openSqliteLedger } from '../../../host/store/ledger-sqlite.ts';
import { openLedgerFile } from '../../../host/store/ledger-sqlite-rows.ts';
import { LedgerKit, NOON, type OpenLedger, SECOND } from '../../contract/ledger-kit.ts';
import { Folder } from '../../support/folders.ts';
import { Program } from '../../support/programs.ts';
import { until } from '../../support/wait.ts';

const CHILD = new URL('ledger-process.ts', import.meta.url).pathname;

function opener(path: string, gatherMs = 2): OpenLedger {
  return (resolve) => openSqliteLedger({ path, resolve, seed: 1, gatherMs });
}

function accountOf(owner: bigint): Account {
  return { owner, limit: 1n, windowKind: 86_400, partition: 0n };
}

// Guarantees that a host killed at any moment has lost no grant it told anybody of.
test('kill -9 loses no acknowledged grant', async () => {
  await using folder = await Folder.make();
  const path = folder.join('ledger.db');
  const told = new Map<string, number>();
  for (let life = 1; life <= 4; life++) {
    await using child = new Program(process.execPath, [CHILD, path, String(life)]);
    const wanted = 40 + 30 * life;
    await until('the process has taken grants', () => {
      return child.output.split('\n').length > wanted || child.output.includes('failed');
    });
    await child.crash();
    for (const [, owner, granted] of child.output.matchAll(/^granted (\d+) (\d+)$/gm)) {
      told.set(`${life} ${owner}`, Number(granted));
    }
    assert.doesNotMatch(child.output, /failed/);

    await using kit = await LedgerKit.start(opener(path));
    kit.quota = 1_000_000;
    for (const owner of [1n, 2n, 3n, 4n]) {
      const sum = [...told]
        .filter(([name]) => name.endsWith(` ${owner}`))
        .reduce((total, [, granted]) => total + granted, 0);
      const state = await kit.ledger.account(accountOf(owner), NOON);
      assert.ok(sum > 0 && (state?.out ?? 0) >= sum, `owner ${owner}: ${state?.out} of ${sum}`);
    }
  }
});

// Guarantees that nothing is over-admitted across a kill: what two lives of a host granted
// together is the quota.
test('a killed ledger goes on where it was, up to the quota', async () => {
  await using folder = await Folder.make();
  const path = folder.join('ledger.db');
  await using first = new Program(process.execPath, [CHILD, path, '1', '900']);
  await until('some grants are out', () => first.output.split('\n').length > 60);
  await first.crash();
  await using second = new Program(process.execPath, [CHILD, path, '2', '900']);
  assert.equal(await second.ended, 0);
  for (const owner of ['1', '2', '3', '4']) {
    const grantsOf = ({ output }: Program) =>
      [...output.matchAll(new RegExp(`^granted ${owner} (\\d+)$`, 'gm'))].map((m) => Number(m[1]));
    const [one = 0, two = 0] = [grantsOf(first).at(-1), grantsOf(second).at(-1)];
    // One grant of 3 of the first life may be committed and not told; 1 or 2 units serve nobody.
    assert.ok(one + two <= 900 && one + two >= 895, `${one} + ${two}`);
  }
});

// Guarantees that two hosts never grant from one ledger, and that a killed one locks nobody out.
test('a second process on the same ledger refuses', async () => {
  await using folder = await Folder.make();
  const path = folder.join('ledger.db');
  await using kit = await LedgerKit.start(opener(path));
  await using other = new Program(process.execPath, [CHILD, path, '2']);
  assert.equal(await other.ended, 1);
  assert.match(other.output, /^failed ledger_locked$/m);
  await assert.rejects(
    opener(path)(() => undefined),
    { code: 'ledger_locked' },
  );
  await kit.holder(1n).ask(60, 60);
  await kit.ledger.close();
  await using again = await LedgerKit.start(opener(path));
  assert.equal(await again.free(), 40);
});

// Guarantees that fold and true-up go on over a restart, with the same counters.
test('open and folded holdings outlive a restart', async () => {
  await using folder = await Folder.make();
  const path = folder.join('ledger.db');
  await using before = await LedgerKit.start(opener(path));
  const silent = before.holder(1n);
  const folded = before.holder(2n);
  await folded.ask(60, 60);
  before.nowMs += 30 * SECOND;
  await silent.ask(30, 30);
  assert.equal((await before.ledger.fold(before.nowMs)).folded, 1);
  await before.ledger.close();

  await using after = await LedgerKit.start(opener(path));
  after.nowMs = before.nowMs + 30 * SECOND;
  assert.equal((await after.ledger.fold(after.nowMs)).folded, 1);
  assert.equal(await after.free(), 10);
  const { account, id, windowId, granted } = folded;
  const back = Object.assign(after.holder(id, account), { windowId, granted });
  await back.release(60);
  assert.equal(await after.free(), 70);
  assert.equal(after.ledger.stats().trueUps, 1);
});

// Guarantees that a file of the format before is read on, and that a top-up outlives a restart.
test('a ledger of format 1 goes on, and top-ups stay', async () => {
  await using folder = await Folder.make();
  const path = folder.join('ledger.db');
  await using before = await LedgerKit.start(opener(path));
  await before.holder(1n).ask(100, 100);
  await before.ledger.close();
  const file = openLedgerFile(path);
  file.exec('ALTER TABLE windows DROP COLUMN extra; PRAGMA user_version = 1');
  file.close();
  await using after = await LedgerKit.start(opener(path));
  await after.ledger.topUp(after.account(), 30, NOON);
  await after.ledger.close();
  await using last = await LedgerKit.start(opener(path));
  assert.equal((await last.holder(2n).ask(30, 30)).granted, 30);
  assert.equal((await last.holder(3n).ask(1, 1)).status, 'exhausted');
  assert.equal((await last.ledger.account(last.account(), NOON))?.extra, 30);
});

// Guarantees that removed windows stay closed over a restart with a clock set back.
test('the mark of removed windows outlives a restart', async () => {
  await using folder = await Folder.make();
  const path = folder.join('ledger.db');
  await using before = await LedgerKit.start(opener(path));
  const minute = before.account({ windowKind: 60 });
  await before.holder(1n, minute).ask(100, 100);
  assert.equal((await before.ledger.fold(NOON + 7_200_000)).removed, 1);
  await before.ledger.close();
  await using after = await LedgerKit.start(opener(path));
  assert.equal((await after.holder(2n, minute).ask(1, 1)).status, 'exhausted');
});

// Guarantees that waiting for the disk is shared, and that nobody is answered before it.
test('calls of one moment share a commit', async () => {
  await using folder = await Folder.make();
  await using kit = await LedgerKit.start(opener(folder.join('ledger.db'), 20));
  kit.quota = 10_000;
  const holders = Array.from({ length: 50 }, (_, index) => kit.holder(BigInt(index + 1)));
  await Promise.all(holders.map((holder) => holder.ask(1, 1)));
  const { items, commits } = kit.ledger.stats();
  assert.ok(items === 50 && commits <= 3, `${items} items in ${commits} commits`);
});

// Guarantees that a disk which cannot keep up costs answers, not the memory of the host.
test('calls beyond the bound are refused at once, the others are answered', async () => {
  await using folder = await Folder.make();
  await using kit = await LedgerKit.start(opener(folder.join('ledger.db'), 50));
  const calls = Array.from({ length: LEDGER_CALLS_MAX + 2 }, () => {
    return kit.ledger.account(kit.account(), NOON);
  });
  const ends = await Promise.allSettled(calls);
  const refused = ends.filter(({ status }) => status === 'rejected');
  assert.deepEqual(
    refused.map((end) => end.status === 'rejected' && end.reason.code),
    ['ledger_unavailable', 'ledger_unavailable'],
  );
});

// Guarantees that a full disk takes nothing into the sums that was not told.
test('a failed commit rejects its calls and leaves no trace', async () => {
  await using folder = await Folder.make();
  const path = folder.join('ledger.db');
  // Files may not grow beyond 512 blocks; the signal that says so is ignored, so writes fail.
  const limited = `trap '' XFSZ; ulimit -f 512; exec "$0" "$@"`;
  const args = ['-c', limited, process.execPath, CHILD, path];
  await using child = new Program('sh', args);
  await until('the disk is full', () => child.output.includes('rejected'));
  await child.crash();
  assert.match(child.output, /^rejected ledger_unavailable$/m);
  await using kit = await LedgerKit.start(opener(path));
  for (const owner of [1n, 2n, 3n, 4n]) {
    const told = [...child.output.matchAll(new RegExp(`^granted ${owner} (\\d+)$`, 'gm'))];
    const state = await kit.ledger.account(accountOf(owner), NOON);
    assert.equal(state?.out, Number(told.at(-1)?.[1]));
  }
});

// Guarantees that no foreign or newer file is taken for a ledger, let alone changed.
test('other files are refused and left alone', async () => {
  await using folder = await Folder.make();
  const text = folder.join('text.db');
  await writeFile(text, 'not a database, and long enough to be looked at as one\n'.repeat(40));
  await assert.rejects(
    opener(text)(() => undefined),
    { code: 'ledger_format' },
  );

  const foreign = folder.join('foreign.db');
  const database = new DatabaseSync(foreign);
  database.exec('CREATE TABLE kept (one INTEGER)');
  database.close();
  await assert.rejects(
    opener(foreign)(() => undefined),
    { code: 'ledger_format' },
  );

  const newer = folder.join('newer.db');
  const ledger = openLedgerFile(newer);
  ledger.exec('PRAGMA user_version = 99');
  ledger.close();
  await assert.rejects(
    opener(newer)(() => undefined),
    { code: 'ledger_format' },
  );

  const nowhere = folder.join('no-such-folder', 'ledger.db');
  await assert.rejects(
    opener(nowhere)(() => undefined),
    { code: 'ledger_unavailable' },
  );
});
