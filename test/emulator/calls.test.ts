/**
 * Calls: what is recorded, how they are answered, refused, lost, delayed and timed out, and real
 * servers behind them.
 */
import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import {
  type CallResult,
  flaky,
  followRealTime,
  origin,
  seededRandom,
} from '../../host/emulator/index.ts';
import { until } from '../support/wait.ts';
import { CALL, CLUSTER, Probe } from './support/probe.ts';

const ANSWER = 'answer: pairs call;buffer 4 0 999';

function made(configuration = `tick: ${CALL}\n${ANSWER}`) {
  const probe = new Probe(configuration);
  probe.root.tick();
  const [call] = probe.root.calls;
  assert.ok(call);
  return { probe, call };
}

// Guarantees that a test sees a call as the server would.
test('a call is recorded whole', () => {
  const { probe, call } = made(
    `tick: call ${CLUSTER} :path=/q?a=b,:method=POST,:authority=u,X-A=1 250 hi`,
  );
  assert.equal(call.token, 4);
  assert.equal(call.cluster, CLUSTER);
  assert.equal(call.method, 'POST');
  assert.equal(call.path, '/q?a=b');
  assert.equal(call.header('x-a'), '1');
  assert.equal(call.header('content-length'), '2');
  assert.equal(Buffer.from(call.body).toString(), 'hi');
  assert.equal(call.timeoutMs, 250);
  assert.equal(call.state, 'open');
  probe.root.tick();
  assert.deepEqual(
    probe.vm.openCalls.map(({ token }) => token),
    [4, 8],
  );
});

// Guarantees that an answer arrives once, whole, and only while its callback runs.
test('an answer is delivered once', () => {
  const { probe, call } = made();
  call.answer({
    status: 201,
    headers: [
      ['X-B', '1'],
      ['x-b', '2'],
    ],
    body: 'b\u00e9',
  });
  assert.equal(
    probe.trace('answer'),
    'last 4 3 0 pairs=0(:status=201,x-b=1,x-b=2,content-length=3) buffer=0(b%c3%a9)',
  );
  call.answer({ status: 500 });
  call.refuse();
  call.reset();
  assert.equal(probe.traces('answer').length, 1);
  assert.equal(call.state, 'answered');
  assert.equal(probe.clock.waiting, 0, 'its time-out is gone');
  probe.request('request: pairs call;buffer 4 0 1');
  assert.match(probe.trace('request'), /pairs=0 buffer=1$/);
});

// Guarantees that answers may come in another order and late, and still meet their own call.
test('answers may be delayed and change places', () => {
  const { probe, call } = made();
  probe.root.tick();
  const second = probe.root.calls[1];
  call.answer({ status: 200, body: 'first', afterMs: 30 });
  second?.answer({ status: 200, body: 'second', afterMs: 10 });
  probe.clock.advance(29);
  assert.deepEqual(
    probe.traces('answer').map((line) => line.slice(-7)),
    ['second)'],
  );
  probe.clock.advance(1);
  assert.match(probe.trace('answer'), /^other .*\(first\)$/);
});

// Guarantees that each way a call fails in Envoy can be shown to a filter.
test('failures are shown as Envoy shows them', () => {
  const refused = made();
  refused.call.refuse();
  assert.match(refused.probe.trace('answer'), /:status=503.*remote%20connection%20failure/);

  const late = made();
  late.probe.clock.advance(999);
  assert.equal(late.call.state, 'open');
  late.probe.clock.advance(1);
  assert.match(late.probe.trace('answer'), /:status=504.*upstream%20request%20timeout/);
  late.call.answer({ status: 200 });
  assert.equal(late.probe.traces('answer').length, 1);

  const gone = made(`tick: ${CALL}\nanswer: pairs call;buffer 4 0 9;status\nrequest: status`);
  gone.call.reset();
  assert.equal(gone.probe.trace('answer'), 'last 0 0 0 pairs=0 buffer=1 status=0(11:reset)');
  gone.probe.request('request: status');
  assert.match(gone.probe.trace('request'), /status=0\(11:\)$/);
});

// Guarantees that a cluster can change under a filter: gone, empty, back.
test('clusters behave as they are told, at any time', () => {
  const probe = new Probe(`tick: ${CALL}\n${ANSWER}`);
  const codes: string[] = [];
  for (const behaviour of ['unknown', 'no_endpoint', 'refused', 'manual'] as const) {
    probe.clusters.set(CLUSTER, behaviour);
    probe.root.tick();
    codes.push(probe.trace('tick'));
  }
  assert.deepEqual(codes, ['call=2', 'call=10', 'call=0', 'call=0']);
  assert.equal(probe.traces('answer').length, 0, 'nothing is answered from within');
  probe.clock.advance(0);
  assert.equal(probe.traces('answer').length, 1);
  assert.equal(probe.vm.openCalls.length, 1);
});

