/**
 * The service behind a proxy under test: answers everything and remembers what reached it. It is
 * the witness of the quota tests, so it must never count anything but requests that arrived.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as it arrived; header names and values in the order they came, names and all. */
export interface Arrival {
  method: string;
  path: string;
  headers: string[];
}

/** Most arrivals kept for inspection; counting goes on beyond. */
const ARRIVALS_MAX = 10_000;

/** A counting service on 127.0.0.1. Disposing of it closes it and its connections. */
export class Origin implements AsyncDisposable {
  /** Requests that arrived. */
  count = 0;
  /** The first of them, up to a bound. */
  arrivals: Arrival[] = [];
  private headers: readonly [string, string | string[]][] = [];
  private readonly server: http.Server;

  private constructor() {
    // Envoy keeps idle connections for longer than a server's default, and would meet a closed one.
    this.server = http.createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
      this.count++;
      if (this.arrivals.length < ARRIVALS_MAX) {
        const { method = '', url = '', rawHeaders } = request;
        this.arrivals.push({ method, path: url, headers: rawHeaders });
      }
      request.resume();
      for (const [name, value] of this.headers) response.setHeader(name, value);
      response.end('ok');
    });
  }

  static async start(): Promise<Origin> {
    const origin = new Origin();
    await new Promise<void>((resolve) => origin.server.listen(0, '127.0.0.1', resolve));
    return origin;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** From now on answers carry these headers. */
  answerWith(headers: readonly [string, string | string[]][]): void {
    this.headers = headers;
  }

  /** Forgets what arrived so far. */
  reset(): void {
    this.count = 0;
    this.arrivals = [];
  }

  /** Takes no request any more; the port stays closed. */
  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** The values of a header of an arrival, by its name in lower case, in the order they came. */
export function valuesOf({ headers }: Arrival, name: string): string[] {
  return headers.filter(
    (_, index) => index % 2 === 1 && headers[index - 1]?.toLowerCase() === name,
  );
}
