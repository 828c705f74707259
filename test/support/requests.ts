/**
 * Requests to a proxy under test over kept-alive connections, one at a time or as a bounded load.
 * It must never retry: a request that fails is what a test wants to see.
 */
import http from 'node:http';
import https from 'node:https';

/** One request; everything but the path has a default. */
export interface RequestOptions {
  port: number;
  path?: string;
  method?: string;
  headers?: http.OutgoingHttpHeaders;
  agent?: http.Agent;
  timeoutMs?: number;
  /** Speaks TLS, and shows this certificate; that of the server is not looked at. */
  tls?: { readonly cert?: string; readonly key?: string };
}

/** What came back. `status` 0 means that no answer came: refused, reset or too late. */
export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

const TIMEOUT_MS = 10_000;

/** `pass`, or the code of the problem that was answered. */
export function codeOf({ status, body }: Answer): string {
  return status === 200 ? 'pass' : (/"code":"(\w+)"/.exec(body)?.[1] ?? `${status} ${body}`);
}

/** Sends one request to 127.0.0.1 and waits for the whole answer. Never throws. */
export function send(options: RequestOptions): Promise<Answer> {
  const { port, path = '/', method = 'GET', headers = {}, agent, timeoutMs, tls } = options;
  return new Promise((resolve) => {
    const failed = () => resolve({ status: 0, headers: {}, body: '' });
    const asked = { host: '127.0.0.1', port, path, method, headers, agent };
    const request =
      tls === undefined
        ? http.request(asked)
        : https.request({ ...asked, ...tls, rejectUnauthorized: false });
    request.setTimeout(timeoutMs ?? TIMEOUT_MS, () => request.destroy());
    request.on('error', failed);
    request.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('error', failed);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    });
    request.end();
  });
}

/**
 * A load: so many connections, each sending the next request when it has the answer to the last.
 */
export interface LoadOptions {
  connections: number;
  /** The next request; asked anew each time, so that a port may change under the load. */
  next: () => RequestOptions;
  /** Requests per second over all connections; without it as fast as answers come. */
  perSecond?: number;
  /** Told of each answer, with the time it took in milliseconds. */
  onAnswer?: (answer: Answer, tookMs: number) => void;
}

/** A load that runs until it is stopped, counting answers by status. */
export class Load implements AsyncDisposable {
  /** How many answers of each status there were; 0 stands for no answer. */
  readonly statuses = new Map<number, number>();
  private readonly options: LoadOptions;
  private readonly agent: http.Agent;
  private readonly workers: Promise<void>[];
  private running = true;

  constructor(options: LoadOptions) {
    this.options = options;
    this.agent = new http.Agent({ keepAlive: true, maxSockets: options.connections });
    this.workers = Array.from({ length: options.connections }, () => this.work());
  }

  /** Answers so far, over all statuses. */
  get total(): number {
    return [...this.statuses.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Answers so far with this status. */
  count(status: number): number {
    return this.statuses.get(status) ?? 0;
  }

  /** Sends no more, and waits for the answers that are still out. */
  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.workers);
    this.agent.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private async work(): Promise<void> {
    const { connections, perSecond } = this.options;
    const gapMs = perSecond === undefined ? 0 : (1000 * connections) / perSecond;
    // Connections start spread over one gap, so that the load is even from the first second.
    let due = performance.now() + Math.random() * gapMs;
    while (this.running) {
      const early = due - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      const started = performance.now();
      const answer = await send({ ...this.options.next(), agent: this.agent });
      this.statuses.set(answer.status, this.count(answer.status) + 1);
      this.options.onAnswer?.(answer, performance.now() - started);
      // A connection that has fallen behind does not make up for it with a burst.
      due = Math.max(due + gapMs, performance.now());
      // A refused connection answers within microseconds; without a pause it would eat a core.
      if (answer.status === 0) due = Math.max(due, performance.now() + 20);
    }
  }
}
