/**
 * What the host has in force, for people and scripts: revisions, proxy groups, and the problems of
 * the resource folder when it was refused.
 */
import type { FastifyInstance } from 'fastify';
import type { AdminServices } from '../admin-port.ts';
import { callerOf } from '../auth.ts';
import { countsOf } from './proxies.ts';

/** Adds `GET /v1/status` and, answered even while the store is busy, `GET /v1/progress`. */
export function statusRoute(server: FastifyInstance, services: AdminServices): void {
  const { store, hub, version, progress } = services;
  server.get('/v1/progress', { config: { role: 'view' } }, async () => ({
    change: progress() ?? null,
  }));
  server.get('/v1/status', { config: { role: 'view' } }, async (request) => {
    const { storeId, epoch } = store.identity;
    const { folder, commit, state, readAtMs, problems } = services.resources();
    // Problems quote resources of every namespace.
    const shown = callerOf(request).namespaces.length === 0 ? problems : [];
    const groups = await store.groups();
    return {
      version,
      storeId: Buffer.from(storeId).toString('hex'),
      epoch,
      revision: await store.revision(),
      resourceRevision: await store.resourceRevision(),
      resources: {
        from: folder === undefined ? 'api' : 'folder',
        folder,
        commit,
        readOnly: folder !== undefined,
        state,
        readAt: new Date(readAtMs).toISOString(),
        problems: shown,
      },
      groups: groups.map(({ group, policyRevision, directoryRevision, credentials }) => ({
        name: group,
        policyRevision,
        directoryRevision,
        credentials,
        watches: hub.openOf(group),
        ...countsOf(group, services),
      })),
    };
  });
}
