/**
 * Requests that are done once by their Idempotency-Key, the same rule for every route that takes
 * one: the key is good for this request of this caller alone, and for one at a time. It must never
 * keep a key or a body.
 */
import type { FastifyRequest } from 'fastify';
import { onceOf } from '../service/idempotency.ts';
import type { Once } from '../store/access.ts';
import { callerOf } from './auth.ts';
import { Problem } from './problem.ts';

/** The requests with a key that are under way. */
export class OnceRequests {
  readonly #running = new Set<string>();

  /** Does the work of a request; refused while another one with its key is being worked on. */
  async run<T>(request: FastifyRequest, work: (once?: Once) => Promise<T>): Promise<T> {
    const key = request.headers['idempotency-key'];
    if (typeof key !== 'string') return work();
    const { method, routeOptions, params, body } = request;
    const once = onceOf(key, [method, routeOptions.url, params, body]);
    const running = `${callerOf(request).name} ${once.idempotencyKey}`;
    if (this.#running.has(running)) {
      const message = 'a request with this Idempotency-Key is still being worked on';
      throw new Problem('idempotency_key_in_use', message);
    }
    this.#running.add(running);
    // Not when the answer is sent: who hung up may ask again before the work is done.
    return work(once).finally(() => this.#running.delete(running));
  }
}
