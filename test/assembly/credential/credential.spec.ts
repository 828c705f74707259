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
    expect(edits()).toBe('authorization=Basic abc');
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
    expect(edits()).toBe('authorization=Basic abc\nauthorization+Bearer jwt');
  });
});

/** Product 0 looks in the query, in a cookie and in a header; product 1 takes any `token`. */
function serveFields(): void {
  const writer = new PolicyWriter();
  writer.source('api_key', '', 2).source('sid', '', 3).source('x-api-key', '');
  writer.brand('sg').brand('acme').product(1, 'fields');
  writer.source('token', '', 2).product(2, 'any');
  policy = writer.place();
  expect(checkPolicy(policy, writer.length)).toBe(1);
}

function findField(headers: string[], product: u32 = 0): i32 {
  serveFields();
  request(headers);
  return findKey(policy, productAt(policy, product), OUT);
}

describe('the fields of a query', () => {
  // Guarantees that a key is found however a client may write it, and that nothing else changes.
  test('give the one key and stay without it', () => {
    const cases = [
      '/a?api_key=sg_1|/a',
      '/a?api_key=sg_1&b=2|/a?b=2',
      '/a?b=%20+2&api_key=sg_1&c|/a?b=%20+2&c',
      '/a?b=1&api_key=sg_1|/a?b=1',
      '/a?&api_key=sg_1&|/a?&',
      '/a?api%5Fkey=sg_1&b|/a?b',
      '/a?%61pi_key=sg%5f1|/a',
      '/a?x?y=1&api_key=+sg_1%20|/a?x?y=1',
    ];
    for (let i = 0; i < cases.length; i++) {
      const pair = cases[i].split('|');
      expect(findField([':path: ' + pair[0]])).toBe(ONE, pair[0]);
      expect(key()).toBe('sg_1', pair[0]);
      expect(edits()).toBe(':path=' + pair[1], pair[0]);
    }
  });

  // Guarantees that a value without a brand is nobody's key and stays for the service.
  test('count no others', () => {
    const others = [
      '/a',
      '/a?',
      '/api_key=sg_1',
      '/a?api_key',
      '/a?api_key=',
      '/a?api_key=other_1',
      '/a?API_KEY=sg_1',
      '/a?api_keys=sg_1',
      '/a?api_ke=sg_1',
      '/a?b=api_key=sg_1',
      '/a?api%5key=sg_1',
      '/a?api_key%=sg_1',
    ];
    for (let i = 0; i < others.length; i++) {
      expect(findField([':path: ' + others[i]])).toBe(NO_KEY, others[i]);
      expect(edits()).toBe('', others[i]);
    }
    expect(findField([':path: /?token=a%26b&token2=c'], 1)).toBe(ONE);
    expect(key()).toBe('a&b');
    expect(edits()).toBe(':path=/?token2=c');
  });

  // Guarantees that what another proxy kept of the path keeps no key, and gives none either.
  test('are cut from the original path as well, which gives no key', () => {
    const original = 'x-envoy-original-path: /v1/a?b=1&api_key=sg_1';
    expect(findField([':path: /a?b=1', original])).toBe(NO_KEY);
    expect(edits()).toBe('x-envoy-original-path=/v1/a?b=1');
    expect(findField([':path: /a?api_key=sg_1', original])).toBe(ONE);
    expect(edits()).toBe(':path=/a\nx-envoy-original-path=/v1/a?b=1');
  });

  // Guarantees that nobody can be taken for somebody else by sending two keys.
  test('with two values or different keys conflict, and all are cut', () => {
    expect(findField([':path: /?api_key=sg_1&api_key=sg_1'])).toBe(CONFLICT);
    expect(edits()).toBe(':path=/');
    expect(findField([':path: /?api_key=sg_1', 'x-api-key: sg_2'])).toBe(CONFLICT);
    expect(edits()).toBe(':path=/\n-x-api-key');
    expect(findField([':path: /?api_key=sg_1', 'cookie: sid=sg_2; a=b'])).toBe(CONFLICT);
    expect(edits()).toBe(':path=/\ncookie=a=b');
    expect(findField([':path: /?api_key=sg%5F1', 'x-api-key: sg_1', 'cookie: sid=sg_1'])).toBe(ONE);
    expect(key()).toBe('sg_1');
  });

  // Guarantees that a caller cannot buy long hashing with a long key.
  test('give no key that is too long, and cut it', () => {
    const long = 'a'.repeat(509);
    expect(findField([':path: /?api_key=sg_' + long])).toBe(ONE);
    expect(key()).toBe('sg_' + long);
    expect(findField([':path: /?api_key=sg_' + long + 'b'])).toBe(TOO_LONG);
    expect(findField([':path: /?api_key=sg_1' + '+'.repeat(600) + 'b'])).toBe(TOO_LONG);
    expect(edits()).toBe(':path=/');
  });
});

