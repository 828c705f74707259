/**
 * Keys over the admin API: create (the key is in this one answer and nowhere else), list, show,
 * revoke.
 */
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { RULES_MAX } from '../../credential/rules.ts';
import { type Caller, mayUse } from '../../service/access.ts';
import { type Keys, LIST_MAX } from '../../service/keys.ts';
import type { UsageService } from '../../service/usage.ts';
import type { StoredCredential } from '../../store/store.ts';
import type { AdminServices } from '../admin-port.ts';
import { callerOf, requireNamespace } from '../auth.ts';
import type { OnceRequests } from '../once.ts';
import { Problem } from '../problem.ts';
import { IdempotencyHeader, iso, LABEL, LIMIT, type Once, TIME } from './forms.ts';

/** An id as a path has it. */
export const ID = '^[1-9][0-9]{0,15}$';

const RULES = Type.Array(Type.String({ maxLength: 253 }), { maxItems: RULES_MAX });

const CreateBody = Type.Object(
  {
    namespace: Type.Optional(LABEL),
    application: LABEL,
    name: Type.Optional(LABEL),
    brand: Type.Optional(Type.String({ maxLength: 16 })),
    notBefore: Type.Optional(TIME),
    notAfter: Type.Optional(TIME),
    cidrs: Type.Optional(RULES),
    referers: Type.Optional(RULES),
  },
  { additionalProperties: false },
);

const ListQuery = Type.Object(
  {
    namespace: Type.Optional(LABEL),
    application: Type.Optional(LABEL),
    name: Type.Optional(LABEL),
    prefix: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    after: Type.Optional(Type.String({ pattern: ID })),
    limit: Type.Optional(LIMIT),
  },
  { additionalProperties: false },
);

/** The parameters of a path with an id. */
export const IdParams = Type.Object({ id: Type.String({ pattern: ID }) });

/** A credential as the admin API shows it: everything about a key except the key. */
export interface CredentialView {
  readonly id: number;
  readonly namespace: string;
  readonly application: string;
  readonly name: string;
  readonly prefix: string;
  readonly state: string;
  readonly origin: string;
  readonly notBefore: string | null;
  readonly notAfter: string | null;
  readonly cidrs: readonly string[];
  readonly referers: readonly string[];
  readonly createdAt: string;
  readonly revokedAt: string | null;
  /** To about five minutes; null = never, as far as proxies have reported. */
  readonly lastUsedAt: string | null;
}

/** Adds the routes under `/v1/credentials`. */
export function credentialRoutes(
  server: FastifyInstance,
  { keys, usage }: AdminServices,
  onceRequests: OnceRequests,
): void {
  createRoute(server, keys, onceRequests);
  revokeRoute(server, keys, usage);
  readRoutes(server, keys, usage);
}

function createRoute(server: FastifyInstance, keys: Keys, onceRequests: OnceRequests): void {
  server.post<Once & { Body: Static<typeof CreateBody> }>(
    '/v1/credentials',
    {
      schema: { body: CreateBody, headers: IdempotencyHeader },
      config: { role: 'operate' },
    },
    async (request, reply) => {
      const { namespace = 'default', application, name, brand } = request.body;
      const { cidrs = [], referers = [] } = request.body;
      requireNamespace(request, namespace);
      const asked = {
        namespace,
        application,
        ...(name !== undefined && { name }),
        ...(brand !== undefined && { brand }),
        ...times(request.body),
        rules: { cidrs, referers },
        by: callerOf(request).name,
      };
      const made = await onceRequests.run(request, (once) => keys.createOnce(asked, once));
      if (!made.ok) throw new Problem(made.code, made.message);
      const { credential, revision } = made;
      if ('replayed' in made) {
        return { ...viewOf(credential), revision, key: null, replayed: true };
      }
      const { id } = credential;
      request.log.info({ credential: id, application, namespace }, 'a key was made');
      return reply
        .code(201)
        .header('location', `/v1/credentials/${id}`)
        .header('cache-control', 'no-store')
        .send({ ...viewOf(credential), revision, key: made.key.reveal() });
    },
  );
}

function revokeRoute(server: FastifyInstance, keys: Keys, usage: UsageService): void {
  server.post<{ Params: Static<typeof IdParams> }>(
    '/v1/credentials/:id/revoke',
    { schema: { params: IdParams }, config: { role: 'operate' } },
    async (request) => {
      const { id } = await credentialOf(keys, request.params.id, callerOf(request));
      const outcome = await keys.revoke(id, callerOf(request).name);
      if (!outcome.ok) throw new Problem(outcome.code, outcome.message);
      const { changed, revision, value } = outcome;
      if (changed) request.log.info({ credential: value.id }, 'a key was revoked');
      const [shown] = await viewsOf([value], usage);
      return { ...shown, revision, changed };
    },
  );
}

function readRoutes(server: FastifyInstance, keys: Keys, usage: UsageService): void {
  server.get<{ Querystring: Static<typeof ListQuery> }>(
    '/v1/credentials',
    { schema: { querystring: ListQuery }, config: { role: 'view' } },
    async (request) => {
      const { after, limit: asked, ...filter } = request.query;
      const limit = Math.min(LIST_MAX, Number(asked ?? 100));
      if (filter.namespace !== undefined) requireNamespace(request, filter.namespace);
      const { namespaces } = callerOf(request);
      const found = await keys.list({ ...filter, namespaces, afterId: Number(after ?? 0), limit });
      const last = found.length === limit ? found.at(-1) : undefined;
      const items = await viewsOf(found, usage);
      return { items, next: last === undefined ? null : String(last.id) };
    },
  );

  server.get<{ Params: Static<typeof IdParams> }>(
    '/v1/credentials/:id',
    { schema: { params: IdParams }, config: { role: 'view' } },
    async (request) => {
      const found = await credentialOf(keys, request.params.id, callerOf(request));
      return (await viewsOf([found], usage))[0];
    },
  );
}

/** A credential by id; one of a foreign namespace is answered as if it were not there. */
export async function credentialOf(
  keys: Keys,
  id: string,
  caller: Caller,
): Promise<StoredCredential> {
  const credential = await keys.credential(Number(id));
  if (credential !== undefined && mayUse(caller, credential.namespace)) return credential;
  throw new Problem('not_found', `no credential has id ${id}`);
}

function times(body: Static<typeof CreateBody>): { notBeforeMs?: number; notAfterMs?: number } {
  const { notBefore, notAfter } = body;
  return {
    ...(notBefore !== undefined && { notBeforeMs: Date.parse(notBefore) }),
    ...(notAfter !== undefined && { notAfterMs: Date.parse(notAfter) }),
  };
}

async function viewsOf(credentials: readonly StoredCredential[], usage: UsageService) {
  const used = await usage.lastUsed(credentials.map(({ id }) => id));
  return credentials.map((credential) => viewOf(credential, used.get(credential.id)));
}

/** What everyone may see of a credential. */
export function viewOf(credential: StoredCredential, usedMs?: number): CredentialView {
  const { id, namespace, application, name, state, origin } = credential;
  return {
    id,
    namespace,
    application,
    name,
    prefix: credential.displayPrefix,
    state,
    origin,
    notBefore: iso(credential.notBeforeMs),
    notAfter: iso(credential.notAfterMs),
    cidrs: credential.rules.cidrs,
    referers: credential.rules.referers,
    createdAt: iso(credential.createdAtMs),
    revokedAt: iso(credential.revokedAtMs),
    lastUsedAt: iso(usedMs ?? null),
  };
}
