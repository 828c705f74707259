/**
 * The reader of policies against what the compiler writes and what an attacker might: it reads the
 * first whole and survives the second.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { InlineCompiler } from '../../../host/compile/compiler.ts';
import { decodePolicy } from '../../../host/wire/policy.ts';
import { resourcesOf } from '../../support/policies.ts';
import { printSeed } from '../../support/seed.ts';

printSeed();

async function compiled(): Promise<Uint8Array> {
  const compiler = new InlineCompiler();
  const setting = { limits: [{ name: 'daily', quota: 123, window: '1h' }] };
  const files = Object.entries(resourcesOf(setting)).map(([name, text]) => {
    return { name, bytes: new TextEncoder().encode(text) };
  });
  const loaded = await compiler.load(files, []);
  assert.ok(loaded.ok);
  const { groups } = await compiler.compile(loaded.names.map((_, at) => at + 1));
  const [group] = groups;
  assert.ok(group);
  return group.policy;
}

function sealed(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer);
  view.setUint32(8, bytes.length, true);
  view.setUint32(12, crc32(bytes.subarray(16)), true);
  return bytes;
}

// Guarantees that host and explanations read from a policy what its author wrote.
test('a compiled policy is read table by table', async () => {
  const decoded = decodePolicy(await compiled());
  assert.ok(decoded.ok);
  const policy = decoded.value;
  assert.deepEqual(
    policy.operations.map(({ name, cost, anonymous }) => [name, cost, anonymous]).sort(),
    [
      ['health', 1, true],
      ['read', 1, false],
      ['write', 5, false],
    ],
  );
  assert.deepEqual(
    policy.limits.map(({ name, quota, windowKind, class: kind }) => [
      name,
      quota,
      windowKind,
      kind,
    ]),
    [['daily', 123, 3_600, 1]],
  );
  assert.deepEqual(policy.sources, [
    { kind: 1, name: 'x-api-key', prefix: '', audiences: { first: 0, count: 0 } },
  ]);
  assert.deepEqual(policy.identity, ['x-consumer', 'x-plan']);
  assert.deepEqual(
    policy.products.map(({ name }) => name),
    ['orders'],
  );
  assert.equal(policy.anyHostNode, 0);
});

// Guarantees that no bytes make the host that reads a policy throw, and that no damage passes.
test('a damaged policy is refused, a hostile one survived', async () => {
  const good = await compiled();
  const hostile = fc.constantFrom(0, 1, 0xffff, 0x7fffffff, 0xfffffff8, 0xffffffff);
  fc.assert(
    fc.property(fc.nat(), fc.array(fc.tuple(fc.nat(), hostile), { minLength: 1 }), (at, writes) => {
      const cut = good.slice(0, at % good.length);
      assert.equal(decodePolicy(cut).ok, false);
      const flipped = good.slice();
      const byte = 16 + (at % (good.length - 16));
      flipped[byte] = (flipped[byte] ?? 0) ^ (1 << (at & 7));
      assert.equal(decodePolicy(flipped).ok, false);
      const rewritten = good.slice();
      const view = new DataView(rewritten.buffer);
      for (const [place, value] of writes) {
        view.setUint32(16 + (place % (good.length - 19)), value, true);
      }
      const decoded = decodePolicy(sealed(rewritten));
      if (!decoded.ok) assert.ok(decoded.what.length > 0);
    }),
    { numRuns: 2_000 },
  );
});