describe('cookies', () => {
  // Guarantees that a key is found in any of several headers, and that the others stay.
  test('give the one key and stay without it', () => {
    expect(findField(['cookie: a=1; sid=sg_1; b=2'])).toBe(ONE);
    expect(key()).toBe('sg_1');
    expect(edits()).toBe('cookie=a=1; b=2');
    expect(findField(['cookie: sid="acme_2"; b=2', 'cookie: c=3'])).toBe(ONE);
    expect(key()).toBe('acme_2');
    expect(edits()).toBe('cookie=b=2\ncookie+c=3');
    expect(findField(['cookie: c=3', 'cookie: sid = sg%5f1 '])).toBe(ONE);
    expect(key()).toBe('sg_1');
    expect(edits()).toBe('cookie=c=3');
    expect(findField(['cookie: sid=sg_1'])).toBe(ONE);
    expect(edits()).toBe('-cookie');
  });

  // Guarantees that a cookie of another name or brand is nobody's key.
  test('count no others', () => {
    const others = ['sid=eyJ', 'Sid=sg_1', 'sid', 'sid=', 'xsid=sg_1', 'a=sid=sg_1', '=sg_1', '"'];
    for (let i = 0; i < others.length; i++) {
      expect(findField(['cookie: ' + others[i]])).toBe(NO_KEY, others[i]);
      expect(edits()).toBe('', others[i]);
    }
  });
});

describe('keys of a request that no product governs', () => {
  // Guarantees that no log prints a key of a request that is denied before its product is known.
  test('are cut from query and cookies', () => {
    serveFields();
    request([':path: /?a=1&token=x&api_key=sg_1&api_key=zz', 'cookie: sid=acme_1; b=2']);
    cutAllKeys(policy);
    expect(edits()).toBe(':path=/?a=1&api_key=zz\ncookie=b=2');
  });

  // Guarantees the same while there is no policy to say where keys stand.
  test('are cut from the query by their form alone', () => {
    const own = 'sg_0000000000000000000000000000002L4FO0';
    request([':path: /?a=1&b=sg_1&any=' + own + '&' + own]);
    cutAllKeys(0);
    expect(edits()).toBe(':path=/?a=1&b=sg_1&' + own);
    request([':path: /?a=1']);
    cutAllKeys(0);
    expect(edits()).toBe('');
  });

  // Guarantees that a hostile request cannot make the filter compare for ever, nor get around it.
  test('are cut unseen beyond a bound', () => {
    const writer = new PolicyWriter();
    for (let i = 0; i < 300; i++)
      writer
        .source('api_key', '', 2)
        .brand('sg')
        .product(i + 1, 'p');
    policy = writer.place();
    expect(checkPolicy(policy, writer.length)).toBe(1);
    request([':path: /?' + 'api_key=x&'.repeat(250) + 'api_key=sg_1']);
    cutAllKeys(policy);
    const left = edits();
    expect(left.includes('sg_1')).toBe(false);
    expect(left.length).toBe(':path=/?'.length + 218 * 'api_key=x&'.length - 1);
  });

  // Guarantees a total function: whatever the bytes are, nothing outside of them is read.
  test('are looked for in bytes of any kind', () => {
    serveFields();
    seed(9);
    const letters = '&;=%?+"_ sgapi_key5F16';
    for (let round = 0; round < 3000; round++) {
      let path = '';
      let cookie = '';
      for (let i = below(40); i > 0; i--) path += letters.charAt(below(<u32>letters.length));
      for (let i = below(40); i > 0; i--) cookie += letters.charAt(below(<u32>letters.length));
      request([':path: /?' + path, 'cookie: ' + cookie]);
      findKey(policy, productAt(policy, 0), OUT);
      cutAllKeys(policy);
    }
    expect(true).toBe(true, 'seed 9');
  });
});
