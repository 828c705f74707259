/**
 * The bench itself: that partial runs keep the other figures, that no row of the table can get
 * lost, that instructions are counted right, and that Envoy takes the configuration of every chain
 * that needs no foreign tools.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import net from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import wabt from 'wabt';
import { ENVOY_VERSION, fetchEnvoy } from '../../envoy/locate.ts';
import * as config from '../support/envoy-config.ts';
import { Folder } from '../support/folders.ts';
import { writeNoopModule } from '../support/noop.ts';
import { RELEASE_MODULE } from '../support/rig.ts';
import * as chains from './chains.ts';
import { measureControl } from './control.ts';
import { configOf } from './lanes.ts';
import { COUNTER, meter } from './meter.ts';
import { renderPage } from './page.ts';
import { loadResults, mergeSection } from './results.ts';
import { PLUGIN } from './sidegate.ts';
import { targetsOf } from './targets.ts';
import { writeLua } from './toolchains.ts';

const KEYS = ['sg_one', 'sg_two'];

// Guarantees that measuring one chain anew neither loses the others nor passes for one run.
test('a partial run keeps the other rows and marks its own', () => {
  const whole = mergeSection(undefined, { rows: { a: { n: 1 }, b: { n: 2 } } }, 'box', 'one');
  const part = mergeSection(whole, { rows: { b: { n: 3 } }, partial: true }, 'box', 'two');
  assert.deepEqual(part.rows, { a: { n: 1 }, b: { n: 3, run: 'two' } });
  assert.equal(part.run, 'one');
  const again = mergeSection(part, { rows: { b: { n: 4 } } }, 'box', 'three');
  assert.deepEqual(again.rows, { b: { n: 4 } });
});

// Guarantees that a number to reach is on the page whether or not it was measured, and marked when
// it was missed.
test('every number to reach is on the page, open ones marked', async () => {
  const none = renderPage({}, 1, '');
  const kept = renderPage(await loadResults(), 1, 'where it goes');
  for (const { what } of targetsOf({}, 1)) {
    assert.ok(none.includes(`| ${what} |`), what);
    assert.ok(kept.includes(`| ${what} |`), what);
  }
  const opened = (page: string) => page.split('**(open)**').length - 1;
  const met = targetsOf({}, 1).filter((target) => target.met === true).length;
  assert.equal(opened(none), targetsOf({}, 1).length - met);
  assert.match(kept, /where it goes/);
  const row = { does: 'x', rounds: 1, proxyNs: 20_000, proxyMedianNs: 1, helperNs: 0 };
  const rows = { 'no filter': row, 'no-op wasm': row, 'Sidegate, 100,000 keys': row };
  const same = { machine: 'box', run: 'one', rows, missing: { Lua: 'gone' } };
  const page = renderPage({ cpu: same }, 1, '');
  assert.match(page, /over the no-op filter \| <= 4 µs \| 0\.0 µs \|/);
  assert.match(page, /- \*\*Lua\*\*: gone/);
});

// Guarantees the one number that is compared across machines.
test('executed instructions are counted, branches and loops included', async () => {
  const text = `(module
    (global $g (mut i32) (i32.const 0))
    (func (export "sum") (param $n i32) (result i32) (local $s i32)
      (block $out
        (loop $again
          (br_if $out (i32.eqz (local.get $n)))
          (local.set $s (i32.add (local.get $s) (local.get $n)))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br $again)))
      (if (result i32) (local.get $s) (then (local.get $s)) (else (i32.const -1)))))`;
  const { parseWat } = await wabt();
  const module = parseWat('sum.wat', text);
  const bytes = new Uint8Array(module.toBinary({}).buffer);
  module.destroy();
  const instance = new WebAssembly.Instance(new WebAssembly.Module(meter(bytes)), {});
  const { sum, [COUNTER]: counter } = instance.exports as {
    sum: (n: number) => number;
    [COUNTER]: WebAssembly.Global;
  };
  // Twelve in each turn of the loop; three to leave it; two for the condition, one for its value.
  assert.deepEqual([sum(10), counter.value], [55, BigInt(10 * 12 + 3 + 3)]);
  assert.deepEqual([sum(0), counter.value], [-1, BigInt(126 + 3 + 3)]);
});

// Guarantees that a bench does not fail after minutes on a configuration.
test('Envoy takes the configuration of every chain', { timeout: 120_000 }, async () => {
  await using folder = await Folder.make();
  const noop = folder.join('noop.wasm');
  await writeNoopModule(noop);
  const own = config.wasmFilter({ module: RELEASE_MODULE, plugin: PLUGIN });
  const all = [
    chains.noFilter(),
    chains.noopWasm(noop),
    chains.nativeChain(KEYS),
    chains.extAuthz('Go', { port: 1, pid: 0 }, KEYS),
    chains.filterChain('Lua', '', chains.luaFilter(await writeLua(KEYS)), KEYS),
    { ...chains.noFilter(), proxy: { filters: [own], clusters: [config.cluster('sidegate', 1)] } },
  ];
  const { path } = await fetchEnvoy(ENVOY_VERSION, console.error);
  for (const { name, proxy } of all) {
    const file = folder.join('envoy.json');
    await writeFile(file, JSON.stringify(configOf(proxy)));
    const run = promisify(execFile)(path, ['--mode', 'validate', '-c', file]);
    const { stdout } = await run.catch((error) => assert.fail(`${name}: ${error.stderr}`));
    assert.match(stdout, /OK/, name);
  }
});

// Guarantees the sizes of requests that the page speaks of.
test('a small request has 7 headers and a large one 40, host and user-agent included', () => {
  const large = chains.withManyHeaders(chains.nativeChain(KEYS));
  assert.equal(Object.keys(chains.callerHeaders()).length + 2, chains.SMALL);
  assert.equal(Object.keys(large.headers()).length + 2, chains.LARGE);
  assert.ok(KEYS.includes(large.headers()[chains.KEY_HEADER] ?? ''));
});

// Guarantees that the figures of resources at size are of work that was done, none left out.
test('every kind of work on resources is measured beside calls of filters', {
  timeout: 170_000,
}, async () => {
  const call = async (port: number, bytes: Buffer) => {
    let isOver = false;
    let [answered, failed] = [0, 0];
    const calling = (async () => {
      while (!isOver) {
        const { status } = await sendRaw(port, bytes);
        answered += 1;
        if (status !== 200) failed += 1;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const end = async () => {
      isOver = true;
      await calling;
      return { answered, failed, times: Array(answered).fill(2_000) };
    };
    return { end };
  };
  const { rows, missing } = await measureControl({
    ...{ count: 200, pairs: 2, windowSeconds: 0.1, restSeconds: 0.1, call },
  });
  assert.deepEqual(missing, {});
  const page = renderPage({ control: { machine: 'box', run: 'one', rows, missing } }, 1, '');
  assert.match(page, /sync p99 beside any work on them, over idle \| <= 20 ms \| 0\.0 ms at most/);
  for (const [name, row] of Object.entries(rows)) {
    assert.ok(page.includes(`| ${name}: ${row.what} |`), name);
    if (name === 'restart') continue;
    assert.ok(Number(row.calls) > 0, `${name}: no call was answered`);
    assert.equal(row.callsFailed, 0, name);
  }
});

/** Sends a whole call as it goes over the wire, on a connection of its own. */
async function sendRaw(port: number, bytes: Buffer): Promise<{ status: number }> {
  const socket = net.connect({ host: '127.0.0.1', port });
  socket.write(bytes);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(answer.toString('latin1'))?.[1]) };
}