// Guarantees that a server in the same process can serve a filter, at once or by a promise.
test('a handler serves a cluster', async () => {
  const probe = new Probe(`tick: ${CALL}\n${ANSWER}`);
  probe.clusters.set(CLUSTER, (call) => ({ status: 200, body: call.path, afterMs: 5 }));
  probe.root.tick();
  probe.clock.advance(4);
  assert.equal(probe.traces('answer').length, 0);
  probe.clock.advance(1);
  assert.match(probe.trace('answer'), /\(\/q\)$/);
  for (const [result, seen] of [
    [{ status: 204 }, /:status=204/],
    ['refused', /:status=503/],
    ['reset', /^last 0 0 0/],
  ] as [CallResult, RegExp][]) {
    probe.clusters.set(CLUSTER, async () => result);
    const before = probe.traces('answer').length;
    probe.root.tick();
    probe.clock.advance(0);
    await until('the promise is answered', () => probe.traces('answer').length > before);
    assert.match(probe.trace('answer'), seen);
  }
  probe.clusters.set(CLUSTER, () => Promise.reject(new Error('broken')));
  probe.root.tick();
  probe.clock.advance(0);
  await until('the failure is shown', () => probe.trace('answer').includes('503'));
});

// Guarantees that a network that loses and delays is the same for the same seed, and that whatever
// it does ends every call.
test('a flaky network ends every call', async () => {
  const run = async (seed: number) => {
    const probe = new Probe(`tick: ${CALL}\n${ANSWER}`);
    const odds = { lost: 0.3, refused: 0.2, reset: 0.1, delayMs: 50 };
    const inner = () => ({ status: 200 });
    probe.clusters.set(CLUSTER, flaky(inner, seededRandom(seed), odds));
    for (let i = 0; i < 40; i++) probe.root.tick();
    probe.clock.advance(0);
    await new Promise((resolve) => setImmediate(resolve));
    probe.clock.advance(1_000);
    assert.equal(probe.vm.openCalls.length, 0);
    return probe.traces('answer').map((line) => /:status=(\d+)/.exec(line)?.[1] ?? 'none');
  };
  const first = await run(3);
  assert.deepEqual(await run(3), first);
  assert.notDeepEqual(await run(4), first);
  assert.deepEqual([...new Set(first)].sort(), ['200', '503', '504', 'none']);
});

// Guarantees that the module that ships can talk to a real server: what goes out, what comes back,
// and a server that is gone or breaks off.
test('a real server is an origin', async () => {
  const seen: { url: string | undefined; headers: string[]; body: string }[] = [];
  const answers: ((response: ServerResponse) => void)[] = [
    (response) => response.writeHead(202, ['X-Two', 'a', 'x-two', 'b']).end('served'),
    (response) => {
      response.writeHead(200, { 'content-length': 100 }).write('part');
      response.socket?.destroySoon();
    },
  ];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    seen.push({ url: request.url, headers: request.rawHeaders, body });
    answers[seen.length - 1]?.(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const real = origin(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const post = `call ${CLUSTER} :path=/v1/x,:method=POST,:authority=host.test,x-a=1 5000 sent`;
  const probe = new Probe(`tick: ${post}\n${ANSWER}`);
  probe.clusters.set(CLUSTER, real.handler);
  const stop = followRealTime(probe.clock);
  try {
    for (const expected of [/:status=202.*x-two=a,x-two=b.*buffer=0\(served\)/, /^last 0 0 0/]) {
      const before = probe.traces('answer').length;
      probe.root.tick();
      await until('the server has answered', () => probe.traces('answer').length > before);
      assert.match(probe.trace('answer'), expected);
    }
    assert.equal(seen[0]?.url, '/v1/x');
    assert.equal(seen[0]?.body, 'sent');
    assert.deepEqual(seen[0]?.headers.slice(0, 4), ['host', 'host.test', 'x-a', '1']);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    probe.root.tick();
    await until('the server is missed', () => probe.trace('answer').includes(':status=503'));
  } finally {
    stop();
    real.close();
    server.closeAllConnections();
    server.close();
  }
});

// Guarantees that a long run keeps a bounded memory of calls, and every open one.
test('calls that are over are forgotten, open ones are not', () => {
  const probe = new Probe(`tick: ${CALL}`);
  probe.root.tick();
  for (let i = 0; i < 5_000; i++) {
    probe.root.tick();
    probe.root.calls.at(-1)?.answer({ status: 200 });
  }
  assert.ok(probe.root.calls.length <= 2_000);
  assert.equal(probe.root.openCalls[0]?.token, 4);
});
