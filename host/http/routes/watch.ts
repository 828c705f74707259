/**
 * The watch call (docs/wire.md, section 5): decodes it, lets the hub hold it, and lets go of it
 * when the caller goes away.
 */
import type { FastifyInstance } from 'fastify';
import { MEDIA_TYPE } from '../../wire/host.ts';
import { decodeWatchRequest } from '../../wire/watch.ts';
import { Problem } from '../problem.ts';
import type { SyncServices } from '../sync-port.ts';

/** Adds `POST /v1/watch/:group`. */
export function watchRoute(server: FastifyInstance, services: SyncServices): void {
  const { hub, engines } = services;
  server.post<{ Params: { group: string }; Body: Buffer }>(
    '/v1/watch/:group',
    async (request, reply) => {
      const { group } = request.params;
      const decoded = decodeWatchRequest(request.body ?? new Uint8Array(0));
      if (!decoded.ok) {
        throw new Problem('malformed_message', `${decoded.code} in ${decoded.what}`);
      }
      const watch = hub.watch(group, decoded.value);
      const closed = engines.opened(group, decoded.value);
      // Envoy gives a call up by closing its connection, and a kept watch would leak.
      request.raw.socket.once('close', watch.cancel);
      const gone = () => closed(true);
      request.raw.socket.once('close', gone);
      try {
        return reply.type(MEDIA_TYPE).send(await watch.reply);
      } finally {
        request.raw.socket.off('close', watch.cancel);
        request.raw.socket.off('close', gone);
        closed(false);
      }
    },
  );
}
