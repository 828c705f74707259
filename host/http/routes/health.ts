/**
 * Health, readiness and metrics. Healthy = the process answers; ready = it can decide what filters
 * ask. A folder with problems does not make a host unready: what was in force still is.
 */
import type { FastifyInstance } from 'fastify';
import type { AdminServices } from '../admin-port.ts';

/** Any account: reading one proves that the ledger answers. */
const PROBE = { owner: 0n, limit: 0n, windowKind: 1, partition: 0n };

/** Adds `GET /healthz` and `GET /readyz`, the only routes that ask for no token. */
export function healthRoutes(server: FastifyInstance, services: AdminServices): void {
  const { store, ledger, nowMs } = services;

  server.get('/healthz', async () => ({ status: 'ok' }));

  server.get('/readyz', async (_request, reply) => {
    const resources = services.resources();
    const checks = {
      store: await answers(store.revision()),
      ledger: await answers(ledger.account(PROBE, nowMs())),
      resources: resources.state !== 'none',
    };
    const ready = checks.store && checks.ledger && checks.resources;
    const { state, problems } = resources;
    return reply.code(ready ? 200 : 503).send({
      ready,
      checks,
      resources: { state, problems: problems.length },
    });
  });
}

/** Adds `GET /metrics`. */
export function metricsRoute(server: FastifyInstance, { metrics }: AdminServices): void {
  server.get('/metrics', { config: { role: 'view' } }, async (_request, reply) => {
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
}

async function answers(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch {
    return false;
  }
}
