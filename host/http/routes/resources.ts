/**
 * Declared resources over the admin API: batches with their diff, single ones with ETag and
 * If-Match, export, and the states of subscriptions.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { type LabelRule, readSelector, SELECTOR_CHARS_MAX } from '../../resources/labels.ts';
import type { CanonicalResource } from '../../resources/load.ts';
import { KINDS, type Kind } from '../../resources/schema/schema.ts';
import { wholeResource } from '../../resources/yaml.ts';
import { Batch } from '../../service/batch.ts';
import type { ChangeOptions, ChangeOutcome, Resources } from '../../service/catalogue.ts';
import { effectiveOf } from '../../service/effective.ts';
import { etagOf } from '../../service/etag.ts';
import type { Store } from '../../store/store.ts';
import type { AdminServices } from '../admin-port.ts';
import { callerOf, requireNamespace } from '../auth.ts';
import { sendWith, takeLargeBodies } from '../large-bodies.ts';
import { Problem } from '../problem.ts';
import { LABEL, LIMIT } from './forms.ts';

/** Longest body of a batch. */
export const BATCH_BYTES_MAX = 64 * 1024 * 1024;

/** Longest body of one resource. */
export const RESOURCE_BYTES_MAX = 4 * 1024 * 1024;

/** Most resources of one page of a list. */
export const RESOURCES_LISTED_MAX = 500;

const KIND = Type.Unsafe<string>({ type: 'string', enum: KINDS.map((kind) => kind.toLowerCase()) });
/** A resource as a file has it; what is wrong with it is said as for a file. */
const Whole = Type.Object({}, { additionalProperties: true });
const KindParams = Type.Object({ kind: KIND });
const NameParams = Type.Object({ kind: KIND, namespace: LABEL, name: LABEL });
const ProductParams = Type.Object({ namespace: LABEL, name: LABEL });
const StateParams = Type.Object({
  namespace: LABEL,
  name: LABEL,
  verb: Type.Unsafe<Verb>({ type: 'string', enum: ['approve', 'reject', 'suspend', 'resume'] }),
});

const ListQuery = Type.Object(
  {
    namespace: Type.Optional(LABEL),
    search: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    labelSelector: Type.Optional(Type.String({ minLength: 1, maxLength: SELECTOR_CHARS_MAX })),
    after: Type.Optional(Type.String({ minLength: 3, maxLength: 130 })),
    limit: Type.Optional(LIMIT),
  },
  { additionalProperties: false },
);

const ExportQuery = Type.Object(
  { namespace: Type.Optional(LABEL), kind: Type.Optional(KIND) },
  { additionalProperties: false },
);

type Verb = 'approve' | 'reject' | 'suspend' | 'resume';

const STATES: Record<Verb, string> = {
  approve: 'active',
  reject: 'rejected',
  suspend: 'suspended',
  resume: 'active',
};

/** Adds the routes of resources. */
export function resourceRoutes(server: FastifyInstance, services: AdminServices): void {
  const { catalogue, store } = services;
  batchRoutes(server, catalogue);
  readRoutes(server, catalogue);
  changeRoutes(server, catalogue);
  effectiveRoute(server, store);
}

function effectiveRoute(server: FastifyInstance, store: Store): void {
  server.get<{ Params: Static<typeof ProductParams> }>(
    '/v1/products/:namespace/:name/effective',
    { schema: { params: ProductParams }, config: { role: 'view' } },
    async (request) => {
      const { namespace, name } = request.params;
      requireNamespace(request, namespace);
      const found = await effectiveOf(store, namespace, name);
      if (found !== undefined) return found;
      throw new Problem('not_found', `no product "${name}" in namespace "${namespace}"`);
    },
  );
}

/** Bodies of batches are read where sets are, not here: the calls of proxies would wait. */
function batchRoutes(server: FastifyInstance, catalogue: Resources): void {
  server.register(async (batches) => {
    takeLargeBodies(batches);
    for (const url of ['/v1/apply', '/v1/diff'] as const) {
      const compares = url === '/v1/diff';
      batches.post<{ Body: readonly Uint8Array[] | undefined }>(
        url,
        {
          schema: { body: Batch },
          validatorCompiler: () => () => true,
          config: { role: compares ? 'view' : 'operate' },
          bodyLimit: BATCH_BYTES_MAX,
        },
        async (request, reply) => {
          const body = request.body ?? [];
          const options = { ...optionsOf(request, 'apply'), dryRun: compares, compares };
          return sendChange(reply, await catalogue.applyBatch(body, options));
        },
      );
    }
  });
}

