/**
 * Usage over the admin API: sums by whatever is asked for, and records for bills, as JSON or CSV.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import type { UsageFilter } from '../../store/usage.ts';
import { csvOf } from '../../usage/csv.ts';
import { USAGE_DIMENSIONS, type UsageDimension } from '../../usage/group.ts';
import { HOUR_MS, type UsageGap } from '../../usage/report.ts';
import type { AdminServices } from '../admin-port.ts';
import { callerOf, requireNamespace } from '../auth.ts';
import { Problem } from '../problem.ts';

/** Most records of one page. */
export const USAGE_RECORDS_MAX = 1_000;

const DAY_HOURS = 24;
const NAME = Type.String({ minLength: 1, maxLength: 253 });
const TIME = Type.String({ format: 'date-time' });
const FORMAT = Type.Union([Type.Literal('json'), Type.Literal('csv')]);

const FILTER = {
  since: Type.Optional(TIME),
  until: Type.Optional(TIME),
  group: Type.Optional(NAME),
  namespace: Type.Optional(NAME),
  consumer: Type.Optional(NAME),
  application: Type.Optional(NAME),
  plan: Type.Optional(NAME),
  product: Type.Optional(NAME),
  operation: Type.Optional(NAME),
  subscription: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,15}$' })),
  reason: Type.Optional(NAME),
  mode: Type.Optional(NAME),
  format: Type.Optional(FORMAT),
};

const SumQuery = Type.Object(
  { ...FILTER, by: Type.Optional(Type.String({ maxLength: 200 })) },
  { additionalProperties: false },
);
const RecordsQuery = Type.Object(
  { ...FILTER, after: Type.Optional(Type.String({ pattern: '^[0-9]{1,15}$' })) },
  { additionalProperties: false },
);

/** Adds `GET /v1/usage` and `GET /v1/usage/records`. */
export function usageRoutes(server: FastifyInstance, { usage, nowMs }: AdminServices): void {
  server.get<{ Querystring: Static<typeof SumQuery> }>(
    '/v1/usage',
    { schema: { querystring: SumQuery }, config: { role: 'view' } },
    async (request, reply) => {
      const range = rangeOf(request, nowMs());
      const by = dimensionsOf(request.query.by ?? 'consumer,application,product,reason');
      const { items, requests, gaps } = await usage.sum({ ...range, by });
      if (request.query.format === 'csv') {
        return reply.type('text/csv').send(csvOf([...by, 'requests'], items));
      }
      return {
        ...shown(range),
        requests,
        complete: gaps.length === 0,
        gaps: gaps.map(gapView),
        items,
      };
    },
  );

  server.get<{ Querystring: Static<typeof RecordsQuery> }>(
    '/v1/usage/records',
    { schema: { querystring: RecordsQuery }, config: { role: 'view' } },
    async (request, reply) => {
      const range = rangeOf(request, nowMs());
      const after = Number(request.query.after ?? 0);
      const items = await usage.records(range, after, USAGE_RECORDS_MAX);
      const next = items.length === USAGE_RECORDS_MAX ? String(after + items.length) : null;
      if (request.query.format === 'csv') {
        if (next !== null) reply.header('x-next', next);
        return reply.type('text/csv').send(csvOf(RECORD_COLUMNS, items));
      }
      return { ...shown(range), items, next };
    },
  );
}

const RECORD_COLUMNS = [
  ...['id', 'hour', 'group', 'namespace', 'consumer', 'application', 'plan', 'product'],
  ...['operation', 'subscription', 'reason', 'mode', 'requests', 'complete', 'gapMs', 'final'],
];

interface Range {
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly filter: UsageFilter;
}

type Query = Static<typeof RecordsQuery> | Static<typeof SumQuery>;

/**
 * The last day unless told otherwise; whole hours, because usage is kept by hours. Of namespaces
 * those that the caller may see.
 */
function rangeOf(request: FastifyRequest<{ Querystring: Query }>, nowMs: number): Range {
  const { query } = request;
  const untilMs = query.until === undefined ? nowMs : Date.parse(query.until);
  const day = DAY_HOURS * HOUR_MS;
  const sinceMs = query.since === undefined ? untilMs - day : Date.parse(query.since);
  if (!(sinceMs < untilMs)) throw new Problem('bad_request', 'since is not before until');
  const { group, consumer, application, plan, product, operation, reason, mode } = query;
  const { namespace, subscription } = query;
  if (namespace !== undefined) requireNamespace(request, namespace);
  const { namespaces } = callerOf(request);
  const given = { group, consumer, application, plan, product, operation, reason, mode };
  const named = Object.entries({ ...given, namespace }).filter(([, value]) => value !== undefined);
  return {
    sinceMs: Math.floor(sinceMs / HOUR_MS) * HOUR_MS,
    untilMs: Math.ceil(untilMs / HOUR_MS) * HOUR_MS,
    filter: {
      ...Object.fromEntries(named),
      ...(namespaces.length > 0 && { namespaces }),
      ...(subscription !== undefined && { subscriptionId: Number(subscription) }),
    },
  };
}

function dimensionsOf(text: string): readonly UsageDimension[] {
  const names = text.split(',').filter((name) => name !== '');
  const unknown = names.filter((name) => !USAGE_DIMENSIONS.includes(name as UsageDimension));
  if (names.length > 0 && unknown.length === 0) return names as UsageDimension[];
  const message = `by is a list of ${USAGE_DIMENSIONS.join(', ')}`;
  throw new Problem('bad_request', message);
}

function shown({ sinceMs, untilMs }: Range) {
  return { since: new Date(sinceMs).toISOString(), until: new Date(untilMs).toISOString() };
}

function gapView({ group, holder, fromMs, toMs, lostMs }: UsageGap) {
  const [from, to] = [new Date(fromMs).toISOString(), new Date(toMs).toISOString()];
  return { group, holder, from, to, lostMs };
}
