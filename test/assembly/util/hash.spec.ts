/**
 * Holds the hashes of the filter to published vectors. Keys, pages and checksums are compared with
 * what the host computed, so one wrong bit would refuse every key.
 */
import { BASE62_INVALID, base62Value, isBase62 } from '../../../assembly/util/base62';
import { CRC_START, crc32, crc32Add, crc32End } from '../../../assembly/util/crc32';
import { sha256, sha256Slice } from '../../../assembly/util/sha256';
import { sipHash, sipHashWide } from '../../../assembly/util/siphash';
import { hex, room, Text } from '../support/bytes';

function digestOf(text: string): string {
  const bytes = new Text(text);
  const out = room(32);
  sha256(bytes.at, bytes.length, out);
  return hex(out, 32);
}

describe('SHA-256', () => {
  // Guarantees the digests of FIPS 180-4: empty, one block, two blocks.
  test('agrees with the published vectors', () => {
    expect(digestOf('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(digestOf('abc')).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
    expect(digestOf('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq')).toBe(
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    );
  });

  // Guarantees the padding on both sides of a block's edge, where the length no longer fits.
  test('pads at every edge of a block', () => {
    expect(digestOf('a'.repeat(55))).toBe(
      '9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318',
    );
    expect(digestOf('a'.repeat(56))).toBe(
      'b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a',
    );
    expect(digestOf('a'.repeat(64))).toBe(
      'ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb',
    );
    expect(digestOf('a'.repeat(119))).toBe(
      '31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb',
    );
  });

  // Guarantees digests of pages: many blocks in one run.
  test('takes long runs', () => {
    expect(digestOf('a'.repeat(100000))).toBe(
      '6d1cf22d7cc09b085dfc25ee1a1f3ae0265804c607bc2074ad253bcc82fd81ee',
    );
  });
});

describe('SHA-256 in slices', () => {
  // Guarantees that where a run is cut, and what is hashed in between, changes nothing.
  test('gives the digest of the whole', () => {
    const lengths: u32[] = [0, 55, 63, 64, 65, 128, 1000, 4096];
    for (let i = 0; i < lengths.length; i++) {
      const text = 'a'.repeat(lengths[i]);
      const bytes = new Text(text);
      for (let most: u32 = 64; most <= 1024; most *= 4) {
        const state = room(32);
        let done: u32 = 0;
        for (let slices = 0; slices < 100; slices++) {
          done = sha256Slice(state, bytes.at, done, bytes.length, most);
          if (done == bytes.length) break;
          expect(done % 64).toBe(0);
          digestOf('a key that came in between');
        }
        expect(done).toBe(bytes.length);
        expect(hex(state, 32)).toBe(digestOf(text));
      }
    }
  });
});

describe('CRC-32', () => {
  // Guarantees the checksum that the host computes.
  test('agrees with the published check value', () => {
    const digits = new Text('123456789');
    expect(crc32(digits.at, digits.length)).toBe(0xcbf43926);
    expect(crc32(digits.at, 0)).toBe(0);
  });

  // Guarantees that a policy checked in slices has the checksum of the whole.
  test('is the same in slices of any size', () => {
    const text = new Text('The quick brown fox jumps over the lazy dog');
    expect(crc32(text.at, text.length)).toBe(0x414fa339);
    for (let cut: u32 = 0; cut <= text.length; cut++) {
      const first = crc32Add(CRC_START, text.at, cut);
      expect(crc32End(crc32Add(first, text.at + cut, text.length - cut))).toBe(0x414fa339);
    }
  });
});

describe('SipHash-2-4', () => {
  // Guarantees the hash of its authors' paper, so that the key really protects the tables.
  test('agrees with the reference vectors', () => {
    const key = room(16);
    const message = room(16);
    for (let i = 0; i < 16; i++) store<u8>(key + i, <u8>i);
    for (let i = 0; i < 16; i++) store<u8>(message + i, <u8>i);
    expect(sipHash(message, 0, key)).toBe(0x726fdb47dd0e0e31);
    expect(sipHash(message, 1, key)).toBe(0x74f839c593dc67fd);
    expect(sipHash(message, 8, key)).toBe(0x93f5f5799a932462);
    expect(sipHash(message, 15, key)).toBe(0xa129ca6149be45e5);
  });

  // Guarantees the same of the hash by which keys are recognised.
  test('agrees with the reference vectors of 128 bits', () => {
    const key = room(16);
    const message = room(16);
    const out = room(16);
    for (let i = 0; i < 16; i++) store<u8>(key + i, <u8>i);
    for (let i = 0; i < 16; i++) store<u8>(message + i, <u8>i);
    sipHashWide(message, 0, key, out);
    expect(hex(out, 16)).toBe('a3817f04ba25a8e66df67214c7550293');
    sipHashWide(message, 1, key, out);
    expect(hex(out, 16)).toBe('da87c1d86b99af44347659119b22fc45');
  });
});

describe('base 62', () => {
  // Guarantees that a checksum means the same here and where the key was made.
  test('reads digits, capitals, small letters', () => {
    const text = new Text('00000A');
    expect(base62Value(text.at, text.length)).toBe(10);
    const most = new Text('4gfFC3');
    expect(base62Value(most.at, most.length)).toBe(0xffffffff);
  });

  // Guarantees that nothing but a number of 32 bits is taken for one.
  test('refuses other bytes and numbers too large', () => {
    const over = new Text('4gfFC4');
    expect(base62Value(over.at, over.length)).toBe(BASE62_INVALID);
    const long = new Text('zzzzzzzzzzzzzzzzzzzzzzzzzzzzz');
    expect(base62Value(long.at, long.length)).toBe(BASE62_INVALID);
    for (let byte: u32 = 0; byte < 256; byte++) {
      const at = room(1);
      store<u8>(at, <u8>byte);
      const known = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'.indexOf(
        String.fromCharCode(byte),
      );
      expect(isBase62(at, 1)).toBe(known >= 0);
      expect(base62Value(at, 1)).toBe(known >= 0 ? <u64>known : BASE62_INVALID);
    }
  });
});
