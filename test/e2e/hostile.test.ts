/**
 * The hostile corpus through a real Envoy, byte for byte over raw sockets and HTTP/2: the files of
 * test/emulator/hostile.test.ts, and what Envoy answers before the filter sees anything.
 */
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { Pair } from '../../host/emulator/index.ts';
import { Envoy } from '../support/envoy.ts';
import * as config from '../support/envoy-config.ts';
import { Host } from '../support/host.ts';
import {
  HOSTILE_APPLICATION,
  HOSTILE_RESOURCES,
  type HostileAnswer,
  type HostileCase,
  hostileCases,
} from '../support/hostile.ts';
import { type Arrival, Origin, valuesOf } from '../support/origin.ts';
import { send } from '../support/requests.ts';
import { HOLD_MS, RELEASE_MODULE } from '../support/rig.ts';
import { until } from '../support/wait.ts';

const ANSWER_MS = 20_000;

/** A status with the headers and body it came with. */
interface Got {
  status: number;
  text: string;
}

describe('the hostile corpus', () => {
  const parts = new AsyncDisposableStack();
  let origin: Origin;
  let envoy: Envoy;
  const keys = { key: '', other: '' };
  const port = () => envoy.port('in');

  before(async () => {
    origin = parts.use(await Origin.start());
    const host = parts.use(await Host.start({ resources: { 'hostile.yaml': HOSTILE_RESOURCES } }));
    keys.key = (await host.createKey(HOSTILE_APPLICATION)).key;
    keys.other = (await host.createKey(HOSTILE_APPLICATION)).key;
    const plugin = { clusters: ['sidegate'], holdMs: HOLD_MS };
    const filters = [config.wasmFilter({ module: RELEASE_MODULE, plugin })];
    const listener = withUpgrades(config.listener({ name: 'in', filters, cluster: 'origin' }));
    const clusters = [
      config.cluster('sidegate', host.syncPort),
      config.cluster('origin', origin.port),
    ];
    envoy = parts.use(
      await Envoy.start({ config: config.bootstrap('hostile', [listener], clusters) }),
    );
    const headers = { host: 'orders.example.com', 'x-api-key': keys.key };
    await until('the key is known', async () => {
      return (await send({ port: port(), path: '/orders', headers })).status === 200;
    });
  });

  after(() => parts.disposeAsync());

  // Guarantees that a real proxy and the filter in it answer every request of the corpus as its
  // file says, and that the service sees of it what the file says and no more.
  test('is answered as its files say', async () => {
    for (const one of hostileCases(keys)) {
      if (one.raw === undefined && one.h2 === undefined) continue;
      origin.reset();
      const expected = one.proxy ? [one.proxy] : (one.answers ?? []);
      const got = one.h2
        ? [await overHttp2(port(), one.h2)]
        : await overSocket(port(), one.raw ?? '', expected.length);
      assert.deepEqual(
        got.map(({ status }) => status),
        expected.map(({ status }) => status),
        `${one.name}: ${got.map(({ text }) => text.slice(0, 300)).join('\n')}`,
      );
      check(one, got, origin.arrivals);
    }
  });

  function check(one: HostileCase, got: readonly Got[], arrivals: readonly Arrival[]): void {
    const answers = one.proxy ? [] : (one.answers ?? []);
    const passed = answers.filter(({ status, grpc }) => status === 200 && grpc === undefined);
    assert.equal(arrivals.length, passed.length, `${one.name} reaches the service`);
    answers.forEach((answer, i) => {
      const text = got[i]?.text ?? '';
      if (answer.grpc !== undefined) assert.match(text, new RegExp(`grpc-status: ${answer.grpc}`));
      // One answer for unknown and malformed keys: the log alone tells them apart.
      const code = answer.reason.replace('key_malformed', 'key_unknown');
      if (answer.status !== 200)
        assert.ok(text.includes(`"code":"${code}"`), `${one.name}: ${text}`);
    });
    passed.forEach((answer, i) => {
      const arrival = arrivals[i];
      if (arrival) compare(one.name, arrival, answer);
    });
  }

  function compare(name: string, arrival: Arrival, { upstream }: HostileAnswer): void {
    const text = JSON.stringify(arrival);
    assert.ok(![keys.key, keys.other, 'forged'].some((secret) => text.includes(secret)), name);
    const { path, present = {}, absent = [] } = upstream ?? {};
    if (path !== undefined) assert.equal(arrival.path, path, name);
    for (const [wanted, is] of Object.entries(present)) {
      assert.deepEqual(valuesOf(arrival, wanted), [is], `${name}: ${wanted}`);
    }
    for (const unwanted of absent) assert.deepEqual(valuesOf(arrival, unwanted), [], name);
  }

  // Guarantees that callers who hang up at once, whatever they had asked for, disturb nobody.
  test('callers who hang up disturb nobody', async () => {
    const head = `GET /orders HTTP/1.1\r\nHost: orders.example.com\r\nx-api-key: ${keys.key}\r\n\r\n`;
    for (let i = 0; i < 20; i++) {
      const socket = net.connect(port(), '127.0.0.1');
      socket.on('error', () => undefined);
      await new Promise((done) => socket.write(head.slice(0, head.length - i), done));
      socket.destroy();
    }
    const [answer] = await overSocket(port(), head, 1);
    assert.equal(answer?.status, 200);
  });
});

