/**
 * Holds every message to its golden file in both directions, so that neither side of the wire can
 * drift without a change that everyone sees. `UPDATE_GOLDEN=1` writes the files anew.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeDirectory, encodeDirectory } from '../../../host/wire/directory.ts';
import { decodeManifest, digestOf, encodeManifest } from '../../../host/wire/manifest.ts';
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
import { assertGolden, golden } from '../../support/golden.ts';
import * as samples from './samples.ts';

function holdGolden<T>(
  messages: Record<string, T>,
  encode: (message: T) => Uint8Array,
  decode: (bytes: Uint8Array) => Decoded<T>,
): void {
  for (const [name, message] of Object.entries(messages)) {
    // Guarantees that both sides of the wire agree on every byte of this message.
    test(name, () => {
      assertGolden(name, message, encode(message));
      assert.deepEqual(decode(golden(name)), { ok: true, value: message });
    });
  }
}

holdGolden(samples.manifests, encodeManifest, decodeManifest);
holdGolden(samples.directories, encodeDirectory, decodeDirectory);
holdGolden(samples.watchRequests, encodeWatchRequest, decodeWatchRequest);
holdGolden(samples.watchReplies, encodeWatchReply, decodeWatchReply);
holdGolden(samples.syncRequests, encodeSyncRequest, decodeSyncRequest);
holdGolden(samples.syncReplies, encodeSyncReply, decodeSyncReply);

// Guarantees that the bodies of records are read field by field as docs/wire.md lays them down.
test('bodies of records', () => {
  const records = samples.directories['directory-complete']?.page.records ?? [];
  const bodies = records
    .filter(({ present }) => present)
    .map(({ kind, body }) => decodeRecordBody(kind, body));
  assert.deepEqual(bodies, [
    {
      ok: true,
      value: {
        kind: 'credential',
        digest: new Uint8Array(32).fill(0x5a),
        application: 201,
        notBeforeMs: 0,
        notAfterMs: 0x1a1f0d11c00,
        enabled: true,
        cidrs: [
          { bits: 104, address: Uint8Array.of(...new Array(10).fill(0), 255, 255, 10, 0, 0, 0) },
          { bits: 32, address: Uint8Array.of(0x20, 1, 0x0d, 0xb8, ...new Array(12).fill(0)) },
        ],
        referers: ['a.example', '.shop.b.example.x'],
      },
    },
    {
      ok: true,
      value: {
        kind: 'application',
        consumer: 301,
        consumerName: 'acme',
        applicationName: 'shop',
      },
    },
    {
      ok: true,
      value: { kind: 'subscription', application: 201, product: 501, plan: 601, active: false },
    },
  ]);
});

// Guarantees that a manifest names its pages: its digest is that of the page digests.
test('the digest of a manifest covers its page digests', () => {
  const manifest = samples.manifests['manifest-two-pages'];
  assert.ok(manifest);
  assert.deepEqual(digestOf(...manifest.pageDigests), manifest.digest);
});
