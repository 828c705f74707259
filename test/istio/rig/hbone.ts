/**
 * A tunnel as ztunnel opens it to a waypoint: HTTP/2 CONNECT over mTLS with the certificate of a
 * workload, in it a plain HTTP/1.1 request.
 */
import http from 'node:http';
import http2 from 'node:http2';
import type { Answer } from './traffic.ts';

/** What a workload shows of itself, and whom it believes; PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

/** Sends one request through a tunnel of its own; status 0 when there is no answer. */
export function getThroughTunnel(
  at: { readonly address: string; readonly port: number },
  certificate: Certificate,
  authority: string,
  { path, headers }: { readonly path: string; readonly headers: Record<string, string> },
): Promise<Answer> {
  return new Promise((resolve) => {
    // The peer is named by the URI of its certificate, which Node does not compare.
    const options = { ...certificate, checkServerIdentity: () => undefined };
    const session = http2.connect(`https://${at.address}:${at.port}`, options);
    const end = (answer: Answer) => {
      session.destroy();
      resolve(answer);
    };
    const none = (error: Error) => end({ status: 0, body: error.message });
    session.on('error', none);
    session.setTimeout(TIMEOUT_MS, () => none(new Error('no answer')));
    const tunnel = session.request({ ':method': 'CONNECT', ':authority': authority });
    tunnel.on('error', none);
    tunnel.on('response', ({ ':status': status }) => {
      if (status !== 200) return none(new Error(`CONNECT: ${status}`));
      const request = http.get({ path, headers, createConnection: () => tunnel }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          body += part;
        });
        response.on('end', () => end({ status: response.statusCode ?? 0, body }));
      });
      request.on('error', none);
    });
  });
}

const TIMEOUT_MS = 30_000;
