/**
 * Filter and host of neighbouring versions: one side of the release, the other speaking the format
 * of minor + 1 with a section in every message that the release has never heard of.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import type { CallHandler, HttpCall } from '../../host/emulator/index.ts';
import { CLUSTER, FilterRig } from './support/filter.ts';

const HEADER_BYTES = 16;
/** Later than every kind there is, so that sections stay in order. */
const UNKNOWN_KIND = 0x7ff0;
const OPTIONAL = 1;

/** The same message as the next minor version would write it. */
function grown(message: Uint8Array, flags = OPTIONAL): Uint8Array {
  const section = Buffer.alloc(16, 0xa5);
  section.writeUInt16LE(UNKNOWN_KIND, 0);
  section.writeUInt16LE(flags, 2);
  section.writeUInt32LE(8, 4);
  const bytes = Buffer.concat([message, section]);
  bytes.writeUInt16LE(bytes.readUInt16LE(6) + 1, 6);
  bytes.writeUInt32LE(bytes.length, 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(HEADER_BYTES)), 12);
  return bytes;
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
const isMessage = (body: Uint8Array) => Buffer.from(body.subarray(0, 2)).toString() === 'SG';

/** A call that differs in a part. */
function like(call: HttpCall, part: { path?: string; body?: Uint8Array }): HttpCall {
  const { path, method, body } = call;
  const headers = call.headers.filter(([name]) => name !== 'content-length');
  return { path, method, headers, body, ...part } as unknown as HttpCall;
}

async function served(serve: CallHandler, call: HttpCall) {
  const reply = await serve(call);
  assert.ok(typeof reply === 'object' && typeof reply.body === 'object');
  return { ...reply, body: reply.body };
}

/** Where a manifest of one page says how long the policy is, and what it must hash to. */
const MANIFEST = { length: 80, digest: 96, pageDigest: 128 };

/** A host of the next minor version: every message has grown, the policy itself too. */
function newerHost(serve: CallHandler, flags: number): CallHandler {
  let policy: Uint8Array = new Uint8Array();
  return async (call) => {
    if (/^\/v1\/policy\/default\/[0-9a-f]{64}\/0$/.test(call.path)) {
      return { status: 200, body: policy, afterMs: 1 };
    }
    const reply = await served(serve, call);
    if (call.path !== '/v1/policy/default') {
      const { body } = reply;
      return { ...reply, body: isMessage(body) ? grown(body, flags) : body };
    }
    const manifest = Buffer.from(reply.body);
    const digest = manifest.subarray(MANIFEST.digest, MANIFEST.digest + 32).toString('hex');
    const page = await served(serve, like(call, { path: `${call.path}/${digest}/0` }));
    policy = grown(page.body, flags);
    manifest.writeUInt32LE(policy.length, MANIFEST.length);
    manifest.set(sha256(sha256(policy)), MANIFEST.digest);
    manifest.set(sha256(policy), MANIFEST.pageDigest);
    return { ...reply, body: grown(manifest, flags) };
  };
}

async function start(between: (serve: CallHandler) => CallHandler) {
  const config = JSON.stringify({ clusters: [CLUSTER] });
  const rig = await FilterRig.start({ config, reachable: false });
  rig.clusters.set(CLUSTER, between(rig.host.serve));
  return rig;
}

async function answer(rig: FilterRig, key: string): Promise<number> {
  const stream = rig.request([['x-api-key', key]]);
  await rig.decided(stream);
  return stream.status ?? 200;
}

/** A key is known, what it spends reported, and its end known too. */
async function worksTogether(rig: FilterRig): Promise<void> {
  const { key, id } = await rig.host.createKey('shop');
  await rig.advance(2_000);
  assert.equal(await answer(rig, key), 200);
  await rig.host.revokeKey(id);
  await rig.advance(2_000);
  assert.equal(await answer(rig, key), 401);
  assert.ok(rig.host.reports.length > 0, 'it reports what it spent');
}

// Guarantees that a host may be upgraded before its filters: policy, records, grants and changes of
// a newer minor are read as far as they are known.
test('the release filter works with a host of the next minor version', async () => {
  await using rig = await start((serve) => newerHost(serve, OPTIONAL));
  await worksTogether(rig);
});

// Guarantees that what a newer version says cannot be ignored is not: nothing is half understood.
test('a section that is not optional is refused whole', async () => {
  await using rig = await start((serve) => newerHost(serve, 0));
  const { key } = await rig.host.createKey('shop');
  await rig.advance(2_000);
  assert.notEqual(await answer(rig, key), 200);
});

// Guarantees that filters may be ahead: the release host reads reports and watches of a newer
// minor, and answers.
test('the release host works with a filter of the next minor version', async () => {
  let sent = 0;
  const newerFilter = (serve: CallHandler) => (call: HttpCall) => {
    if (!isMessage(call.body)) return serve(call);
    sent += 1;
    return serve(like(call, { body: grown(call.body) }));
  };
  await using rig = await start(newerFilter);
  await worksTogether(rig);
  assert.ok(sent > 2);
});
