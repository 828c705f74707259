/** Tests of keys and secrets. Random bytes are given, so that every case can be repeated. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import {
  BRAND_PATTERN,
  checksum,
  digestOf,
  hasKeyFormat,
  makeKey,
} from '../../../host/credential/key.ts';
import { Secret } from '../../../host/credential/secret.ts';

/** CRC-32 bit by bit, as its definition has it; independent of the code under test. */
function crcByDefinition(text: string): number {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

// Guarantees the format that the filter checks before it spends a hash.
test('a key has a brand, 30 random characters and the checksum of both', () => {
  const { key, digest, displayPrefix } = makeKey('sg', randomBytes);
  const text = key.reveal();
  assert.match(text, /^sg_[0-9A-Za-z]{36}$/);
  let value = 0;
  const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  for (const letter of text.slice(-6)) value = value * 62 + alphabet.indexOf(letter);
  assert.equal(value, crcByDefinition(text.slice(0, -6)));
  assert.deepEqual(digest, new Uint8Array(createHash('sha256').update(text).digest()));
  assert.equal(displayPrefix, text.slice(0, 9));
});

// Guarantees one checksum on both sides: these vectors are also those of the filter's tests.
test('the checksum of known bodies', () => {
  assert.equal(crcByDefinition('123456789'), 0xcbf43926);
  assert.equal(checksum('123456789'), '3jZRME');
  assert.equal(checksum(`sg_${'0'.repeat(30)}`), checksumByDefinition(`sg_${'0'.repeat(30)}`));
  assert.equal(checksum(''), '000000');
});

function checksumByDefinition(text: string): string {
  const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  let value = BigInt(crcByDefinition(text));
  let out = '';
  for (let i = 0; i < 6; i++) {
    out = (alphabet[Number(value % 62n)] ?? '') + out;
    value /= 62n;
  }
  return out;
}

// Guarantees that no character is likelier than another: bytes that would skew are thrown away.
test('bytes of 248 and above are rejected, not folded', () => {
  const bytes = [255, 248, 247, 0, 61, 62, 250];
  let at = 0;
  const scripted = (count: number) =>
    Uint8Array.from({ length: count }, () => bytes[at++ % bytes.length] ?? 0);
  const text = makeKey('sg', scripted).key.reveal();
  assert.equal(text.slice(3, 11), 'z0z0z0z0');
});

// Guarantees that a mistyped or cut key is told apart without a look-up.
test('format check takes keys of the brands and nothing else', () => {
  const { key } = makeKey('acme', randomBytes);
  const text = key.reveal();
  assert.ok(hasKeyFormat(text, ['sg', 'acme']));
  const last = text.at(-1) === '0' ? '1' : '0';
  const wrong = [
    text.slice(0, -1) + last,
    text.slice(0, -1),
    `${text}0`,
    text.replace('acme_', 'acme-'),
    text.replace('acme_', 'sg_'),
    `_${text.slice(5)}`,
    '',
    'acme_',
    `${text.slice(0, 10)} ${text.slice(11)}`,
  ];
  for (const each of wrong) assert.ok(!hasKeyFormat(each, ['sg', 'acme']), each);
  assert.ok(!hasKeyFormat(text, ['sg']));
});

// Guarantees that keys do not repeat and their brands stay unambiguous.
test('keys differ and brands are short lower-case words', () => {
  const keys = new Set(Array.from({ length: 1000 }, () => makeKey('sg', randomBytes).key.reveal()));
  assert.equal(keys.size, 1000);
  for (const good of ['sg', 'a1', 'abcdefghijklmnop']) assert.match(good, BRAND_PATTERN);
  for (const bad of ['', 's', 'SG', '1a', 'a_b', 'a-b', 'abcdefghijklmnopq']) {
    assert.doesNotMatch(bad, BRAND_PATTERN);
  }
});

// Guarantees that a key in a log line, an error or a JSON body is a placeholder.
test('a secret cannot be printed', () => {
  const secret = new Secret('sg_hidden');
  const ways = [
    String(secret),
    `${secret}`,
    [secret].join(),
    JSON.stringify({ secret }),
    inspect(secret),
    inspect({ deep: { secret } }, { showHidden: true, depth: 5 }),
    Object.values(secret).join(),
    new Error(`failed for ${secret}`).message,
  ];
  for (const way of ways) assert.doesNotMatch(way, /hidden/);
  assert.equal(secret.reveal(), 'sg_hidden');
  assert.deepEqual(digestOf('sg_hidden').length, 32);
});
