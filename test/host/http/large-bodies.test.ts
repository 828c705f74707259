/**
 * Bodies of batches: memory for one is taken as it comes, up to the bound of the route, whatever a
 * header says of its length or does not say.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { GrowingBody } from '../../../host/http/large-bodies.ts';
import { BATCH_BYTES_MAX } from '../../../host/http/routes/resources.ts';
import { TrialHost } from '../../support/trial-host.ts';
import { until } from '../../support/wait.ts';

const MIB = 1_048_576;

// Guarantees that what is taken follows what came, to the bound and not beyond, and that nothing of
// it is lost or out of order, however it was cut.
test('a body grows with what comes', () => {
  const sent = Buffer.alloc(5 * MIB);
  for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at);
  for (const step of [1_000, 65_536, 70_001, 3 * MIB]) {
    const body = new GrowingBody(sent.length);
    assert.equal(body.taken, 0);
    for (let at = 0; at < sent.length; at += step) {
      assert.equal(body.add(sent.subarray(at, at + step)), true);
      const came = Math.min(sent.length, at + step);
      const most = came + Math.max(65_536, Math.min(MIB, came));
      assert.ok(body.taken >= came && body.taken <= most, `${body.taken} for ${came}`);
    }
    assert.equal(body.add(Buffer.alloc(1)), false);
    assert.equal(Buffer.compare(Buffer.concat(body.pieces()), sent), 0);
  }
});

interface Sent {
  readonly request: http.ClientRequest;
  readonly answer: Promise<{ status: number | undefined; text: string }>;
}

function begin(host: TrialHost, base: string, headers: http.OutgoingHttpHeaders): Sent {
  const { promise: answer, resolve, reject } = Promise.withResolvers<Awaited<Sent['answer']>>();
  const sent = {
    ...{ authorization: `Bearer ${host.adminToken}`, 'content-type': 'application/json' },
    ...headers,
  };
  const options = { method: 'POST', headers: sent, agent: false };
  const request = http.request(new URL('/v1/diff', base), options, async (response) => {
    const parts: Buffer[] = [];
    for await (const part of response) parts.push(part as Buffer);
    resolve({ status: response.statusCode, text: Buffer.concat(parts).toString() });
  });
  request.on('error', reject);
  return { request, answer };
}

// Guarantees that callers who begin a batch and send nothing do not take the memory of the host.
test('a batch that does not come takes no memory', async () => {
  await using host = await TrialHost.start();
  let begun = 0;
  host.admin.addHook('preParsing', async () => {
    begun += 1;
  });
  const base = await host.listenAdmin();
  const before = process.memoryUsage().arrayBuffers;
  const long = { 'content-length': String(BATCH_BYTES_MAX) };
  const calls = Array.from({ length: 16 }, (_, at) => begin(host, base, at % 2 === 0 ? {} : long));
  for (const { request, answer } of calls) {
    answer.catch(() => undefined);
    request.write('{');
  }
  await until('all have begun', () => begun === calls.length, { deadlineMs: 30_000 });
  await new Promise((resolve) => setImmediate(resolve));
  const taken = process.memoryUsage().arrayBuffers - before;
  assert.ok(taken < BATCH_BYTES_MAX, `${taken} bytes for 16 bytes`);
  for (const { request } of calls) request.destroy();
});

// Guarantees that the bound of the route holds without a header that tells the length, and that
// whoever sends more is told so.
test('a batch ends at the bound, told or not', async () => {
  await using host = await TrialHost.start();
  const base = await host.listenAdmin();
  const told = begin(host, base, { 'content-length': String(BATCH_BYTES_MAX + 1) });
  told.request.flushHeaders();
  const untold = begin(host, base, {});
  const blank = Buffer.alloc(MIB, ' ');
  for (let at = 0; at < BATCH_BYTES_MAX / MIB; at += 1) untold.request.write(blank);
  untold.request.end('{');
  for (const { answer, request } of [told, untold]) {
    const { status, text } = await answer;
    const { code, detail } = JSON.parse(text);
    assert.deepEqual([status, code], [413, 'too_large']);
    assert.equal(detail, `the body is longer than ${BATCH_BYTES_MAX} bytes`);
    request.destroy();
  }
  const whole = begin(host, base, {});
  const consumer = 'apiVersion: sidegate.dev/v1alpha1\nkind: Consumer\nmetadata: { name: acme }';
  const text = JSON.stringify({ files: [{ name: 'ä', text: consumer }] });
  for (const byte of Buffer.from(text)) whole.request.write(Buffer.of(byte));
  whole.request.end();
  const { status, text: answered } = await whole.answer;
  assert.equal(status, 200, answered);
  assert.equal(JSON.parse(answered).diff.length, 1);
});
