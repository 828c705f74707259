/**
 * The service behind the ext_authz chain: looks a key up in a table and counts, in one process, as
 * a small check service would. It answers on a port of the system's choice, which it prints.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

const digests = new Map<string, string>();
const keys = readFileSync(process.argv[2] ?? '', 'utf8')
  .trimEnd()
  .split('\n');
for (const [index, key] of keys.entries()) digests.set(digestOf(key), `consumer-${index}`);

const used = new Map<string, number>();

function digestOf(key: string): string {
  return createHash('sha256').update(key).digest('base64');
}

const server = http.createServer((request, response) => {
  const key = request.headers['x-api-key'];
  const consumer = typeof key === 'string' ? digests.get(digestOf(key)) : undefined;
  if (consumer === undefined) {
    response.writeHead(401).end();
    return;
  }
  used.set(consumer, (used.get(consumer) ?? 0) + 1);
  response.writeHead(200, { 'x-consumer': consumer }).end();
});
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
