/**
 * The order of a host's threads on a core that they share, read from the system for a real host.
 */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { BEHIND } from '../../host/threads.ts';
import { Host } from '../support/host.ts';

/** Steps of niceness there are; a run that is very nice itself leaves no room for an order. */
const NICENESS_MAX = 19;
const OWN = getPriority();

// Guarantees that on a core they share, what answers proxies goes before a large change and before
// what collects its garbage.
test('threads that answer proxies go before store, resources and helpers', {
  skip: process.platform !== 'linux' || OWN + BEHIND.resources > NICENESS_MAX,
}, async () => {
  await using host = await Host.start({});
  const threads = `/proc/${host.pid}/task`;
  const behind = new Map<string, number[]>();
  for (const thread of await readdir(threads)) {
    // A thread of libuv may have gone meanwhile.
    const stat = await readFile(`${threads}/${thread}/stat`, 'latin1').catch(() => undefined);
    if (stat === undefined) continue;
    // The name stands in parentheses and may hold anything.
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const nice = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
    behind.set(name, [...(behind.get(name) ?? []), nice - OWN]);
  }
  const helpers = behind.get('V8Worker') ?? [];
  behind.delete('V8Worker');
  assert.ok(helpers.length > 0, `threads: ${[...behind.keys()]}`);
  assert.deepEqual([...new Set(helpers)], [BEHIND.resources]);
  // Thread of the store and thread of resources; main, ledger, usage and all others are not behind.
  const others = [...behind.values()].flat().filter((steps) => steps !== 0);
  assert.deepEqual(
    others.sort((a, b) => a - b),
    [BEHIND.store, BEHIND.resources],
  );
});
