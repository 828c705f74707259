/**
 * Serves the calls of a guest from a real HTTP server, so that the module that ships can talk to
 * the real host without a proxy. Connections are kept alive as by Envoy; nothing is retried.
 */
import { Agent, type IncomingMessage, request } from 'node:http';
import type { CallAnswer, CallHandler, HttpCall } from './http-call.ts';
import type { Pair } from './pairs.ts';

/** A server behind a cluster. */
export interface Origin {
  /** Give it to `Clusters`. */
  handler: CallHandler;
  /** Ends its connections. */
  close(): void;
}

/**
 * Reaches the server at `url` (its host and port; the path comes from the call). A connection that
 * fails before an answer is `refused`, one that breaks within an answer is `reset`.
 */
export function origin(url: string): Origin {
  const { hostname, port } = new URL(url);
  const agent = new Agent({ keepAlive: true });
  return {
    handler: (call) => send(call, { host: hostname, port: Number(port), agent }),
    close: () => agent.destroy(),
  };
}

async function send(
  call: HttpCall,
  target: { host: string; port: number; agent: Agent },
): Promise<CallAnswer | 'refused' | 'reset'> {
  const headers = call.headers.filter(([name]) => !name.startsWith(':'));
  const host: Pair = ['host', call.header(':authority') ?? ''];
  const options = { ...target, method: call.method, path: call.path };
  const message = await new Promise<IncomingMessage | undefined>((resolve) => {
    const outgoing = request({ ...options, headers: [host, ...headers].flat() }, resolve);
    outgoing.on('error', () => resolve(undefined)).end(call.body);
  });
  if (!message) return 'refused';
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of message) chunks.push(chunk as Buffer);
  } catch {
    return 'reset';
  }
  return { status: message.statusCode ?? 0, headers: listOf(message), body: Buffer.concat(chunks) };
}

function listOf(message: IncomingMessage): Pair[] {
  const pairs: Pair[] = [];
  for (let i = 0; i + 1 < message.rawHeaders.length; i += 2) {
    pairs.push([message.rawHeaders[i] ?? '', message.rawHeaders[i + 1] ?? '']);
  }
  return pairs;
}
