/**
 * The port that filters call: policy, directory, watch and sync of docs/wire.md. It turns bytes
 * into calls and answers into bytes; it must never decide what a filter gets.
 */
import type { FastifyInstance } from 'fastify';
import { digestOf } from '../credential/key.ts';
import type { Secret } from '../credential/secret.ts';
import type { Shares } from '../quota/share.ts';
import type { Engines } from '../service/engines.ts';
import type { Heads } from '../service/heads.ts';
import type { Policies } from '../service/policies.ts';
import type { Principals } from '../service/principals.ts';
import type { Terms } from '../service/terms.ts';
import type { UsageService } from '../service/usage.ts';
import type { Ledger } from '../store/ledger.ts';
import type { Store } from '../store/store.ts';
import { MEDIA_TYPE } from '../wire/host.ts';
import { requireBearer } from './auth.ts';
import { requirePrincipal } from './mesh-identity.ts';
import type { HostMetrics } from './metrics.ts';
import { Problem } from './problem.ts';
import { directoryRoute } from './routes/directory.ts';
import { policyRoutes } from './routes/policy.ts';
import { syncRoute } from './routes/sync.ts';
import { watchRoute } from './routes/watch.ts';
import { type Log, makeServer } from './server.ts';
import type { WatchHub } from './watch-hub.ts';

/** What the routes of the port work with. */
export interface SyncServices {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly shares: Shares;
  readonly heads: Heads;
  readonly policies: Policies;
  readonly terms: Terms;
  readonly hub: WatchHub;
  readonly metrics: HostMetrics;
  readonly engines: Engines;
  readonly usage: UsageService;
  readonly nowMs: () => number;
  /** Told to every holder. */
  readonly heartbeatMs: number;
}

/** What the port needs besides. */
export interface SyncPortOptions {
  readonly services: SyncServices;
  readonly log: Log;
  /** Undefined on loopback or with `principals` only; the settings see to that. */
  readonly secret: Secret | undefined;
  /** Given where callers are known by what the host's own sidecar verified. */
  readonly principals: Principals | undefined;
}

/**
 * Idle connections outlast Envoy's idle time-out of an hour, so that Envoy closes them and never
 * sends a call into one that the host is closing.
 */
export const KEEP_ALIVE_MS = 65 * 60_000;

/** A sync call with every item is 21 KiB; the rest is for optional sections of later versions. */
export const CALL_BYTES_MAX = 65_536;

/** The highest format this host writes. */
const FORMAT = 1;

/** The server of the sync port, not listening yet. */
export function makeSyncPort(options: SyncPortOptions): FastifyInstance {
  const { services, log, secret, principals } = options;
  const server = makeServer({ log, bodyBytesMax: CALL_BYTES_MAX, keepAliveMs: KEEP_ALIVE_MS });
  server.removeAllContentTypeParsers();
  // Named for itself besides, it is found without being parsed each time.
  for (const type of [MEDIA_TYPE, '*']) {
    server.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body, done) => {
      done(null, body);
    });
  }
  if (secret !== undefined) {
    server.addHook('onRequest', requireBearer(digestOf(secret.reveal())));
  }
  if (principals !== undefined) server.addHook('onRequest', requirePrincipal(principals));
  server.addHook('onRequest', async (request) => {
    const format = request.headers['x-sidegate-format'];
    if (format !== undefined && !(Number(format) >= FORMAT)) {
      throw new Problem('bad_request', `this host writes format ${FORMAT} and none below`);
    }
  });
  server.addHook('onResponse', async (request, reply) => {
    const { url = 'none' } = request.routeOptions;
    services.metrics.call(url, reply.statusCode, reply.elapsedTime / 1_000);
  });
  // Open watches are answered while the port closes, or it would wait for them.
  server.addHook('preClose', async () => services.hub.close());
  policyRoutes(server, services);
  directoryRoute(server, services);
  watchRoute(server, services);
  syncRoute(server, services);
  return server;
}
