/**
 * Who may call: the sync port knows one secret, compared in constant time; the admin port knows
 * access tokens with a role. Every refusal of a stranger is the same answer, so that it tells a
 * caller nothing. It must never log a header.
 */
import { timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { digestOf } from '../credential/key.ts';
import { type Access, type Caller, covers, mayUse } from '../service/access.ts';
import type { Role } from '../store/access.ts';
import { Failures } from './failures.ts';
import { Problem } from './problem.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The least role that may call the route; `admin` when none is named. */
    role?: Role;
  }
}

/** A hook that lets through only `authorization: Bearer <secret>` with a secret of this SHA-256. */
export function requireBearer(digest: Uint8Array) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    // Comparing digests makes the time independent of the secret's length as well.
    if (timingSafeEqual(digestOf(presentedBy(request)), digest)) return;
    throw stranger(reply);
  };
}

const CALLERS = new WeakMap<FastifyRequest, Caller>();

/** Who makes a request that {@link guard} let through. */
export function callerOf(request: FastifyRequest): Caller {
  const caller = CALLERS.get(request);
  if (caller === undefined) throw new Error('a route is not guarded');
  return caller;
}

/** Refuses a request that is about a namespace its caller has nothing to do with. */
export function requireNamespace(request: FastifyRequest, namespace: string): void {
  if (mayUse(callerOf(request), namespace)) return;
  throw new Problem('forbidden', `your token is not for namespace "${namespace}"`);
}

/** Lets only callers with a good token and role through to the routes added after it. */
export function guard(server: FastifyInstance, access: Access, nowMs: () => number): void {
  const failures = new Failures(nowMs);
  server.addHook('onRequest', async (request, reply) => {
    const { ip } = request;
    if (failures.isBarred(ip)) {
      throw new Problem('too_many_failures', 'too many wrong tokens came from your address');
    }
    const caller = await access.callerOf(presentedBy(request));
    if (caller === undefined) {
      failures.add(ip);
      request.log.warn({ ip }, 'a caller without a good token was refused');
      throw stranger(reply);
    }
    CALLERS.set(request, caller);
    const { role = 'admin' } = request.routeOptions.config;
    if (covers(caller.role, role)) return;
    throw new Problem('forbidden', `this needs the role ${role}; your token has ${caller.role}`);
  });
}

function presentedBy(request: FastifyRequest): string {
  return /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
}

function stranger(reply: FastifyReply): Problem {
  reply.header('www-authenticate', 'Bearer realm="sidegate"');
  return new Problem('unauthorized', 'this needs authorization: Bearer and the right secret');
}
