/**
 * The example service: answers every request with what reached it, so that one sees which headers
 * the proxy set, replaced and removed. It knows nothing of keys, plans or quotas.
 */
import http from 'node:http';

const port = Number(process.env.PORT ?? 18083);

const server = http.createServer((request, response) => {
  const { method, url, headers } = request;
  request.resume();
  response.setHeader('content-type', 'application/json');
  response.end(
    `${JSON.stringify({ service: 'quickstart', method, path: url, headers }, null, 2)}\n`,
  );
});

// Envoy keeps its connections for an hour; a server that closes them sooner makes it stumble.
server.keepAliveTimeout = 2 * 60 * 60 * 1000;
server.listen(port, '127.0.0.1');
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(0));
