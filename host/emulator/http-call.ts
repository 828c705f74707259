/**
 * Calls a guest makes through `proxy_http_call`, and the clusters they go to. A call is answered at
 * most once, by a test, by a handler or by its time-out, and never from within a call into the
 * guest; a call whose root is gone is never answered.
 */
import type { Timer, VirtualClock } from './clock.ts';
import { type HeaderList, HeaderMap } from './header-map.ts';
import { byteString } from './memory.ts';
import type { Pair } from './pairs.ts';
import type { Random } from './random.ts';

/** What a server answers to a call. */
export interface CallAnswer {
  status: number;
  headers?: HeaderList;
  body?: Uint8Array | string;
  /** How long the answer takes on the virtual clock, in milliseconds. */
  afterMs?: number;
}

/** What becomes of a call that a handler takes: an answer or one of Envoy's own failures. */
export type CallResult = CallAnswer | 'refused' | 'reset' | 'lost';

/** Serves calls; a promise is answered when it settles (rejected: as refused). */
export type CallHandler = (call: HttpCall) => CallResult | Promise<CallResult>;

/**
 * How a cluster behaves. `manual`: the test answers. `unknown`: result 2 at once. `no_endpoint`:
 * result 10 at once. `refused`: a 503 follows.
 */
export type ClusterBehaviour = 'manual' | 'unknown' | 'no_endpoint' | 'refused' | CallHandler;

/** The clusters of a proxy by name; any other is unknown. May be changed at any time. */
export class Clusters {
  readonly #byName = new Map<string, ClusterBehaviour>();

  constructor(clusters: Readonly<Record<string, ClusterBehaviour>> = {}) {
    for (const [name, behaviour] of Object.entries(clusters)) this.set(name, behaviour);
  }

  /** Sets how calls to a cluster go from now on; calls under way are not touched. */
  set(name: string, behaviour: ClusterBehaviour): void {
    this.#byName.set(name, behaviour);
  }

  /** How a cluster behaves now. */
  get(name: string): ClusterBehaviour {
    return this.#byName.get(name) ?? 'unknown';
  }
}

/** The response of a call while its callback runs. */
export interface CallResponse {
  headers: HeaderMap;
  body: Uint8Array;
}

const CONNECT_ERROR =
  'upstream connect error or disconnect/reset before headers. ' +
  'reset reason: remote connection failure';
const TIME_OUT = 'upstream request timeout';

/** Where a call is in its life. */
export type CallState = 'open' | 'answered' | 'cancelled';

/** The parts of a call as the guest gave them. */
export interface CallRequest {
  token: number;
  cluster: string;
  headers: readonly Pair[];
  body: Uint8Array;
  timeoutMs: number;
}

/** One call. */
export class HttpCall implements CallRequest {
  readonly token: number;
  readonly cluster: string;
  readonly headers: readonly Pair[];
  readonly body: Uint8Array;
  readonly timeoutMs: number;
  /** When the call was made, by the clock's `elapsedMs`. */
  readonly madeAtMs: number;
  state: CallState = 'open';
  readonly #clock: VirtualClock;
  readonly #deliver: (call: HttpCall, response: CallResponse | undefined) => void;
  #timeout: Timer | undefined;
  readonly #delayed = new Set<Timer>();

  constructor(
    request: CallRequest,
    clock: VirtualClock,
    deliver: (call: HttpCall, response: CallResponse | undefined) => void,
  ) {
    this.token = request.token;
    this.cluster = request.cluster;
    this.headers = request.headers;
    this.body = request.body;
    this.timeoutMs = request.timeoutMs;
    this.madeAtMs = clock.elapsedMs;
    this.#clock = clock;
    this.#deliver = deliver;
    if (this.timeoutMs > 0) {
      this.#timeout = clock.schedule(this.timeoutMs, () => this.timeOut());
    }
  }

  /** The first value of a header the guest sent, or undefined. */
  header(name: string): string | undefined {
    return this.headers.find(([other]) => other === name)?.[1];
  }

