/**
 * The directory of a proxy group, page by page (docs/wire.md, section 4). The walk's state is in
 * the call, so that any host of the same store can answer the next one.
 */
import type { FastifyInstance } from 'fastify';
import { encodeDirectory, WALK_START, type WireCursor } from '../../wire/directory.ts';
import { MEDIA_TYPE, RECORDS_BYTES } from '../../wire/host.ts';
import { hostOf, pageOf, RECORD_OVERHEAD, startOverPage } from '../pages.ts';
import { Problem } from '../problem.ts';
import type { SyncServices } from '../sync-port.ts';

interface DirectoryCall {
  Params: { group: string };
  Querystring: { after?: string; cursor?: string };
}

/** Adds `GET /v1/directory/:group?after=&cursor=`. */
export function directoryRoute(server: FastifyInstance, services: SyncServices): void {
  const { store, heads, nowMs } = services;
  server.get<DirectoryCall>('/v1/directory/:group', async (request, reply) => {
    const { group } = request.params;
    const after = readNumber(request.query.after, 'after');
    const from = readCursor(request.query.cursor);
    const page = await store.directoryAfter({
      group,
      after,
      ...(from !== WALK_START && { cursor: from }),
      maxBytes: RECORDS_BYTES,
      overheadBytes: RECORD_OVERHEAD,
    });
    if (page.outcome === 'no_group') {
      throw new Problem('unknown_proxy_group', `no proxy group ${group}`);
    }
    const wire =
      page.outcome === 'page'
        ? pageOf(after, from, page)
        : startOverPage(after, from, heads.get(group)?.policyRevision ?? 0);
    const host = hostOf(store.identity, page.head, nowMs());
    return reply.type(MEDIA_TYPE).send(encodeDirectory({ host, page: wire }));
  });
}

function readNumber(text: unknown, name: string): number {
  const number = typeof text === 'string' && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number)) {
    throw new Problem('bad_request', `${name} must be a whole number`, [
      { code: 'invalid', message: 'must be a whole number', pointer: `/querystring/${name}` },
    ]);
  }
  return number;
}

function readCursor(text: unknown): WireCursor {
  if (text === undefined) return WALK_START;
  const parts = typeof text === 'string' ? text.split('.') : [];
  if (parts.length !== 3) throw new Problem('bad_request', 'cursor must be R.K.I');
  const [revision = 0, kind = 0, id = 0] = parts.map((part) => readNumber(part, 'cursor'));
  if (kind > 255) throw new Problem('bad_request', 'cursor has a kind above 255');
  return { revision, kind, id };
}
