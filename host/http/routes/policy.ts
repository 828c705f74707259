/**
 * The policy of a proxy group: its manifest and its pages (docs/wire.md, section 3).
 */
import type { FastifyInstance } from 'fastify';
import { MEDIA_TYPE, PAGE_BYTES } from '../../wire/host.ts';
import { encodeManifest } from '../../wire/manifest.ts';
import { hostOf } from '../pages.ts';
import { Problem } from '../problem.ts';
import type { SyncServices } from '../sync-port.ts';

/** Adds `GET /v1/policy/:group` and `GET /v1/policy/:group/:digest/:page`. */
export function policyRoutes(server: FastifyInstance, services: SyncServices): void {
  const { policies, store, heads, nowMs } = services;

  server.get<{ Params: { group: string } }>('/v1/policy/:group', async (request, reply) => {
    const { group } = request.params;
    const policy = await policies.newest(group);
    if (policy === undefined) throw new Problem('unknown_proxy_group', `no proxy group ${group}`);
    const bytes = encodeManifest({
      host: hostOf(store.identity, Math.max(heads.revision, policy.revision), nowMs()),
      policyRevision: policy.revision,
      length: policy.length,
      pageBytes: PAGE_BYTES,
      digest: policy.digest,
      pageDigests: policy.pageDigests,
    });
    return reply.type(MEDIA_TYPE).send(bytes);
  });

  server.get<{ Params: { group: string; digest: string; page: string } }>(
    '/v1/policy/:group/:digest/:page',
    async (request, reply) => {
      const { group, digest, page: number } = request.params;
      if (!/^(0|[1-9]\d{0,3})$/.test(number)) throw new Problem('unknown_page', 'no such page');
      const page = await policies.page(group, digest.toLowerCase(), Number(number));
      if (page instanceof Uint8Array) return reply.type('application/octet-stream').send(page);
      switch (page) {
        case 'no_group':
          throw new Problem('unknown_proxy_group', `no proxy group ${group}`);
        case 'no_page':
          throw new Problem('unknown_page', 'no such page');
        case 'replaced':
          throw new Problem('policy_replaced', 'this policy was replaced: start again');
      }
    },
  );
}