  /** The path called, with its query. */
  get path(): string {
    return this.header(':path') ?? '';
  }

  /** The method called. */
  get method(): string {
    return this.header(':method') ?? '';
  }

  /** Answers the call, now or after `answer.afterMs`; without effect if it is no longer open. */
  answer(answer: CallAnswer): void {
    const { status, headers = [], body = '' } = answer;
    const map = new HeaderMap('response', headers);
    map.add(':status', String(status));
    const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
    if (bytes.length > 0 && map.get('content-length') === undefined) {
      map.add('content-length', String(bytes.length));
    }
    this.#later(answer.afterMs ?? 0, { headers: map, body: bytes });
  }

  /** Ends the call as a refused connection does: 503 from Envoy itself. */
  refuse(afterMs = 0): void {
    this.#later(afterMs, local(503, CONNECT_ERROR));
  }

  /** Ends the call as its time-out does: 504 from Envoy itself. */
  timeOut(): void {
    this.#later(0, local(504, TIME_OUT));
  }

  /** Ends the call with no headers at all, as when its cluster is removed. */
  reset(afterMs = 0): void {
    this.#later(afterMs, undefined);
  }

  /** Takes what a handler gave; `lost` leaves the call to its time-out. */
  settle(result: CallResult): void {
    if (result === 'refused') this.refuse();
    else if (result === 'reset') this.reset();
    else if (result !== 'lost') this.answer(result);
  }

  /** Ends the call without an answer, as when its root context is deleted. */
  cancel(): void {
    this.#close('cancelled');
  }

  #later(afterMs: number, response: CallResponse | undefined): void {
    if (this.state !== 'open') return;
    if (afterMs <= 0) {
      this.#close('answered');
      this.#deliver(this, response);
      return;
    }
    this.#delayed.add(this.#clock.schedule(afterMs, () => this.#later(0, response)));
  }

  #close(state: CallState): void {
    if (this.state !== 'open') return;
    this.state = state;
    this.#clock.cancel(this.#timeout);
    for (const timer of this.#delayed) this.#clock.cancel(timer);
    this.#delayed.clear();
  }
}

function local(status: number, text: string): CallResponse {
  const headers = new HeaderMap('response', [
    [':status', String(status)],
    ['content-length', String(text.length)],
    ['content-type', 'text/plain'],
  ]);
  return { headers, body: Buffer.from(byteString(text), 'latin1') };
}

/**
 * Hands an open call to what its cluster's behaviour says shall serve it. Answers come from the
 * clock (`advance`, also by 0) or from a promise, never from within.
 */
export function serve(call: HttpCall, behaviour: ClusterBehaviour, clock: VirtualClock): void {
  if (behaviour === 'refused') clock.schedule(0, () => call.refuse());
  if (typeof behaviour !== 'function') return;
  clock.schedule(0, () => {
    if (call.state !== 'open') return;
    const result = behaviour(call);
    if (!(result instanceof Promise)) call.settle(result);
    else
      result.then(
        (settled) => call.settle(settled),
        () => call.refuse(),
      );
  });
}

/** A handler that passes calls on to `inner` and loses, delays or refuses some, by `random`. */
export function flaky(
  inner: CallHandler,
  random: Random,
  odds: { lost?: number; refused?: number; reset?: number; delayMs?: number },
): CallHandler {
  return async (call) => {
    const draw = random.next();
    const delayMs = random.next() * (odds.delayMs ?? 0);
    if (draw < (odds.refused ?? 0)) return 'refused';
    const result = await inner(call);
    if (draw < (odds.refused ?? 0) + (odds.lost ?? 0)) return 'lost';
    if (draw < (odds.refused ?? 0) + (odds.lost ?? 0) + (odds.reset ?? 0)) return 'reset';
    if (typeof result === 'string') return result;
    return { ...result, afterMs: (result.afterMs ?? 0) + delayMs };
  };
}
