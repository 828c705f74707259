/**
 * Calls that get no answer: what the command says of them depends on whether anything may have
 * left, and how long it waits on one bound alone. Sockets are real, long waits are not.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo, type Server } from 'node:net';
import { type TestContext, test } from 'node:test';
import { sidegate } from './command.ts';

const PLAN = 'kind: Plan\nmetadata: { name: silver }\nspec: { limits: [] }\n';
const TOKEN = 'a-token-of-the-test';
const BEGUN = /It may be done all the same/;

/** Everything that changes something, by the command that asks for it. */
const CHANGES: readonly (readonly string[])[] = [
  ['apply', '-f', '-'],
  ['delete', 'plan', 'silver'],
  ['subscription', 'suspend', 'shop'],
  ['key', 'create', 'shop'],
  ['quota', 'add', 'shop', '--limit', 'daily', '--units', '5'],
  ['token', 'create', 'ci', '--role', 'view'],
];

async function listen(t: TestContext, server: Server, scheme = 'http'): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function run(host: string, args: readonly string[], token = TOKEN) {
  const env = { SIDEGATE_HOST: host, SIDEGATE_ADMIN_TOKEN: token };
  return sidegate(args, { env, stdin: PLAN });
}

const pem = (name: string) =>
  readFileSync(new URL(`../../fixtures/tls/untrusted.${name}.pem`, import.meta.url));

// Guarantees that nobody looks for a change that surely was not made: no name, nobody listening, a
// certificate that is not trusted, and something that speaks no TLS.
test('a change that never left is not said to be made perhaps', async (t) => {
  const closed = net.createServer();
  const refusing = await listen(t, closed);
  await new Promise((resolve) => closed.close(resolve));
  const tls = { key: pem('key'), cert: pem('cert') };
  let asked = 0;
  const untrusted = https.createServer(tls, () => {
    asked += 1;
  });
  const plain = http.createServer(() => {
    asked += 1;
  });
  const cases: readonly (readonly [string, RegExp])[] = [
    ['http://a..b', /ENOTFOUND|EAI_AGAIN/],
    [refusing, /ECONNREFUSED/],
    ['http://127.0.0.1:1', /ECONNREFUSED/],
    [await listen(t, untrusted, 'https'), /CERT[\s\S]*NODE_EXTRA_CA_CERTS/],
    [await listen(t, plain, 'https'), /\((ERR_SSL\w+|EPROTO|ECONNRESET)\)/],
  ];
  for (const [host, why] of cases) {
    for (const args of CHANGES) {
      const { exit, stdout, stderr } = await run(host, args);
      assert.deepEqual([exit, stdout], [6, ''], `${host} ${args}: ${stderr}`);
      assert.match(stderr, why);
      assert.doesNotMatch(stderr, BEGUN, args.join(' '));
    }
  }
  assert.equal(asked, 0);
});

// Guarantees that whoever asked for a change and heard nothing knows to look, and that whoever only
// asked is not sent looking.
test('a change whose answer is lost may be made', async (t) => {
  const cutting = net.createServer((socket) => socket.once('data', () => socket.destroy()));
  const halves = http.createServer((_, reply) => {
    reply.writeHead(200, { 'content-length': '100' });
    reply.write('{', () => reply.destroy());
  });
  for (const host of [await listen(t, cutting), await listen(t, halves)]) {
    for (const args of CHANGES) {
      const { exit, stderr } = await run(host, args);
      assert.equal(exit, 6, stderr);
      assert.match(stderr, BEGUN, args.join(' '));
      assert.ok(!stderr.includes(TOKEN));
    }
    const asking = [
      ...[['get', 'plans'], ['status'], ['diff', '-f', '-'], ['apply', '--dry-run', '-f', '-']],
      ...[
        ['rollback', '3', '--dry-run'],
        ['key', 'list'],
      ],
    ];
    for (const args of asking) {
      const { exit, stderr } = await run(host, args);
      assert.equal(exit, 6, stderr);
      assert.doesNotMatch(stderr, BEGUN, args.join(' '));
    }
  }
});

// Guarantees that a token goes nowhere but to the host, and that one that cannot be sent is named
// as what it is, not shown.
test('a token is sent to the host alone', async (t) => {
  const seen: string[] = [];
  const other = http.createServer((request, reply) => {
    seen.push(String(request.headers.authorization));
    reply.end('{}');
  });
  const elsewhere = await listen(t, other);
  const host = await listen(
    t,
    http.createServer((_, reply) => reply.writeHead(307, { location: elsewhere }).end()),
  );
  const moved = await run(host, ['status']);
  assert.equal(moved.exit, 1);
  assert.match(moved.stderr, /answered 307, which is no answer of a host/);
  assert.deepEqual(seen, []);
  const odd = await run(elsewhere, ['status'], 'schlüssel\u0416');
  assert.deepEqual([odd.exit, odd.stdout], [2, '']);
  assert.match(odd.stderr, /no token[\s\S]*SIDEGATE_ADMIN_TOKEN or --token-file/);
  assert.ok(!odd.stderr.includes('schl'));
  assert.deepEqual(seen, []);
});

// Guarantees that a first import may take its ten minutes, and that no other bound, such as that of
// some library, ends the wait before or lets it go on for ever.
test('a change is waited for ten minutes', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let arrive: (reply: http.ServerResponse) => void = () => undefined;
  const host = await listen(
    t,
    http.createServer((request, reply) => {
      if (request.url === '/v1/apply') arrive(reply);
      else reply.writeHead(503).end();
    }),
  );
  const waiting = () => {
    const { promise: arrived, resolve } = Promise.withResolvers<http.ServerResponse>();
    arrive = resolve;
    return { arrived, ended: run(host, ['apply', '-f', '-']) };
  };
  const late = waiting();
  const reply = await late.arrived;
  t.mock.timers.tick(599_000);
  reply.end('{"revision":2,"changed":false,"diff":[]}');
  assert.deepEqual((await late.ended).exit, 0);
  const silent = waiting();
  (await silent.arrived).flushHeaders();
  t.mock.timers.tick(600_000);
  const { exit, stderr } = await silent.ended;
  assert.equal(exit, 6);
  assert.match(stderr, /\(no answer in 600 s\)[\s\S]*It may be done all the same/);
});
