/**
 * Holds the filter's reading to the host's writing: golden files, and random policies compiled by
 * the host. The two share no code, so that agreement means that docs/wire.md says enough.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import fc from 'fast-check';
import { compilePolicy } from '../../host/compile/policy.ts';
import { makeKey } from '../../host/credential/key.ts';
import { NO_EDITS, type Operation, type Product } from '../../host/resources/model.ts';
import { decodeDirectory } from '../../host/wire/directory.ts';
import { decodePolicy, type Policy } from '../../host/wire/policy.ts';
import { match } from '../host/compile/support.ts';
import { golden } from '../support/golden.ts';
import { printSeed, seed } from '../support/seed.ts';
import { loadCore } from './filter-core.ts';

printSeed();

const FIXTURES = new URL('../fixtures/wire/', import.meta.url);
const SGDI = 0x49444753;
const DIRECTORY_SECTIONS = 0b1110;
const RECORDS = 3;

let core: Awaited<ReturnType<typeof loadCore>>;
before(async () => {
  core = await loadCore();
});

const memory = () => Buffer.from(core.memory.buffer);

function goldenNames(start: string): string[] {
  return readdirSync(FIXTURES)
    .filter((name) => name.startsWith(start) && name.endsWith('.bin'))
    .map((name) => name.slice(0, -4));
}

/** Places a policy in the filter's memory and checks it in slices; answers its address. */
function place(bytes: Uint8Array, slice = 100): number {
  const head = core.HEAD_BYTES.value as number;
  const at = core.takeBlock(bytes.length + head);
  memory().set(bytes, at + head);
  core.begin(at, bytes.length);
  let result = 0;
  while (result === 0) result = core.step(slice);
  assert.equal(result, 1, 'the filter refuses what the host wrote');
  return at;
}

const ANSWERS = ['found', 'passes', 'nothing', 'ambiguous'];

/** What the filter says of a request: indexes of operation and product where it found them. */
function filterMatch(policy: number, host: string, method: string, path: string) {
  const room = core.IN.value as number;
  memory().write(host + path + method, room);
  const answer = core.matchOnce(policy, host.length, path.length, method.length);
  const out = core.OUT.value as number;
  return {
    answer: answer === -1 ? 'not governed' : ANSWERS[answer],
    operation: memory().readUInt32LE(out),
    product: memory().readUInt32LE(out + 4),
  };
}

describe('policies', () => {
  // Guarantees that the filter takes every golden policy, in slices of any size.
  test('of the golden files are valid', () => {
    const names = goldenNames('policy-');
    assert.ok(names.length > 0);
    for (const name of names) for (const slice of [1, 7, 1000]) place(golden(name), slice);
  });

  // Guarantees that what the host compiles is decided by the filter as docs/wire.md says.
  test('compiled by the host are matched alike', () => {
    fc.assert(
      fc.property(
        fc.array(product(), { minLength: 1, maxLength: 5 }),
        requests(),
        (made, asked) => {
          const products = made.map((each, i) => ({ ...each, name: `p${i}` }));
          const known = new Map<string, number>();
          const ids = {
            of(key: unknown) {
              const name = JSON.stringify(key);
              known.set(name, known.get(name) ?? known.size + 1);
              return known.get(name) as number;
            },
          };
          const compiled = compilePolicy({ group: 'default', products, plans: [] }, ids as never);
          assert.ok(compiled.ok);
          const decoded = decodePolicy(compiled.bytes);
          assert.ok(decoded.ok);
          const policy = place(compiled.bytes);
          for (const request of asked) compare(decoded.value, policy, request);
        },
      ),
      { seed, numRuns: 150 },
    );
  });
});

interface Asked {
  readonly host: string;
  readonly method: string;
  readonly path: string;
}

/** Fails unless the filter says of a request what the page says of it. */
function compare(policy: Policy, placed: number, { host, method, path }: Asked): void {
  const expected = match(policy, host, method, path);
  const got = filterMatch(placed, host, method, path);
  const what = `${method} ${host}${path}`;
  if (typeof expected === 'string') {
    assert.equal(got.answer, expected, what);
    return;
  }
  assert.equal(policy.products[got.product]?.name, expected.product, what);
  if (expected.operation === '') {
    const passes = policy.products[got.product]?.passUnmatched === true;
    assert.equal(got.answer, passes ? 'passes' : 'nothing', what);
    return;
  }
  assert.equal(got.answer, 'found', what);
  assert.equal(policy.operations[got.operation]?.name, expected.operation, what);
}

