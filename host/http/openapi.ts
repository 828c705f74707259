/**
 * Describes the admin API as OpenAPI 3.1, from the routes as they are: what they take is what
 * their schemas check. It must never describe a route that is not there.
 */
import type { FastifyInstance, RouteOptions } from 'fastify';
import { PROBLEM_TYPE, PROBLEMS } from './problem.ts';
import { routesOf } from './route-list.ts';

/** What each route is for. A route without a line here is described by its path alone. */
const SUMMARIES: Readonly<Record<string, string>> = {
  'GET /healthz': 'Whether the process answers',
  'GET /readyz': 'Whether the host can decide what filters ask',
  'GET /metrics': 'Metrics in the text format of Prometheus',
  'GET /v1/status': 'What the host has in force',
  'GET /v1/progress': 'How far a large change of resources has come',
  'GET /v1/limits/near': 'Accounts that have used 80 % of a quota',
  'GET /v1/proxies': 'Engines of filters, and which revision each is at',
  'GET /v1/usage': 'Usage by application, product and more, as JSON or CSV',
  'GET /v1/usage/records': 'Usage records for billing, each once',
  'GET /v1/openapi.json': 'This description',
  'POST /v1/apply': 'Bring resource files into force, all of them or nothing',
  'POST /v1/diff': 'Show what apply would change',
  'GET /v1/export': 'The declared resources as files have them',
  'GET /v1/resources/:kind': 'Resources of one kind, page by page',
  'GET /v1/resources/:kind/:namespace/:name': 'One resource, with its ETag',
  'PUT /v1/resources/:kind/:namespace/:name': 'Make or replace one resource',
  'DELETE /v1/resources/:kind/:namespace/:name': 'Remove one resource',
  'GET /v1/products/:namespace/:name/effective': 'What proxies do for a product now',
  'POST /v1/subscriptions/:namespace/:name/:verb': 'Decide on a subscription',
  'GET /v1/subscriptions/:namespace/:name/quota': 'What is left of the quotas of a subscription',
  'POST /v1/subscriptions/:namespace/:name/quota': 'Add to a quota in its window now, or reset it',
  'GET /v1/revisions': 'Revisions that changed resources, newest first',
  'GET /v1/revisions/:revision': 'What a revision changed',
  'POST /v1/revisions/:revision/rollback': 'Bring the resources of a revision back',
  'GET /v1/audit': 'The audit trail, newest first',
  'GET /v1/credentials': 'Credentials without their keys, page by page',
  'POST /v1/credentials': 'Make a key; the answer shows it, this once',
  'POST /v1/credentials/import': 'Take over a key that was made elsewhere',
  'GET /v1/credentials/:id': 'One credential without its key',
  'POST /v1/credentials/:id/disable': 'Take a key out of use',
  'POST /v1/credentials/:id/enable': 'Take a disabled key into use again',
  'POST /v1/credentials/:id/expire': 'End a key now or at a time',
  'POST /v1/credentials/:id/rotate': 'Make a key in the place of another',
  'POST /v1/credentials/:id/revoke': 'End a key for good',
  'GET /v1/tokens': 'Access tokens without the tokens',
  'POST /v1/tokens': 'Make an access token; the answer shows it, this once',
  'POST /v1/tokens/:name/revoke': 'End an access token for good',
};

interface Schemas {
  readonly body?: object;
  readonly params?: ObjectSchema;
  readonly querystring?: ObjectSchema;
  readonly headers?: ObjectSchema;
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, object>>;
  readonly required?: readonly string[];
}

/** The description of a server that is ready. */
export function openApi(server: FastifyInstance, version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routesOf(server)) {
    const path = route.url.replace(/:(\w+)/g, '{$1}');
    const operations = paths[path] ?? {};
    paths[path] = operations;
    operations[String(route.method).toLowerCase()] = operation(route);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Sidegate admin API', version },
    security: [{ accessToken: [] }],
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: {
      securitySchemes: { accessToken: { type: 'http', scheme: 'bearer' } },
      schemas: { Problem: PROBLEM },
      responses: {
        Problem: {
          description: 'What was wrong',
          content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    },
  };
}

const PROBLEM = {
  type: 'object',
  required: ['type', 'title', 'status', 'code', 'detail', 'errors', 'requestId'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(PROBLEMS) },
    detail: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['code', 'message'],
        properties: { code: { type: 'string' }, message: { type: 'string' } },
      },
    },
    requestId: { type: 'string' },
  },
};

function operation(route: RouteOptions): object {
  const { body, params, querystring, headers } = (route.schema ?? {}) as Schemas;
  const { role = 'admin' } = route.config ?? {};
  const open = route.url === '/healthz' || route.url === '/readyz';
  return {
    summary: SUMMARIES[`${route.method} ${route.url}`] ?? route.url,
    ...(open ? { security: [] } : { 'x-sidegate-role': role }),
    parameters: [
      ...parameters('path', params),
      ...parameters('query', querystring),
      ...parameters('header', headers),
    ],
    ...(body !== undefined && {
      requestBody: { content: { 'application/json': { schema: body } } },
    }),
    responses: {
      '2XX': { description: 'Done' },
      default: { $ref: '#/components/responses/Problem' },
    },
  };
}

function parameters(
  place: 'path' | 'query' | 'header',
  schema: ObjectSchema | undefined,
): object[] {
  const { properties = {}, required = [] } = schema ?? {};
  return Object.entries(properties).map(([name, each]) => ({
    ...{ name, in: place, required: place === 'path' || required.includes(name) },
    schema: each,
  }));
}
