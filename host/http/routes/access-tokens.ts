/**
 * Access tokens over the admin API: create (the token is in this one answer and nowhere else),
 * list, revoke.
 */
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { type AccessToken, ROLES, type Role } from '../../store/access.ts';
import type { AdminServices } from '../admin-port.ts';
import { callerOf } from '../auth.ts';
import { Problem } from '../problem.ts';
import { iso, LABEL, TIME } from './forms.ts';

const CreateBody = Type.Object(
  {
    name: LABEL,
    role: Type.Unsafe<Role>({ type: 'string', enum: ROLES }),
    namespaces: Type.Optional(Type.Array(LABEL, { maxItems: 64, uniqueItems: true })),
    notAfter: Type.Optional(TIME),
  },
  { additionalProperties: false },
);

const NameParams = Type.Object({ name: LABEL });

/** Adds the routes under `/v1/tokens`. */
export function tokenRoutes(server: FastifyInstance, { access }: AdminServices): void {
  server.post<{ Body: Static<typeof CreateBody> }>(
    '/v1/tokens',
    { schema: { body: CreateBody }, config: { role: 'admin' } },
    async (request, reply) => {
      const { name, role, namespaces = [], notAfter } = request.body;
      const notAfterMs = notAfter === undefined ? null : Date.parse(notAfter);
      const asked = { name, role, namespaces, notAfterMs };
      const made = await access.create(asked, callerOf(request));
      if (!made.ok) throw new Problem(made.code, made.message);
      request.log.info({ name, role, namespaces }, 'an access token was made');
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({ ...viewOf(made.record), token: made.token.reveal() });
    },
  );

  server.get('/v1/tokens', { config: { role: 'admin' } }, async (request) => {
    return { items: (await access.list(callerOf(request))).map(viewOf) };
  });

  server.post<{ Params: Static<typeof NameParams> }>(
    '/v1/tokens/:name/revoke',
    { schema: { params: NameParams }, config: { role: 'admin' } },
    async (request) => {
      const outcome = await access.revoke(request.params.name, callerOf(request));
      if (!outcome.ok) throw new Problem(outcome.code, outcome.message);
      request.log.info({ name: outcome.value.name }, 'an access token was revoked');
      return viewOf(outcome.value);
    },
  );
}

function viewOf(record: AccessToken) {
  const { name, role, namespaces, displayPrefix: prefix, createdBy } = record;
  return {
    ...{ name, role, namespaces, prefix, createdBy },
    createdAt: iso(record.createdAtMs),
    notAfter: iso(record.notAfterMs),
    revokedAt: iso(record.revokedAtMs),
  };
}
