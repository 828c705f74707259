/**
 * Tests of what loading makes of good and odd files: values, defaults, canonical form and bounds.
 * What it says of bad ones is held by the corpus.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type InputFile,
  type Loaded,
  loadResources,
  setFromStore,
} from '../../../host/resources/load.ts';
import { readTime, readWindow } from '../../../host/resources/names.ts';
import { readPathTemplate } from '../../../host/resources/path.ts';
import { editDistance, suggest } from '../../../host/resources/suggest.ts';
import { readTemplate } from '../../../host/resources/template.ts';
import { printSeed } from '../../support/seed.ts';

const GOOD = new URL('../../fixtures/resources/good/', import.meta.url);
printSeed();

function goodFiles(): InputFile[] {
  return readdirSync(GOOD).map((name) => ({
    name,
    bytes: new Uint8Array(readFileSync(new URL(name, GOOD))),
  }));
}

function load(text: string): Loaded {
  return loadResources([{ name: 'f.yaml', bytes: new TextEncoder().encode(text) }]);
}

function loadGood(files = goodFiles()) {
  const loaded = loadResources(files);
  assert.ok(loaded.ok);
  return loaded;
}

// Guarantees what a product means once it is read: lower case, defaults, segments, parts.
test('a product is read into what it means', () => {
  const { set } = loadGood();
  const [orders, status] = set.products;
  assert.ok(orders && status);
  assert.deepEqual(orders.basePath, ['v1']);
  assert.deepEqual(orders.sources[1], {
    ...{ place: 'header', name: 'authorization', prefix: 'Bearer ', index: 1 },
  });
  assert.deepEqual(orders.brands, ['sg', 'acme']);
  assert.deepEqual(orders.operations[4], {
    name: 'items',
    methods: ['*'],
    segments: [{ literal: 'orders' }, 'any', { literal: 'items' }],
    rest: true,
    cost: 1,
    anonymous: false,
    mediation: {
      request: [{ op: 'rename', header: 'x-item-token', parts: [{ text: 'x-token' }] }],
      response: [{ op: 'append', header: 'vary', parts: [{ text: 'x-token' }] }],
    },
  });
  assert.deepEqual(orders.mediation.request[1], {
    op: 'set',
    header: 'x_trace',
    parts: [
      { variable: 'application.name' },
      { text: '/' },
      { variable: 'plan.name' },
      { text: '/' },
      { variable: 'product.name' },
    ],
  });
  assert.deepEqual([status.brands, status.passUnmatched, status.denyStale], [[], true, true]);
  assert.deepEqual(status.operations[0]?.segments, []);
  assert.deepEqual(status.operations[1]?.segments, [{ literal: '' }]);
  const [credential] = set.credentials;
  assert.equal(credential?.notBeforeMs, Date.UTC(2026, 0, 1));
  assert.equal(credential?.notAfterMs, Date.UTC(2026, 11, 31, 23));
  assert.equal(credential?.state, 'disabled');
});

// Guarantees that a reload of files written another way is no change.
test('order of files, order of fields and written defaults do not matter', () => {
  const forwards = loadGood().resources;
  const backwards = loadGood(goodFiles().reverse()).resources;
  const sorted = (list: typeof forwards) => list.map((each) => JSON.stringify(each)).sort();
  assert.deepEqual(sorted(forwards), sorted(backwards));
  const head = 'apiVersion: sidegate.dev/v1alpha1\nkind: Plan\n';
  const short = load(
    `${head}metadata: { name: a }\nspec: { limits: [{ name: m, quota: 1, window: 1m }] }`,
  );
  const long = load(
    `${head}metadata: { namespace: default, name: a }\nspec:\n  limits:\n` +
      '    - { mode: enforce, window: 1m, quota: 1, name: m, class: exact }',
  );
  assert.ok(short.ok && long.ok);
  assert.deepEqual(short.resources, long.resources);
});

// Guarantees that a host can go on from its store alone.
test('the set comes back from the canonical form', () => {
  const { set, resources } = loadGood();
  const again = setFromStore(resources);
  const plain = (value: unknown) =>
    JSON.parse(JSON.stringify(value, (key, part) => (key === 'origin' ? undefined : part)));
  assert.deepEqual(plain(again), plain(set));
});

// Guarantees that a field name has no meaning beyond itself.
test('names that objects have of their own are names like others', () => {
  const head = 'apiVersion: sidegate.dev/v1alpha1\nkind: Consumer\n';
  const labels = load(`${head}metadata: { name: a, labels: { __proto__: x, constructor: y } }`);
  assert.ok(labels.ok);
  assert.match(labels.resources[0]?.text ?? '', /"__proto__":"x"/);
  const field = load(`${head}metadata: { name: a }\n__proto__: { polluted: 1 }`);
  assert.ok(!field.ok && field.problems[0]?.code === 'SG1103');
  assert.equal(({} as { polluted?: number }).polluted, undefined);
});

// Guarantees that reading is total: whatever is in a file, the answer is a set or problems.
test('any text is answered with a set or with problems that have a place', () => {
  const words = fc.constantFrom(
    ...[
      'apiVersion: sidegate.dev/v1alpha1',
      'kind: Plan',
      'kind: Product',
      'metadata: { name: a }',
    ],
    ...['spec:', '  limits:', '  - { name: a, quota: 1, window: 1m }', '  hosts: [a.b, *x]'],
    ...['---', '- &a [*a]', '"\\u0000"', '\t', '{', ']', ': :', '? ', '!!binary |', '|-', '\u2028'],
  );
  const text = fc.oneof(
    fc.array(words, { maxLength: 30 }).map((lines) => lines.join('\n')),
    fc.string({ maxLength: 200, unit: 'binary' }),
  );
  fc.assert(
    fc.property(text, (content) => {
      const loaded = load(content);
      if (loaded.ok) return;
      assert.ok(loaded.problems.length > 0);
      for (const { line, column, message, fix } of loaded.problems) {
        assert.ok(line >= 1 && column >= 1 && message !== '' && fix !== '');
      }
    }),
    { numRuns: 400 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      loadResources([{ name: 'f', bytes }]);
    }),
    { numRuns: 200 },
  );
});

// Guarantees the units of windows and their ends.
test('windows are read in seconds from 1s to 1d', () => {
  const good: [string, number][] = [
    ['1s', 1],
    ['90s', 90],
    ['5m', 300],
    ['24h', 86_400],
    ['1d', 86_400],
    ['86400s', 86_400],
  ];
  for (const [text, seconds] of good)
    assert.deepEqual(readWindow(text), { ok: true, value: seconds });
  for (const bad of [
    '',
    's',
    '1',
    '-1s',
    '1 s',
    '0m',
    '86401s',
    '2d',
    '1e3s',
    '1mo',
    `${'9'.repeat(400)}s`,
  ]) {
    assert.ok(!readWindow(bad).ok, bad);
  }
});

// Guarantees that a day that is not in the calendar is not read as another.
test('times need a real day and a zone', () => {
  const at = Date.UTC(2024, 1, 29, 12);
  for (const text of [
    '2024-02-29T12:00Z',
    '2024-02-29 13:00:00+01:00',
    '2024-02-29t12:00:00.000z',
  ]) {
    assert.deepEqual(readTime(text), { ok: true, value: at }, text);
  }
  for (const bad of ['2023-02-29T12:00Z', '2024-02-29', '2024-13-01T00:00Z', '1969-01-01T00:00Z']) {
    assert.ok(!readTime(bad).ok, bad);
  }
});

// Guarantees that a template is compared in the form the filter compares paths in.
test('escapes of a path template are brought into one form', () => {
  const read = readPathTemplate('/%41%7eb/%c3%a4/x');
  assert.ok(read.ok);
  const literals = [{ literal: 'A~b' }, { literal: '%C3%A4' }, { literal: 'x' }];
  assert.deepEqual(read.value, { segments: literals, rest: false });
});

// Guarantees that a lone dollar sign can be sent.
test('a template keeps what is no variable', () => {
  const read = readTemplate(`$5 \${plan.name} $x`);
  assert.deepEqual(read, {
    ok: true,
    value: [{ text: '$5 ' }, { variable: 'plan.name' }, { text: ' $x' }],
  });
});

// Guarantees that a guess is near, and no guess is better than a far one.
test('guesses are near', () => {
  assert.equal(suggest('qouta', ['quota', 'window']), 'quota');
  assert.equal(suggest('limit', ['limits', 'limes']), 'limits');
  assert.equal(suggest('burst', ['quota', 'window']), undefined);
  assert.deepEqual([editDistance('ab', 'ba'), editDistance('', 'abc')], [1, 3]);
});
