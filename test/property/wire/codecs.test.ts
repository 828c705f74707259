/**
 * Properties of every codec: what is written is read back, and no bytes whatever make a decoder
 * throw, hang or accept what was damaged on the way.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { decodeDirectory, encodeDirectory } from '../../../host/wire/directory.ts';
import { decodeManifest, encodeManifest } from '../../../host/wire/manifest.ts';
import { decodePolicy } from '../../../host/wire/policy.ts';
import type { Decoded } from '../../../host/wire/reader.ts';
import { decodeRecordBody } from '../../../host/wire/records.ts';
import {
  decodeSyncReply,
  decodeSyncRequest,
  encodeSyncReply,
  encodeSyncRequest,
} from '../../../host/wire/sync.ts';
import {
  decodeWatchReply,
  decodeWatchRequest,
  encodeWatchReply,
  encodeWatchRequest,
} from '../../../host/wire/watch.ts';
import { printSeed } from '../../support/seed.ts';
import * as messages from './messages.ts';

printSeed();

/** Puts a right checksum and length on damaged bytes, so that the damage reaches the parser. */
function sealed(bytes: Uint8Array): Uint8Array {
  if (bytes.length < 16) return bytes;
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  view.setUint32(8, copy.length, true);
  view.setUint32(12, crc32(copy.subarray(16)), true);
  return copy;
}

/** Decodes and answers whether it was accepted; a throw fails the property. */
function accepts<T>(decode: (bytes: Uint8Array) => Decoded<T>, bytes: Uint8Array): boolean {
  const decoded = decode(bytes);
  if (!decoded.ok) assert.ok(decoded.code.length > 0 && decoded.what.length > 0);
  return decoded.ok;
}

function holdCodec<T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  encode: (message: T) => Uint8Array,
  decode: (bytes: Uint8Array) => Decoded<T>,
): void {
  // Guarantees that nothing is lost or changed between the two ends of the wire.
  test(`${name}: decode after encode is the identity`, () => {
    fc.assert(
      fc.property(arbitrary, (message) => {
        assert.deepEqual(decode(encode(message)), { ok: true, value: message });
      }),
    );
  });

  // Guarantees that a reply cut off anywhere is refused, never applied in part.
  test(`${name}: every truncation is refused, sealed or not`, () => {
    fc.assert(
      fc.property(arbitrary, (message) => {
        const bytes = encode(message);
        const step = Math.max(1, Math.floor(bytes.length / 400));
        for (let length = 0; length < bytes.length; length += step) {
          const cut = bytes.slice(0, length);
          assert.equal(accepts(decode, cut), false, `${length} of ${bytes.length} bytes`);
          accepts(decode, sealed(cut));
        }
        assert.equal(accepts(decode, Uint8Array.of(...bytes, 0)), false);
      }),
      { numRuns: 20 },
    );
  });

  // Guarantees that a message damaged on the way is refused, whichever bit it is.
  test(`${name}: every flipped bit is refused`, () => {
    fc.assert(
      fc.property(arbitrary, fc.nat(), (message, at) => {
        const bytes = encode(message);
        const bit = at % (bytes.length * 8);
        // The minor version is not covered by the checksum: a higher one is read all the same.
        fc.pre(bit >> 3 !== 6 && bit >> 3 !== 7);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.equal(accepts(decode, bytes), false, `bit ${bit}`);
      }),
      { numRuns: 500 },
    );
  });

  // Guarantees that a hostile sender who can compute a checksum gets no further than a refusal.
  test(`${name}: hostile numbers and lengths never throw`, () => {
    const hostile = fc.constantFrom(0, 1, 0x7fff, 0xffff, 0x7fffffff, 0xfffffff8, 0xffffffff);
    fc.assert(
      fc.property(arbitrary, fc.array(fc.tuple(fc.nat(), hostile)), (message, writes) => {
        const bytes = encode(message);
        const view = new DataView(bytes.buffer);
        for (const [at, value] of writes) {
          view.setUint32(16 + (at % (bytes.length - 19)), value, true);
        }
        accepts(decode, sealed(bytes));
      }),
      { numRuns: 500 },
    );
  });
}

holdCodec('manifest', messages.manifest, encodeManifest, decodeManifest);
holdCodec('directory', messages.directory, encodeDirectory, decodeDirectory);
holdCodec('watch request', messages.watchRequest, encodeWatchRequest, decodeWatchRequest);
holdCodec('watch reply', messages.watchReply, encodeWatchReply, decodeWatchReply);
holdCodec('sync request', messages.syncRequest, encodeSyncRequest, decodeSyncRequest);
holdCodec('sync reply', messages.syncReply, encodeSyncReply, decodeSyncReply);

// Guarantees that no decoder throws on bytes that have nothing to do with the protocol.
test('all decoders are total on any bytes', () => {
  const decoders: [string, (bytes: Uint8Array) => Decoded<unknown>][] = [
    ['SGPM', decodeManifest],
    ['SGPO', decodePolicy],
    ['SGDI', decodeDirectory],
    ['SGWQ', decodeWatchRequest],
    ['SGWR', decodeWatchReply],
    ['SGSQ', decodeSyncRequest],
    ['SGSR', decodeSyncReply],
  ];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (body) => {
      for (const [magic, decode] of decoders) {
        assert.equal(accepts(decode, body), false);
        const header = [...new TextEncoder().encode(magic), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert.equal(accepts(decode, sealed(Uint8Array.of(...header, ...body))), false);
      }
      for (const kind of [0, 1, 2, 3, 4, 255]) accepts((b) => decodeRecordBody(kind, b), body);
    }),
    { numRuns: 300 },
  );
});