const literal = fc.constantFrom('a', 'b', 'c', 'v1');
const segment = fc.oneof(
  literal.map((each) => ({ literal: each })),
  fc.constant('any' as const),
);
const host = fc.constantFrom('a.example', 'b.a.example', '*.example', '*.a.example');
const method = fc.constantFrom('GET', 'POST', 'DELETE', 'PROPFIND');

function operation(): fc.Arbitrary<Omit<Operation, 'name'>> {
  return fc.record({
    segments: fc.array(segment, { maxLength: 4 }),
    rest: fc.boolean(),
    methods: fc.constantFrom(['GET'], ['POST', 'GET'], ['*']),
    cost: fc.constant(1),
    anonymous: fc.boolean(),
    mediation: fc.constant(NO_EDITS),
  }) as never;
}

/** A product with operations that may hide one another; the name is given later. */
function product(): fc.Arbitrary<Product> {
  const operations = fc
    .array(operation(), { minLength: 1, maxLength: 6 })
    .map((list) => list.map((each, i) => ({ ...each, name: `o${i}` })));
  return fc.record({
    namespace: fc.constant('default'),
    hosts: fc.uniqueArray(host, { maxLength: 2 }),
    basePath: fc.array(literal, { maxLength: 2 }),
    sources: fc.constant([{ place: 'header', name: 'x-api-key', prefix: '', index: 0 }]),
    identities: fc.constant([]),
    brands: fc.constant(['sg']),
    mediation: fc.constant(NO_EDITS),
    rateLimitFields: fc.constant('standard'),
    cors: fc.constant(undefined),
    passUnmatched: fc.boolean(),
    denyStale: fc.boolean(),
    mode: fc.constantFrom('enforce', 'shadow', 'off'),
    operations,
  }) as never;
}

function requests() {
  const step = fc.constantFrom('a', 'b', 'c', 'v1', 'zzz');
  return fc.array(
    fc.record({
      host: fc.constantFrom('a.example', 'b.a.example', 'x.b.a.example', 'other', 'z.example'),
      method,
      path: fc
        .tuple(fc.array(step, { minLength: 1, maxLength: 6 }), fc.constantFrom('', '/'))
        .map(([steps, end]) => `/${steps.join('/')}${end}`),
    }),
    { minLength: 20, maxLength: 40 },
  );
}

describe('directory pages', () => {
  // Guarantees that every record of a golden page is found again with what the page says of it.
  test('of the golden files are applied', () => {
    let present = 0;
    for (const name of goldenNames('directory-')) {
      const bytes = golden(name);
      const page = decodeDirectory(bytes);
      assert.ok(page.ok, name);
      const directory = core.newDirectory();
      const at = core.IN.value as number;
      memory().set(bytes, at);
      assert.equal(core.checkMessage(at, bytes.length, SGDI, DIRECTORY_SECTIONS), 0, name);
      const body = core.findSection(at, bytes.length, RECORDS);
      const length = core.sectionLength(body);
      const { records } = page.value.page;
      assert.equal(core.checkRecords(body, length, records.length), 1, name);
      assert.equal(core.checkRecords(body, length, records.length + 1), 0, name);
      assert.equal(core.applyRecords(directory, body, length, 0), 0, name);
      for (const record of records) {
        if (!record.present) continue;
        present++;
        assert.notEqual(find(directory, record.kind, BigInt(record.id), record.body), 0, name);
      }
      core.directoryFree(directory);
    }
    assert.ok(present > 2);
  });
});

/** The entry for a record, found as a request finds it. */
function find(directory: number, kind: number, id: bigint, body: Uint8Array): number {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  if (kind === 2) return core.findApplication(directory, id);
  if (kind === 3) {
    const [application, of] = [view.getBigUint64(0, true), view.getBigUint64(8, true)];
    return core.findSubscription(directory, application, of);
  }
  const room = core.OUT.value as number;
  memory().set(body.subarray(0, 32), room);
  return core.findCredential(directory, room);
}

// Guarantees that a key the host makes passes the filter's look at its form, and no neighbour does.
test('keys of the host are well formed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 60, maxLength: 60 }), fc.nat(41), (random, at) => {
      let taken = 0;
      const fresh = makeKey('acme', (count) => {
        const bytes = new Uint8Array(count).map(() => (random[taken++ % 60] ?? 0) % 248);
        return bytes;
      });
      const key = fresh.key.reveal();
      const room = core.IN.value as number;
      memory().write(key, room);
      assert.equal(core.isWellFormed(room, key.length), 1, key);
      const byte = memory()[room + (at % key.length)] ?? 0;
      memory()[room + (at % key.length)] = byte === 0x41 ? 0x42 : 0x41;
      assert.equal(core.isWellFormed(room, key.length), 0, `${key} ${at}`);
    }),
    { seed, numRuns: 300 },
  );
});
