/**
 * The engines of all proxies as this host hears them, for people and scripts: who has which
 * revision, who lags and since when, how full the tables are.
 */
import type { FastifyInstance } from 'fastify';
import type { Engine } from '../../service/engines.ts';
import { STATE_FIELDS } from '../../wire/watch.ts';
import type { AdminServices } from '../admin-port.ts';

/** Most engines of one answer. */
export const PROXIES_LISTED_MAX = 10_000;

/** How an engine stands. */
export type EngineStanding = 'current' | 'behind' | 'filling' | 'other_store' | 'silent';

/** An engine as the admin API shows it. */
export interface EngineView {
  /** Envoy's node id. */
  readonly name: string;
  readonly workload: string;
  readonly group: string;
  readonly version: string;
  readonly incarnation: string;
  readonly standing: EngineStanding;
  /** Since when it is silent, or behind; null when it is neither. */
  readonly since: string | null;
  readonly policyRevision: number;
  readonly directoryRevision: number;
  /** The store it follows, 32 hexadecimal digits; null = none yet. */
  readonly storeId: string | null;
  /** What it said of itself when it opened its newest watch, and how long ago. */
  readonly state: Readonly<Record<string, number>>;
  readonly stateAgeMs: number;
}

/** Adds `GET /v1/proxies`. */
export function proxiesRoute(server: FastifyInstance, services: AdminServices): void {
  server.get('/v1/proxies', { config: { role: 'view' } }, async () => {
    const items = services.engines.list().map((engine) => viewOf(engine, services));
    const there = items.filter(({ standing }) => standing !== 'silent');
    return {
      revision: services.heads.revision,
      storeId: Buffer.from(services.store.identity.storeId).toString('hex'),
      engines: there.length,
      current: there.filter(({ standing }) => standing === 'current').length,
      items: items.slice(0, PROXIES_LISTED_MAX),
    };
  });
}

/** How many engines of a proxy group are there, and how many of them have what is in force. */
export function countsOf(group: string, services: AdminServices) {
  const own = services.engines
    .list()
    .filter((engine) => engine.group === group && services.engines.isThere(engine));
  const current = own.filter((engine) => standingOf(engine, services) === 'current').length;
  return { engines: own.length, current };
}

function standingOf(engine: Engine, { engines, heads, store }: AdminServices): EngineStanding {
  if (!engines.isThere(engine)) return 'silent';
  const { request, group } = engine;
  const known = request.storeId.some((byte) => byte !== 0);
  if (known && !Buffer.from(store.identity.storeId).equals(request.storeId)) return 'other_store';
  const head = heads.get(group);
  if (head === undefined || !request.complete) return 'filling';
  const behind =
    engine.policyRevision < head.policyRevision ||
    engine.directoryRevision < head.directoryRevision;
  return behind ? 'behind' : 'current';
}

function viewOf(engine: Engine, services: AdminServices): EngineView {
  const { request, group, incarnation, policyRevision, directoryRevision } = engine;
  const standing = standingOf(engine, services);
  const sinceMs =
    standing === 'silent'
      ? engine.aliveMs
      : standing === 'behind'
        ? services.engines.behindSinceMs(engine)
        : undefined;
  const known = request.storeId.some((byte) => byte !== 0);
  const values = request.state ?? [];
  const fields = STATE_FIELDS.slice(0, values.length).map((name, at) => [name, values[at] ?? 0]);
  return {
    name: request.proxy,
    workload: request.workload,
    group,
    version: request.version,
    incarnation: incarnation.toString(16).padStart(16, '0'),
    standing,
    since: sinceMs === undefined ? null : new Date(sinceMs).toISOString(),
    policyRevision,
    directoryRevision,
    storeId: known ? Buffer.from(request.storeId).toString('hex') : null,
    state: Object.fromEntries(fields),
    stateAgeMs: Math.max(0, services.nowMs() - engine.saidMs),
  };
}
