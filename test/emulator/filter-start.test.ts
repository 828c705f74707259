/**
 * How a filter starts: without a host, with an empty one, with a directory that is half there.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterRig } from './support/filter.ts';

// Guarantees the main job: a good key passes with identity headers, and the key goes no further.
test('a key is accepted after the first fill', async () => {
  const rig = await FilterRig.start();
  try {
    const { key } = await rig.host.createKey('shop');
    await rig.advance(200);
    const stream = await rig.send(key);
    assert.equal(stream.outcome, 'continued', JSON.stringify(stream.answer));
    const headers = Object.fromEntries(stream.upstreamHeaders ?? []);
    assert.equal(headers['x-consumer'], 'acme');
    assert.equal(headers['x-api-key'], undefined);
  } finally {
    await rig.close();
  }
});
