/**
 * Measures the cores of a request in the compiler that Envoy uses for them: V8 without its baseline
 * tier. Prints one line per figure; it asserts nothing, the machine may be noisy.
 *
 * Usage: node --no-liftoff test/assembly/core/bench.mjs
 */
import { createHash } from 'node:crypto';
import { compilePolicy } from '../../../host/compile/policy.ts';
import { checksum } from '../../../host/credential/key.ts';
import { loadCore } from '../../contract/filter-core.ts';

const CREDENTIALS = 100_000;
const OTHERS = 20_000;
const ROUNDS = 7;

const now = () => Number(process.hrtime.bigint()) / 1000;

/** The best of a few rounds, in nanoseconds per time. */
function best(times, run) {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const from = process.hrtime.bigint();
    run();
    least = Math.min(least, Number(process.hrtime.bigint() - from) / times);
  }
  return least;
}

function print(what, value, unit) {
  console.log(`${what.padEnd(56)} ${value.toFixed(value < 10 ? 2 : 1).padStart(9)} ${unit}`);
}

const core = await loadCore();
const memory = () => Buffer.from(core.memory.buffer);
const put = (text, at = core.IN.value) => memory().write(text, at);

function record(kind, id, revision, body) {
  const bytes = Buffer.alloc(20 + body.length);
  bytes.writeUInt16LE(bytes.length);
  bytes.writeUInt8(kind, 2);
  bytes.writeUInt8(1, 3);
  bytes.writeBigUInt64LE(BigInt(id), 4);
  bytes.writeBigUInt64LE(BigInt(revision), 12);
  body.copy(bytes, 20);
  return bytes;
}

const digestOf = (id) => createHash('sha256').update(`key ${id}`).digest();

function credential(id) {
  const body = Buffer.alloc(64);
  digestOf(id).copy(body);
  body.writeBigUInt64LE(BigInt(1 + (id % OTHERS)), 32);
  body.writeUInt8(1, 56);
  return record(1, id, id, body);
}

function application(id) {
  const names = Buffer.from(`consumer-${id}application-${id}`);
  const body = Buffer.alloc(16 + names.length);
  body.writeBigUInt64LE(9n);
  body.writeUInt8(1, 8);
  body.writeUInt8(`consumer-${id}`.length, 9);
  body.writeUInt8(`application-${id}`.length, 10);
  names.copy(body, 16);
  return record(2, id, id, body);
}

function subscription(id) {
  const body = Buffer.alloc(32);
  body.writeBigUInt64LE(BigInt(id), 0);
  body.writeBigUInt64LE(11n, 8);
  body.writeBigUInt64LE(31n, 16);
  body.writeUInt8(1, 24);
  return record(3, id, id, body);
}

/** Fills pages of at most 32 KiB as the host would; adds the microseconds of each to `times`. */
function fill(directory, make, count, times) {
  for (let id = 1; id <= count; ) {
    const records = [];
    for (let bytes = 0; id <= count; id++) {
      const next = make(id);
      if (bytes + next.length > 32_000) break;
      bytes += next.length;
      records.push(next);
    }
    const page = Buffer.concat(records);
    page.copy(memory(), core.IN.value);
    const from = now();
    if (!core.checkRecords(core.IN.value, page.length, records.length)) throw new Error('records');
    if (core.applyRecords(directory, core.IN.value, page.length, 0) !== 0) throw new Error('room');
    times.push(now() - from);
  }
}

/**
 * Does the same work a few times and prints how long its pieces take. The least time of each piece
 * counts: the same piece is not disturbed every time.
 */
function printPieces(what, run) {
  const rounds = Array.from({ length: ROUNDS }, run);
  const times = rounds[0].map((_, i) => Math.min(...rounds.map((round) => round[i])));
  const sorted = times.toSorted((a, b) => a - b);
  print(`${what}, median`, sorted[sorted.length >> 1], 'µs');
  print(`${what}, largest`, sorted.at(-1), 'µs');
}

function benchHashes() {
  const body = `sg_${'aB3'.repeat(10)}`;
  const key = body + checksum(body);
  print(
    `SHA-256 of ${key.length} bytes`,
    best(1e5, () => core.manySha256(key.length, 1e5)),
    'ns',
  );
  print('SHA-256 of a page of 32 KiB', best(20, () => core.manySha256(32768, 20)) / 1000, 'µs');
  print('CRC-32 of a page of 32 KiB', best(20, () => core.manyCrc32(32768, 20)) / 1000, 'µs');
  put(key);
  if (core.manyWellFormed(key.length, 1) !== 1) throw new Error('the key is not well formed');
  print(
    'form of a key',
    best(1e5, () => core.manyWellFormed(key.length, 1e5)),
    'ns',
  );
}

