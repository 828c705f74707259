/**
 * Holds keys to their form and sources to their product. Guarantees that a key is found only where
 * the product says, and that whatever counts as one is cut.
 */
import { isWellFormed } from '../../../assembly/credential/format';
import { cutAllKeys, FoundKey, findKey } from '../../../assembly/credential/source';
import { productAt } from '../../../assembly/policy/policy';
import { below, lastRoom, next, room, seed, Text, textOf } from '../support/bytes';
import { edits, request } from '../support/headers';
import { checkPolicy, PolicyWriter } from '../support/policy';

const OUT: usize = room(8);
const NO_KEY = 0;
const ONE = 1;
const CONFLICT = 2;
const TOO_LONG = 3;

describe('the form of a key', () => {
  // Guarantees agreement with the host on the checksum: these keys were made by another program.
  test('is brand, 30 of base 62 and their checksum', () => {
    const good = [
      'sg_0000000000000000000000000000002L4FO0',
      'acme2_ABCDEFGHIJKLMNOPQRSTUVWXYZabcd4A3H12',
    ];
    for (let i = 0; i < good.length; i++) {
      const key = new Text(good[i]);
      expect(isWellFormed(key.at, key.length)).toBe(true, good[i]);
      // Guarantees that one wrong character is found before anything is hashed.
      for (let at: u32 = 0; at < key.length; at++) {
        const byte = load<u8>(key.at + at);
        store<u8>(key.at + at, byte == 0x31 ? 0x32 : 0x31);
        expect(isWellFormed(key.at, key.length)).toBe(false, at.toString());
        store<u8>(key.at + at, byte);
      }
      for (let cut: u32 = 0; cut < key.length; cut++) {
        expect(isWellFormed(key.at, cut)).toBe(false);
      }
    }
  });

  // Guarantees a total function: a short key is not looked at before its first byte.
  test('is refused for bytes of any kind', () => {
    const end = lastRoom(64) + 64;
    seed(5);
    for (let round = 0; round < 20000; round++) {
      const length = below(64);
      for (let i: u32 = 0; i < length; i++) store<u8>(end - length + i, <u8>next());
      isWellFormed(end - length, length);
    }
    expect(isWellFormed(end, 0)).toBe(false, 'seed 5');
  });
});

let policy: usize = 0;

/** Product 0 has brands and two sources; product 1 takes any key from `x-key`. */
function serve(): void {
  const writer = new PolicyWriter();
  writer.source('x-api-key', '').source('authorization', 'Bearer ');
  writer.source('authorization', 'ApiKey ').brand('sg').brand('acme').product(1, 'branded');
  writer.source('x-key', '').product(2, 'opaque');
  policy = writer.place();
  expect(checkPolicy(policy, writer.length)).toBe(1);
}

function find(product: u32, headers: string[]): i32 {
  serve();
  request(headers);
  return findKey(policy, productAt(policy, product), OUT);
}

function key(): string {
  const found = changetype<FoundKey>(OUT);
  return textOf(found.at, found.length);
}

describe('the sources of a product', () => {
  // Guarantees that a key is taken from where the product says, and cut from there.
  test('give the one key and cut it', () => {
    expect(find(0, ['host: a', 'x-api-key: sg_1', 'accept: b'])).toBe(ONE);
    expect(key()).toBe('sg_1');
    expect(edits()).toBe('-x-api-key');
    expect(find(0, ['authorization: Bearer acme_2'])).toBe(ONE);
    expect(key()).toBe('acme_2');
    expect(find(0, ['authorization: bEARER   sg_3 '])).toBe(ONE);
    expect(key()).toBe('sg_3');
    expect(find(1, ['x-key: anything at all'])).toBe(ONE);
    expect(key()).toBe('anything at all');
  });

  // Guarantees that a value of another scheme or brand is nobody's key and stays for the service.
  test('count no other values', () => {
    const others = [
      'authorization: Basic abc',
      'authorization: Bearer eyJhbGciOi',
      'authorization: Bearersg_1',
      'authorization: Bearer ',
      'x-api-key: sgx_1',
      'x-api-key: sg',
      'x-api-key: SG_1',
      'x-api-key2: sg_1',
      'x-api-ke: sg_1',
    ];
    for (let i = 0; i < others.length; i++) {
      expect(find(0, [others[i]])).toBe(NO_KEY, others[i]);
      expect(edits()).toBe('');
    }
    expect(find(1, ['x-key:  '])).toBe(NO_KEY);
    expect(find(0, [])).toBe(NO_KEY);
  });

  // Guarantees that nobody can be taken for somebody else by sending two keys.
  test('with two values or different keys conflict, and all are cut', () => {
    expect(find(0, ['x-api-key: sg_1', 'x-api-key: sg_1'])).toBe(CONFLICT);
    expect(edits()).toBe('-x-api-key');
    expect(find(0, ['x-api-key: sg_1', 'authorization: Bearer sg_2'])).toBe(CONFLICT);
    expect(edits()).toBe('-x-api-key\n-authorization');
    expect(find(0, ['authorization: Bearer sg_1', 'authorization: ApiKey sg_2'])).toBe(CONFLICT);
    expect(edits()).toBe('-authorization');
    expect(find(0, ['x-api-key: sg_1', 'authorization: Bearer sg_1'])).toBe(ONE);
    expect(key()).toBe('sg_1');
  });

  // Guarantees that a caller cannot buy long hashing with a long key.
  test('give no key that is too long, and cut it', () => {
    expect(find(0, ['x-api-key: sg_' + 'a'.repeat(509)])).toBe(ONE);
    expect(find(0, ['x-api-key: sg_' + 'a'.repeat(510)])).toBe(TOO_LONG);
    expect(edits()).toBe('-x-api-key');
  });

  // Guarantees that no log prints a key of a request that is denied before its product is known.
  test('of all products together cut the keys of any', () => {
    serve();
    request(['x-key: 1', 'x-api-key: sg_1', 'a: b', 'authorization: ApiKey acme_1', 'x-api: sg_1']);
    cutAllKeys(policy);
    expect(edits()).toBe('-x-key\n-x-api-key\n-authorization');
    request(['authorization: Basic abc', 'authorization: Bearer sg_1', 'x-api-key: other']);
    cutAllKeys(policy);
    expect(edits()).toBe('-authorization\nauthorization+Basic abc');
    request([]);
    cutAllKeys(policy);
    expect(edits()).toBe('');
  });

  // Guarantees that what is not a key stays, also beside one under the same name.
  test('leave other values of the same header', () => {
    expect(
      find(0, [
        'authorization: Basic abc',
        'authorization: Bearer sg_1',
        'x-other: 1',
        'authorization: Bearer jwt',
      ]),
    ).toBe(ONE);
    expect(edits()).toBe('-authorization\nauthorization+Basic abc\nauthorization+Bearer jwt');
  });
});
