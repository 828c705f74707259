/**
 * Quotas of a subscription over the admin API: what is left of each, and more of one.
 */
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Quotas } from '../../service/quotas.ts';
import { callerOf, requireNamespace } from '../auth.ts';
import type { OnceRequests } from '../once.ts';
import { Problem } from '../problem.ts';
import { IdempotencyHeader, LABEL, type Once } from './forms.ts';

const Params = Type.Object({ namespace: LABEL, name: LABEL });
const Change = Type.Union([
  Type.Object(
    { limit: LABEL, add: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) },
    { additionalProperties: false },
  ),
  Type.Object({ limit: LABEL, reset: Type.Literal(true) }, { additionalProperties: false }),
]);

/** Adds `GET` and `POST /v1/subscriptions/:namespace/:name/quota`. */
export function quotaRoutes(
  server: FastifyInstance,
  quotas: Quotas,
  onceRequests: OnceRequests,
): void {
  const url = '/v1/subscriptions/:namespace/:name/quota';
  server.get<{ Params: Static<typeof Params> }>(
    url,
    { schema: { params: Params }, config: { role: 'view' } },
    async (request) => {
      requireNamespace(request, request.params.namespace);
      const found = await quotas.list(request.params);
      if ('ok' in found) throw new Problem(found.code, found.message);
      return { items: found };
    },
  );
  server.post<Once & { Params: Static<typeof Params>; Body: Static<typeof Change> }>(
    url,
    {
      schema: { params: Params, body: Change, headers: IdempotencyHeader },
      config: { role: 'operate' },
    },
    async (request) => {
      requireNamespace(request, request.params.namespace);
      const { limit } = request.body;
      const add = 'add' in request.body ? request.body.add : undefined;
      const by = callerOf(request);
      const outcome = await onceRequests.run(request, (once) =>
        quotas.change(request.params, { limit, add, by, once }),
      );
      if ('ok' in outcome) throw new Problem(outcome.code, outcome.message);
      return outcome;
    },
  );
}
