/**
 * Changes of keys over the admin API: out of use and back, an end, another key in its place, and
 * keys that were made elsewhere. A key that comes in is hashed at once and must never be kept.
 */
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { Secret } from '../../credential/secret.ts';
import type { Keys } from '../../service/keys.ts';
import type { AdminServices } from '../admin-port.ts';
import { callerOf, requireNamespace } from '../auth.ts';
import { Problem } from '../problem.ts';
import { credentialOf, IdParams, viewOf } from './credentials.ts';
import { LABEL, TIME } from './forms.ts';

/** Longest overlap of two keys. */
const OVERLAP_SECONDS_MAX = 90 * 86_400;

const ExpireBody = Type.Object({ at: Type.Optional(TIME) }, { additionalProperties: false });

const RotateBody = Type.Object(
  {
    overlapSeconds: Type.Integer({ minimum: 0, maximum: OVERLAP_SECONDS_MAX }),
    notAfter: Type.Optional(TIME),
  },
  { additionalProperties: false },
);

const ImportBody = Type.Object(
  {
    namespace: Type.Optional(LABEL),
    application: LABEL,
    name: Type.Optional(LABEL),
    key: Type.Optional(Type.String({ maxLength: 1_024, pattern: '^[\\x21-\\x7e]+$' })),
    sha256: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
    strengthChecked: Type.Optional(Type.Literal(true)),
    notBefore: Type.Optional(TIME),
    notAfter: Type.Optional(TIME),
  },
  { additionalProperties: false },
);

type ById = { Params: Static<typeof IdParams> };

/** Adds the routes. */
export function credentialChangeRoutes(server: FastifyInstance, { keys }: AdminServices): void {
  stateRoutes(server, keys);
  rotateRoute(server, keys);
  importRoute(server, keys);
}

function stateRoutes(server: FastifyInstance, keys: Keys): void {
  const schema = { params: IdParams };
  for (const [verb, state] of [
    ['disable', 'disabled'],
    ['enable', 'enabled'],
  ] as const) {
    server.post<ById>(
      `/v1/credentials/:id/${verb}`,
      { schema, config: { role: 'operate' } },
      async (request) => {
        const caller = callerOf(request);
        const { id } = await credentialOf(keys, request.params.id, caller);
        return answerOf(await keys.setState(id, state, caller.name));
      },
    );
  }

  server.post<ById & { Body: Static<typeof ExpireBody> | null }>(
    '/v1/credentials/:id/expire',
    {
      schema: { ...schema, body: Type.Union([ExpireBody, Type.Null()]) },
      config: { role: 'operate' },
    },
    async (request) => {
      const caller = callerOf(request);
      const { id } = await credentialOf(keys, request.params.id, caller);
      const at = request.body?.at;
      return answerOf(await keys.expire(id, at === undefined ? 0 : Date.parse(at), caller.name));
    },
  );
}

function rotateRoute(server: FastifyInstance, keys: Keys): void {
  server.post<ById & { Body: Static<typeof RotateBody> }>(
    '/v1/credentials/:id/rotate',
    { schema: { params: IdParams, body: RotateBody }, config: { role: 'operate' } },
    async (request, reply) => {
      const caller = callerOf(request);
      const old = await credentialOf(keys, request.params.id, caller);
      const { overlapSeconds, notAfter } = request.body;
      const outcome = await keys.rotate(old, {
        overlapMs: overlapSeconds * 1_000,
        notAfterMs: notAfter === undefined ? undefined : Date.parse(notAfter),
        by: caller.name,
      });
      if (!outcome.ok) throw new Problem(outcome.code, outcome.message);
      const { before, made } = outcome.value;
      request.log.info({ credential: before.id, by: made.id }, 'a key was rotated');
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({
          ...viewOf(made),
          revision: outcome.revision,
          key: outcome.key.reveal(),
          before: viewOf(before),
        });
    },
  );
}

function importRoute(server: FastifyInstance, keys: Keys): void {
  server.post<{ Body: Static<typeof ImportBody> }>(
    '/v1/credentials/import',
    { schema: { body: ImportBody }, config: { role: 'operate' } },
    async (request, reply) => {
      const { namespace = 'default', application, name, notBefore, notAfter } = request.body;
      requireNamespace(request, namespace);
      const outcome = await keys.import({
        ...{ namespace, application, name, by: callerOf(request).name },
        secret: secretOf(request.body),
        notBeforeMs: notBefore === undefined ? undefined : Date.parse(notBefore),
        notAfterMs: notAfter === undefined ? undefined : Date.parse(notAfter),
      });
      const { id } = reply.code(201).send(answerOf(outcome)).request;
      request.log.info({ request: id, application, namespace }, 'a key was imported');
      return reply;
    },
  );
}

/** The key or its digest; of a digest nobody can tell how long the key was. */
function secretOf({ key, sha256, strengthChecked }: Static<typeof ImportBody>) {
  if ((key === undefined) === (sha256 === undefined)) {
    throw new Problem('bad_request', 'exactly one of key and sha256 must be there');
  }
  if (key !== undefined) return new Secret(key);
  if (strengthChecked === true) return Uint8Array.from(Buffer.from(sha256 ?? '', 'hex'));
  const message = 'a digest tells nobody how strong its key is: send strengthChecked: true as well';
  throw new Problem('bad_request', message);
}

function answerOf(outcome: Awaited<ReturnType<Keys['setState'] | Keys['import']>>) {
  if (!outcome.ok) throw new Problem(outcome.code, outcome.message);
  const { value, revision, changed } = outcome;
  return { ...viewOf(value), revision, changed };
}
