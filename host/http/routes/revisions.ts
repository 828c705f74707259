/**
 * What happened over the admin API: revisions of the resources with their diff and the way back,
 * and the audit trail.
 */
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { AuditEntry } from '../../store/audit.ts';
import type { AdminServices } from '../admin-port.ts';
import { callerOf } from '../auth.ts';
import { sendWith } from '../large-bodies.ts';
import { Problem } from '../problem.ts';
import { iso, LABEL, LIMIT } from './forms.ts';
import { optionsOf, sendChange } from './resources.ts';

const NUMBER = Type.String({ pattern: '^[0-9]{1,15}$' });
const RevisionParams = Type.Object({ revision: NUMBER });

const PageQuery = Type.Object(
  { before: Type.Optional(NUMBER), limit: Type.Optional(LIMIT) },
  { additionalProperties: false },
);

const AuditFilter = Type.Object(
  {
    kind: Type.Optional(Type.String({ maxLength: 32 })),
    namespace: Type.Optional(LABEL),
    name: Type.Optional(LABEL),
    actor: Type.Optional(LABEL),
    revision: Type.Optional(NUMBER),
    before: Type.Optional(NUMBER),
    limit: Type.Optional(LIMIT),
  },
  { additionalProperties: false },
);

const RollbackBody = Type.Object(
  { dryRun: Type.Optional(Type.Boolean()) },
  { additionalProperties: false },
);

/** Adds the routes under `/v1/revisions` and `/v1/audit`. */
export function revisionRoutes(server: FastifyInstance, services: AdminServices): void {
  listRoutes(server, services);

  server.get<{ Params: Static<typeof RevisionParams> }>(
    '/v1/revisions/:revision',
    { schema: { params: RevisionParams }, config: { role: 'view' } },
    async (request, reply) => {
      const revision = Number(request.params.revision);
      const diff = await services.catalogue.revisionDiff(revision, callerOf(request));
      if (diff !== undefined) return sendWith(reply, { revision }, 'diff', diff);
      throw new Problem('not_found', `revision ${revision} changed no resources or is forgotten`);
    },
  );

  server.post<{ Params: Static<typeof RevisionParams>; Body: Static<typeof RollbackBody> | null }>(
    '/v1/revisions/:revision/rollback',
    {
      schema: { params: RevisionParams, body: Type.Union([RollbackBody, Type.Null()]) },
      config: { role: 'operate' },
    },
    async (request, reply) => {
      const revision = Number(request.params.revision);
      const options = optionsOf(request, `rollback to ${revision}`);
      const dryRun = request.body?.dryRun === true;
      return sendChange(reply, await services.catalogue.rollback(revision, { ...options, dryRun }));
    },
  );
}

function listRoutes(server: FastifyInstance, { store }: AdminServices): void {
  server.get<{ Querystring: Static<typeof PageQuery> }>(
    '/v1/revisions',
    { schema: { querystring: PageQuery }, config: { role: 'view' } },
    async (request) => {
      const { before, limit = '100' } = request.query;
      const found = await store.resourceRevisions(
        Number(limit),
        before === undefined ? undefined : Number(before),
      );
      const items = found.map(({ atMs, ...rest }) => ({ ...rest, at: iso(atMs) }));
      const last = items.length === Number(limit) ? items.at(-1) : undefined;
      return { items, next: last === undefined ? null : String(last.revision) };
    },
  );

  server.get<{ Querystring: Static<typeof AuditFilter> }>(
    '/v1/audit',
    { schema: { querystring: AuditFilter }, config: { role: 'view' } },
    async (request) => {
      const { before, revision, namespace, limit = '100', ...rest } = request.query;
      const { namespaces } = callerOf(request);
      const mine = namespaces.length === 0 ? undefined : namespaces;
      const asked = namespace === undefined ? mine : (mine ?? [namespace]).filter(is(namespace));
      const entries = await store.audit({
        ...rest,
        ...(before !== undefined && { beforeSeq: Number(before) }),
        ...(revision !== undefined && { revision: Number(revision) }),
        ...(asked !== undefined && { namespaces: asked }),
        limit: Number(limit),
      });
      const last = entries.length === Number(limit) ? entries.at(-1) : undefined;
      return { items: entries.map(viewOf), next: last === undefined ? null : String(last.seq) };
    },
  );
}

function is(wanted: string): (each: string) => boolean {
  return (each) => each === wanted;
}

function viewOf({ atMs, before, after, ...rest }: AuditEntry) {
  const read = (text: string | null) => (text === null ? null : JSON.parse(text));
  return { ...rest, at: iso(atMs), before: read(before), after: read(after) };
}
