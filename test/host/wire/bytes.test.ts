/**
 * The writer of binary messages: pieces that are taken from it one after another. It must never
 * look at what a message means.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWriter } from '../../../host/wire/bytes.ts';

// Guarantees that a piece never changes once it is taken, wherever the next ones are written.
test('what is taken stays as it is and nothing of it comes again', () => {
  const writer = new ByteWriter(16);
  const lengths = Array.from({ length: 40 }, (_, at) => (at * 7) % 23);
  const pieces = lengths.map((length, at) => {
    for (let i = 0; i < length; i++) writer.u8(at);
    assert.equal(writer.length, length);
    return writer.take();
  });
  for (const [at, piece] of pieces.entries()) {
    assert.deepEqual(piece, new Uint8Array(lengths[at] ?? 0).fill(at));
  }
  assert.deepEqual(
    writer
      .u64(2 ** 32)
      .u64(5)
      .take(),
    new Uint8Array([0, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]),
  );
  assert.deepEqual(writer.ascii('a-1').finish(), new Uint8Array([97, 45, 49]));
  assert.throws(() => writer.ascii('é'), RangeError);
});
