/**
 * Knows the routes of a server as they were added, for whoever describes or checks them. It must
 * never add one.
 */
import type { FastifyInstance, RouteOptions } from 'fastify';

const ROUTES = new WeakMap<FastifyInstance, RouteOptions[]>();

/** Begins to remember the routes added to a server from now on. */
export function rememberRoutes(server: FastifyInstance): void {
  const routes: RouteOptions[] = [];
  ROUTES.set(server, routes);
  server.addHook('onRoute', (route) => {
    // Fastify adds HEAD beside every GET by itself.
    if (route.method !== 'HEAD') routes.push(route);
  });
}

/** The routes of a server that is ready, in the order they were added. */
export function routesOf(server: FastifyInstance): readonly RouteOptions[] {
  return ROUTES.get(server) ?? [];
}