function readRoutes(server: FastifyInstance, catalogue: Resources): void {
  server.get<{ Querystring: Static<typeof ExportQuery> }>(
    '/v1/export',
    { schema: { querystring: ExportQuery }, config: { role: 'view' } },
    async (request, reply) => {
      const { namespace, kind } = request.query;
      const chosen = { namespace, kind: kind === undefined ? undefined : kindOf(kind) };
      const text = await catalogue.export(callerOf(request), chosen);
      return reply.type('application/yaml').send(Buffer.from(text.buffer));
    },
  );

  server.get<{ Params: Static<typeof KindParams>; Querystring: Static<typeof ListQuery> }>(
    '/v1/resources/:kind',
    { schema: { params: KindParams, querystring: ListQuery }, config: { role: 'view' } },
    async (request) => {
      const { namespace, search, labelSelector, after, limit: asked } = request.query;
      const limit = Math.min(RESOURCES_LISTED_MAX, Number(asked ?? 100));
      const [place = '', name = ''] = (after ?? '').split('/');
      const { items, next } = await catalogue.page(callerOf(request), {
        kind: kindOf(request.params.kind),
        limit,
        ...(search !== undefined && { search }),
        ...(labelSelector !== undefined && { labels: rulesOf(labelSelector) }),
        ...(namespace !== undefined && { namespaces: [namespace] }),
        ...(after !== undefined && { after: { namespace: place, name } }),
      });
      const last = next === undefined ? null : `${next.namespace}/${next.name}`;
      return { items: items.map(wholeResource), next: last };
    },
  );

  server.get<{ Params: Static<typeof NameParams> }>(
    '/v1/resources/:kind/:namespace/:name',
    { schema: { params: NameParams }, config: { role: 'view' } },
    async (request, reply) => {
      const { kind, namespace, name } = request.params;
      const found = await catalogue.find(callerOf(request), kindOf(kind), namespace, name);
      if (found === undefined) {
        throw new Problem('not_found', `no ${kind} "${name}" in namespace "${namespace}"`);
      }
      return reply.header('etag', etagOf(found.text)).send(wholeResource(found));
    },
  );
}

function changeRoutes(server: FastifyInstance, catalogue: Resources): void {
  server.put<{ Params: Static<typeof NameParams>; Body: Record<string, unknown> }>(
    '/v1/resources/:kind/:namespace/:name',
    {
      schema: { params: NameParams, body: Whole },
      config: { role: 'operate' },
      bodyLimit: RESOURCE_BYTES_MAX,
    },
    async (request, reply) => {
      const { namespace, name } = request.params;
      const kind = kindOf(request.params.kind);
      const { metadata, kind: told = kind } = request.body as Partial<Record<string, never>>;
      const { name: called = name, namespace: place = namespace } = metadata ?? ({} as Named);
      if (told !== kind || called !== name || place !== namespace) {
        throw new Problem('bad_request', 'the body names another resource than the path');
      }
      const whole = { ...request.body, kind, metadata: { ...(metadata ?? {}), name, namespace } };
      const bytes = Buffer.from(JSON.stringify(whole, null, 2));
      const change = {
        ...{ files: [{ name: 'body', bytes }], remove: [], prune: false, namespaces: [] },
      };
      return sendChange(
        reply,
        await changeOne(catalogue, request, { kind, namespace, name }, change),
      );
    },
  );

  server.delete<{ Params: Static<typeof NameParams> }>(
    '/v1/resources/:kind/:namespace/:name',
    { schema: { params: NameParams }, config: { role: 'operate' } },
    async (request, reply) => {
      const named = { ...request.params, kind: kindOf(request.params.kind) };
      const change = { files: [], remove: [named], prune: false, namespaces: [] };
      return sendChange(reply, await changeOne(catalogue, request, named, change));
    },
  );

  server.post<{ Params: Static<typeof StateParams> }>(
    '/v1/subscriptions/:namespace/:name/:verb',
    { schema: { params: StateParams }, config: { role: 'operate' } },
    async (request, reply) => {
      const { namespace, name, verb } = request.params;
      requireNamespace(request, namespace);
      const options = optionsOf(request, `subscription ${verb}`);
      const wanted = { namespace, name, state: STATES[verb] };
      return sendChange(reply, await catalogue.setSubscription(wanted, options));
    },
  );
}

interface Named {
  readonly name?: string;
  readonly namespace?: string;
}

type Named3 = Pick<CanonicalResource, 'kind' | 'namespace' | 'name'>;

/** Changes one resource if it is as `If-Match` or `If-None-Match: *` say. */
function changeOne(
  catalogue: Resources,
  request: FastifyRequest,
  named: Named3,
  change: Parameters<Resources['changeOne']>[2],
): Promise<ChangeOutcome> {
  requireNamespace(request, named.namespace);
  const meant = {
    match: request.headers['if-match'],
    absent: request.headers['if-none-match'] === '*',
  };
  const cause = change.remove.length > 0 ? 'delete' : 'put';
  return catalogue.changeOne(named, meant, change, { by: callerOf(request), cause });
}

/** Who asks and, in `If-Match`, at which revision. */
export function optionsOf(request: FastifyRequest, cause: string): ChangeOptions {
  const match = request.headers['if-match'];
  const revision = /^"?(\d{1,15})"?$/.exec(match ?? '')?.[1];
  if (match !== undefined && revision === undefined) {
    throw new Problem(
      'bad_request',
      'If-Match must hold the revision of the resources, such as "7"',
    );
  }
  return {
    ...{ by: callerOf(request), cause },
    ...(revision !== undefined && { ifRevision: Number(revision) }),
  };
}

/** Answers a change; throws what was wrong with it. */
export function sendChange(reply: FastifyReply, outcome: ChangeOutcome): FastifyReply {
  if (!outcome.ok) throw new Problem(outcome.code, outcome.message, outcome.problems);
  const { revision, count, diff } = outcome;
  return sendWith(reply, { revision, changed: count > 0 }, 'diff', diff);
}

function rulesOf(selector: string): readonly LabelRule[] {
  const rules = readSelector(selector);
  if (typeof rules !== 'string') return rules;
  throw new Problem('bad_request', rules);
}

function kindOf(word: string): Kind {
  const kind = KINDS.find((each) => each.toLowerCase() === word);
  if (kind === undefined) throw new Problem('bad_request', `unknown kind ${word}`);
  return kind;
}