/** The listener with upgrades to WebSocket, which Envoy refuses by itself otherwise. */
function withUpgrades(listener: config.Config): config.Config {
  const text = JSON.stringify(listener);
  const upgrades = '"upgrade_configs":[{"upgrade_type":"websocket"}],"http_filters":';
  return JSON.parse(text.replace('"http_filters":', upgrades)) as config.Config;
}

/** Sends bytes and reads that many answers; interim ones do not count. */
function overSocket(port: number, raw: string, answers: number): Promise<Got[]> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(raw, 'latin1'));
    let bytes = '';
    const end = () => {
      socket.destroy();
      resolve(answersIn(bytes));
    };
    socket.setTimeout(ANSWER_MS, end);
    socket.on('data', (chunk) => {
      bytes += chunk.toString('latin1');
      if (answersIn(bytes).length >= answers) end();
    });
    socket.on('error', end);
    socket.on('close', end);
  });
}

/** The whole answers at the beginning of what came over a connection. */
function answersIn(bytes: string): Got[] {
  const found: Got[] = [];
  for (let rest = bytes; ; ) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return found;
    const head = rest.slice(0, end);
    const status = Number(/^HTTP\/1\.[01] (\d+)/.exec(head)?.[1]);
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    const isChunked = /^transfer-encoding: chunked/im.test(head);
    const body = rest.slice(end + 4);
    const chunksEnd = body.indexOf('0\r\n\r\n');
    if (isChunked ? chunksEnd < 0 : body.length < length) return found;
    const size = isChunked ? chunksEnd + 5 : length;
    if (status >= 200) found.push({ status, text: `${head}\r\n\r\n${body.slice(0, size)}` });
    rest = body.slice(size);
  }
}

/** Sends one request over HTTP/2 with prior knowledge. */
function overHttp2(port: number, pairs: readonly Pair[]): Promise<Got> {
  const headers: http2.OutgoingHttpHeaders = {};
  for (const [name, value] of pairs) {
    const before = headers[name];
    headers[name] = before === undefined ? value : [before, value].flat().map(String);
  }
  return new Promise((resolve) => {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const end = (got: Got) => {
      session.destroy();
      resolve(got);
    };
    session.on('error', () => end({ status: 0, text: '' }));
    const stream = session.request(headers);
    let text = '';
    let status = 0;
    const keep = (got: http2.IncomingHttpHeaders) => {
      status ||= Number(got[':status'] ?? 0);
      for (const [name, value] of Object.entries(got)) text += `${name}: ${value}\n`;
    };
    stream.setTimeout(ANSWER_MS, () => end({ status: 0, text }));
    stream.on('response', keep);
    stream.on('trailers', keep);
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    stream.on('error', () => end({ status: 0, text }));
    stream.on('end', () => end({ status, text }));
    stream.end();
  });
}
