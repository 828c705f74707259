/**
 * Limits near exhaustion over the admin API, for whoever wants to speak to a consumer in time. A
 * token bound to namespaces sees those of its namespaces alone.
 */
import type { FastifyInstance } from 'fastify';
import { mayUse } from '../../service/access.ts';
import { nearLimits } from '../../service/near.ts';
import type { AdminServices } from '../admin-port.ts';
import { callerOf } from '../auth.ts';

/** Adds `GET /v1/limits/near`. */
export function nearRoute(server: FastifyInstance, services: AdminServices): void {
  server.get('/v1/limits/near', { config: { role: 'view' } }, async (request) => {
    const all = await nearLimits(services, services.nowMs());
    const caller = callerOf(request);
    return { items: all.filter(({ namespace }) => mayUse(caller, namespace)) };
  });
}