function benchDirectory() {
  const before = Number(core.memoryBytes());
  const directory = core.newDirectory();
  const fillAll = () => {
    const times = [];
    core.directoryFree(directory);
    fill(directory, credential, CREDENTIALS, times);
    fill(directory, application, OTHERS, times);
    fill(directory, subscription, OTHERS, times);
    return times;
  };
  fillAll();
  const megabytes = (Number(core.memoryBytes()) - before) / 2 ** 20;
  print(`memory of ${CREDENTIALS} credentials, ${OTHERS} others twice`, megabytes, 'MiB');
  printPieces('a page of 32 KiB of records', fillAll);
  const digests = core.takeBlock(2 * CREDENTIALS * 32);
  for (let id = 1; id <= 2 * CREDENTIALS; id++) {
    digestOf(id).copy(memory(), digests + (id - 1) * 32);
  }
  const known = (times) => core.manyCredentials(directory, digests, CREDENTIALS, times);
  const unknown = (times) =>
    core.manyCredentials(directory, digests + CREDENTIALS * 32, CREDENTIALS, times);
  if (known(1000) !== 1000 || unknown(1000) !== 0) throw new Error('look-up');
  print(
    'look-up of a known credential',
    best(1e5, () => known(1e5)),
    'ns',
  );
  print(
    'look-up of an unknown credential',
    best(1e5, () => unknown(1e5)),
    'ns',
  );
  const applications = () => core.manyApplications(directory, OTHERS, 1e5);
  const subscriptions = () => core.manySubscriptions(directory, 11n, OTHERS, 1e5);
  if (applications() !== 1e5 || subscriptions() !== 1e5) throw new Error('look-up');
  print('look-up of an application', best(1e5, applications), 'ns');
  print('look-up of a subscription', best(1e5, subscriptions), 'ns');
}

/** A product with many operations; `hosts` names it so often. */
function product(name, hosts, operations) {
  return {
    namespace: 'default',
    name,
    hosts,
    basePath: ['v1'],
    sources: [{ header: 'x-api-key', prefix: '' }],
    brands: ['sg'],
    steps: [{ op: 'set', header: 'x-consumer', parts: [{ variable: 'consumer.name' }] }],
    passUnmatched: false,
    denyStale: false,
    mode: 'enforce',
    operations: Array.from({ length: operations }, (_, i) => ({
      name: `operation-${i}`,
      segments: [{ literal: `things-${i}` }, 'any', { literal: 'parts' }],
      rest: false,
      methods: ['GET'],
      cost: 1,
      anonymous: false,
    })),
  };
}

function place(products) {
  let id = 0;
  const known = new Map();
  const ids = {
    of(key) {
      if (!known.has(key)) known.set(key, ++id);
      return known.get(key);
    },
  };
  const compiled = compilePolicy({ group: 'default', products, plans: [] }, ids);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.excess));
  const head = core.HEAD_BYTES.value;
  const at = core.takeBlock(compiled.bytes.length + head);
  Buffer.from(compiled.bytes).copy(memory(), at + head);
  checkSlices(at, compiled.bytes.length);
  return { at, bytes: compiled.bytes.length };
}

/** Checks a policy; answers the microseconds of each slice. */
function checkSlices(at, bytes) {
  const times = [];
  core.begin(at, bytes);
  for (let result = 0; result !== 1; ) {
    const from = now();
    result = core.step(2000);
    times.push(now() - from);
    if (result < 0) throw new Error(`policy refused: ${result}`);
  }
  return times;
}

function benchPolicy() {
  const large = Array.from({ length: 16 }, (_, i) => product(`p${i}`, [`h${i}.example`], 1000));
  const { at, bytes } = place(large);
  const size = `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  printPieces(`2,000 records of a policy of ${size}`, () => checkSlices(at, bytes));
  const host = 'h7.example:8080';
  const way = '/v1/things-777/42/parts?x=1';
  put(`${host}${way}GET`);
  const match = () => core.manyMatches(at, host.length, way.length, 3, 1e5);
  if (match() !== 1e5) throw new Error('no match');
  print('host, path and method among 16,000 operations', best(1e5, match), 'ns');
  for (const name of ['accept-encoding', 'x-request-id', 'x-consumer']) {
    put(name);
    const test = () => core.manyNames(at, name.length, 1e5);
    print(`is ${name} an identity name`, best(1e5, test), 'ns');
  }
}

benchHashes();
benchDirectory();
benchPolicy();
