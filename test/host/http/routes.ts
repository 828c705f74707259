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
  { method: 'GET', url: '/v1/credentials', role: 'view' },
  { method: 'POST', url: '/v1/credentials', role: 'operate' },
  { method: 'GET', url: '/v1/credentials/:id', role: 'view' },
  { method: 'POST', url: '/v1/credentials/:id/revoke', role: 'operate' },
  { method: 'GET', url: '/v1/tokens', role: 'admin' },
  { method: 'POST', url: '/v1/tokens', role: 'admin' },
  { method: 'POST', url: '/v1/tokens/:name/revoke', role: 'admin' },
];
