/**
 * The admin port: everything behind access tokens; health and readiness alone open to whoever can
 * reach it. It must never answer anything about a key but once, when made.
 */
import type { FastifyInstance } from 'fastify';
import type { Access } from '../service/access.ts';
import type { Resources } from '../service/catalogue.ts';
import type { Engines } from '../service/engines.ts';
import type { Heads } from '../service/heads.ts';
import type { Keys } from '../service/keys.ts';
import type { ChangeProgress } from '../service/progress.ts';
import { Quotas } from '../service/quotas.ts';
import type { ResourceStatus } from '../service/reload.ts';
import type { Terms } from '../service/terms.ts';
import type { UsageService } from '../service/usage.ts';
import type { Ledger } from '../store/ledger.ts';
import type { Store } from '../store/store.ts';
import { guard } from './auth.ts';
import type { HostMetrics } from './metrics.ts';
import { OnceRequests } from './once.ts';
import { openApi } from './openapi.ts';
import { rememberRoutes } from './route-list.ts';
import { tokenRoutes } from './routes/access-tokens.ts';
import { credentialChangeRoutes } from './routes/credential-changes.ts';
import { credentialRoutes } from './routes/credentials.ts';
import { healthRoutes, metricsRoute } from './routes/health.ts';
import { nearRoute } from './routes/near.ts';
import { proxiesRoute } from './routes/proxies.ts';
import { quotaRoutes } from './routes/quotas.ts';
import { resourceRoutes } from './routes/resources.ts';
import { revisionRoutes } from './routes/revisions.ts';
import { statusRoute } from './routes/status.ts';
import { usageRoutes } from './routes/usage.ts';
import { type Log, makeServer } from './server.ts';
import type { WatchHub } from './watch-hub.ts';

/** What the routes of the port work with. */
export interface AdminServices {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly terms: Terms;
  readonly heads: Heads;
  readonly keys: Keys;
  readonly access: Access;
  readonly catalogue: Resources;
  readonly hub: WatchHub;
  readonly metrics: HostMetrics;
  readonly engines: Engines;
  readonly usage: UsageService;
  readonly nowMs: () => number;
  readonly resources: () => ResourceStatus;
  /** How far a large change of resources has come; undefined while there is none. */
  readonly progress: () => ChangeProgress | undefined;
  readonly version: string;
}

/** What the port needs besides. */
export interface AdminPortOptions {
  readonly services: AdminServices;
  readonly log: Log;
}

/** Admin requests are small; nothing of theirs is a file. */
const BODY_BYTES_MAX = 65_536;

const KEEP_ALIVE_MS = 72_000;

/** The server of the admin port, not listening yet. */
export function makeAdminPort({ services, log }: AdminPortOptions): FastifyInstance {
  const server = makeServer({ log, bodyBytesMax: BODY_BYTES_MAX, keepAliveMs: KEEP_ALIVE_MS });
  rememberRoutes(server);
  server.removeContentTypeParser('text/plain');
  server.addHook('onResponse', async (request, reply) => {
    const { method, routeOptions } = request;
    const { statusCode } = reply;
    const ms = Math.round(reply.elapsedTime);
    // Probes and scrapes come every few seconds and say nothing new.
    const level = routeOptions.url?.startsWith('/v1/') === false ? 'debug' : 'info';
    request.log[level]({ method, route: routeOptions.url, statusCode, ms }, 'answered');
  });
  healthRoutes(server, services);
  server.register(async (guarded) => {
    guard(guarded, services.access, services.nowMs);
    const onceRequests = new OnceRequests();
    credentialRoutes(guarded, services, onceRequests);
    credentialChangeRoutes(guarded, services);
    metricsRoute(guarded, services);
    resourceRoutes(guarded, services);
    revisionRoutes(guarded, services);
    statusRoute(guarded, services);
    nearRoute(guarded, services);
    quotaRoutes(guarded, new Quotas(services), onceRequests);
    tokenRoutes(guarded, services);
    proxiesRoute(guarded, services);
    usageRoutes(guarded, services);
    guarded.get('/v1/openapi.json', { config: { role: 'view' } }, async () => {
      return openApi(server, services.version);
    });
  });
  return server;
}
