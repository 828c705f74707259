/**
 * Every route of the admin port with the least role that may call it; undefined = open to whoever
 * can reach the port. A route that is added must be added here, on purpose.
 */
import type { Role } from '../../../host/store/access.ts';

/** One route. */
export interface RouteRole {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly role: Role | undefined;
}

/** All of them. */
export const ROUTES: readonly RouteRole[] = [
  { method: 'GET', url: '/healthz', role: undefined },
  { method: 'GET', url: '/readyz', role: undefined },
  { method: 'GET', url: '/metrics', role: 'view' },
  { method: 'GET', url: '/v1/status', role: 'view' },
  { method: 'GET', url: '/v1/limits/near', role: 'view' },
  { method: 'GET', url: '/v1/progress', role: 'view' },
  { method: 'GET', url: '/v1/proxies', role: 'view' },
  { method: 'GET', url: '/v1/usage', role: 'view' },
  { method: 'GET', url: '/v1/usage/records', role: 'view' },
  { method: 'GET', url: '/v1/openapi.json', role: 'view' },
  { method: 'GET', url: '/v1/credentials', role: 'view' },
  { method: 'POST', url: '/v1/credentials', role: 'operate' },
  { method: 'GET', url: '/v1/credentials/:id', role: 'view' },
  { method: 'POST', url: '/v1/credentials/:id/revoke', role: 'operate' },
  { method: 'POST', url: '/v1/credentials/:id/disable', role: 'operate' },
  { method: 'POST', url: '/v1/credentials/:id/enable', role: 'operate' },
  { method: 'POST', url: '/v1/credentials/:id/expire', role: 'operate' },
  { method: 'POST', url: '/v1/credentials/:id/rotate', role: 'operate' },
  { method: 'POST', url: '/v1/credentials/import', role: 'operate' },
  { method: 'GET', url: '/v1/tokens', role: 'admin' },
  { method: 'POST', url: '/v1/tokens', role: 'admin' },
  { method: 'POST', url: '/v1/tokens/:name/revoke', role: 'admin' },
  { method: 'POST', url: '/v1/apply', role: 'operate' },
  { method: 'POST', url: '/v1/diff', role: 'view' },
  { method: 'GET', url: '/v1/export', role: 'view' },
  { method: 'GET', url: '/v1/resources/:kind', role: 'view' },
  { method: 'GET', url: '/v1/resources/:kind/:namespace/:name', role: 'view' },
  { method: 'PUT', url: '/v1/resources/:kind/:namespace/:name', role: 'operate' },
  { method: 'DELETE', url: '/v1/resources/:kind/:namespace/:name', role: 'operate' },
  { method: 'POST', url: '/v1/subscriptions/:namespace/:name/:verb', role: 'operate' },
  { method: 'GET', url: '/v1/subscriptions/:namespace/:name/quota', role: 'view' },
  { method: 'POST', url: '/v1/subscriptions/:namespace/:name/quota', role: 'operate' },
  { method: 'GET', url: '/v1/products/:namespace/:name/effective', role: 'view' },
  { method: 'GET', url: '/v1/revisions', role: 'view' },
  { method: 'GET', url: '/v1/revisions/:revision', role: 'view' },
  { method: 'POST', url: '/v1/revisions/:revision/rollback', role: 'operate' },
  { method: 'GET', url: '/v1/audit', role: 'view' },
];
