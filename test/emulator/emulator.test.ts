/**
 * Holds the emulator to what was measured on a real Envoy, and its header maps and pairs to their
 * own rules. The measuring itself is done in test/e2e/emulator-vs-envoy.test.ts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodePairs, encodePairs, HeaderMap, type Pair } from '../../host/emulator/index.ts';
import { printSeed, seed } from '../support/seed.ts';
import { CASES } from './support/cases.ts';
import { measureInEmulator, readMeasured } from './support/measured.ts';
import { Probe } from './support/probe.ts';

const measured = await readMeasured();

// Guarantees that a filter tested here meets the results it will meet in Envoy.
for (const item of CASES) {
  test(`measured: ${item.name}`, () => {
    const probe = new Probe();
    probe.clusters.set('refused', 'refused');
    const before = probe.vm.log.lines.length;
    assert.ok(before > 0);
    assert.deepEqual(measureInEmulator(probe, item), measured[item.name]);
    assert.equal(probe.vm.failure, undefined);
  });
}

// Guarantees that no measured outcome is left that nothing is held against.
test('every measured case is one that is run', () => {
  assert.deepEqual(Object.keys(measured).sort(), CASES.map(({ name }) => name).sort());
});

const byteText = fc
  .array(fc.integer({ min: 0, max: 255 }), { maxLength: 12 })
  .map((codes) => String.fromCharCode(...codes));
const pairList = fc.array(fc.tuple(byteText, byteText), { maxLength: 20 });

// Guarantees that any header, whatever its bytes, crosses the border unchanged.
test('pairs survive encoding, and only as a whole', () => {
  printSeed();
  fc.assert(
    fc.property(pairList, fc.nat(), (pairs, cut) => {
      const names = pairs.map(([name]) => name);
      const values = pairs.map(([, value]) => value);
      const bytes = encodePairs(names, values);
      assert.deepEqual(decodePairs(bytes), pairs);
      if (bytes.length === 0) return;
      assert.deepEqual(decodePairs(bytes.subarray(0, cut % bytes.length)), []);
      assert.deepEqual(decodePairs(Buffer.concat([bytes, Buffer.alloc(1)])), []);
    }),
    { seed },
  );
});

// Guarantees that hostile pairs from a guest are read as none and never throw.
test('reading pairs is total', () => {
  printSeed();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      for (const [name, value] of decodePairs(bytes)) assert.ok(`${name}${value}`.length < 64);
    }),
    { seed },
  );
  const many = Buffer.alloc(4 + 8 * 1025 + 2 * 1025);
  many.writeUInt32LE(1025, 0);
  assert.deepEqual(decodePairs(many), []);
  assert.deepEqual(decodePairs(new Uint8Array(1_048_577)), []);
});

// Guarantees that a map made from another is a copy: a stream's edits never reach its template.
test('a header map shares its headers only until it changes', () => {
  const template = new HeaderMap('request', [
    [':path', '/'],
    ['x-a', '1'],
  ]);
  const encoded = template.encoded();
  const copy = new HeaderMap('request', template);
  assert.equal(copy.encoded(), encoded);
  copy.add('x-b', '3');
  copy.replace('X-A', '2');
  const expected: Pair[] = [
    [':path', '/'],
    ['x-a', '1'],
  ];
  assert.deepEqual(template.pairs(), expected);
  assert.equal(template.encoded(), encoded);
  template.remove('x-a');
  assert.deepEqual(copy.all('x-a'), ['2']);
  assert.deepEqual(template.pairs(), [[':path', '/']]);
});

// Guarantees that text beyond a byte per character reaches the guest as UTF-8.
test('header values may hold any text', () => {
  const map = new HeaderMap('request', { 'x-name': 'Zo\u00eb', 'x-sign': '\u20ac' });
  assert.equal(map.get('x-name'), 'Zo\u00eb');
  assert.equal(map.get('x-sign'), Buffer.from('\u20ac', 'utf8').toString('latin1'));
});
