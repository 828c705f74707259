/**
 * Who may call: compares what a caller presents with the one secret of a port in constant time.
 * Every refusal is the same answer, so that it tells a caller nothing. It must never log a header.
 */
import { timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { digestOf } from '../credential/key.ts';
import { Problem } from './problem.ts';

/** A hook that lets through only `authorization: Bearer <secret>` with a secret of this SHA-256. */
export function requireBearer(digest: Uint8Array) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const [, presented = ''] = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    // Comparing digests makes the time independent of the secret's length as well.
    if (timingSafeEqual(digestOf(presented), digest)) return;
    reply.header('www-authenticate', 'Bearer realm="sidegate"');
    throw new Problem('unauthorized', 'this needs authorization: Bearer and the right secret');
  };
}
