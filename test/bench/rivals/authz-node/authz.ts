/**
 * The check service of the ext_authz chain in Node: looks a key up by its digest in a table and
 * counts two limits, in one process, as a small service of an operator would. It answers on a port
 * of the system's choice, which it prints.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

const QUOTA = 1e12;
const WINDOWS_MS = [3_600_000, 86_400_000];

/** What is known of a key: who it is, and what is used of the current window of each limit. */
interface Caller {
  name: string;
  windows: { lengthMs: number; current: number; used: number }[];
}

const digestOf = (key: string) => createHash('sha256').update(key).digest('base64');

const callers = new Map<string, Caller>();
const keys = readFileSync(process.argv[2] ?? '', 'utf8')
  .trimEnd()
  .split('\n');
for (const [index, key] of keys.entries()) {
  const windows = WINDOWS_MS.map((lengthMs) => ({ lengthMs, current: 0, used: 0 }));
  callers.set(digestOf(key), { name: `consumer-${index}`, windows });
}

/** Takes one unit from every window, or from none. */
function take({ windows }: Caller): boolean {
  const now = Date.now();
  for (const window of windows) {
    const current = Math.floor(now / window.lengthMs);
    if (window.current !== current) Object.assign(window, { current, used: 0 });
    if (window.used >= QUOTA) return false;
  }
  for (const window of windows) window.used += 1;
  return true;
}

const server = http.createServer((request, response) => {
  const key = request.headers['x-api-key'];
  const caller = typeof key === 'string' ? callers.get(digestOf(key)) : undefined;
  if (caller === undefined) response.writeHead(401).end();
  else if (!take(caller)) response.writeHead(429).end();
  else response.writeHead(200, { 'x-consumer': caller.name }).end();
});
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
