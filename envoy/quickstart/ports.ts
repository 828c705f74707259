/**
 * The ports of the quickstart: five in a row from one base, checked before anything is started, so
 * that a taken port is a sentence and not a crash in the middle.
 */
import { createServer } from 'node:net';

/** First port unless SIDEGATE_PORT_BASE says otherwise; `envoy.yaml` is written with it. */
export const PORT_BASE = 18_080;

const PORT_BASE_LEAST = 1024;
const PORT_LAST = 65_535;

/** What listens where, as distances from the base. */
const PLACES = { proxy: 0, hostAdmin: 1, hostSync: 2, service: 3, envoyAdmin: 4 } as const;

const SAID: Record<keyof typeof PLACES, string> = {
  proxy: 'the proxy',
  hostAdmin: "the host's admin API",
  hostSync: "the host's port for proxies",
  service: 'the example service',
  envoyAdmin: "Envoy's admin interface",
};

/** Port numbers by what listens there, and the base they count from. */
export type Ports = Record<keyof typeof PLACES, number> & { base: number };

/** Ports that cannot be used; the message names each and the way out. */
export class PortsUnusable extends Error {}

/** The ports that follow from SIDEGATE_PORT_BASE, or from the default. Throws `PortsUnusable`. */
export function planPorts(variable: string | undefined): Ports {
  const base = variable === undefined || variable === '' ? PORT_BASE : Number(variable);
  const count = Object.keys(PLACES).length;
  if (!Number.isInteger(base) || base < PORT_BASE_LEAST || base + count - 1 > PORT_LAST) {
    throw new PortsUnusable(
      `SIDEGATE_PORT_BASE is ${JSON.stringify(variable)}; it has to be a number from ` +
        `${PORT_BASE_LEAST} to ${PORT_LAST - count + 1}.`,
    );
  }
  const { proxy, hostAdmin, hostSync, service, envoyAdmin } = PLACES;
  return {
    base,
    proxy: base + proxy,
    hostAdmin: base + hostAdmin,
    hostSync: base + hostSync,
    service: base + service,
    envoyAdmin: base + envoyAdmin,
  };
}

/** Resolves if every port can be listened on; throws `PortsUnusable` with all that cannot. */
export async function checkPortsFree(ports: Ports): Promise<void> {
  const taken: string[] = [];
  for (const place of Object.keys(PLACES) as (keyof typeof PLACES)[]) {
    const problem = await tryPort(ports[place]);
    if (problem === 'EADDRINUSE') taken.push(`port ${ports[place]} (${SAID[place]}) is taken`);
    else if (problem !== undefined) {
      taken.push(`port ${ports[place]} (${SAID[place]}) cannot be used: ${problem}`);
    }
  }
  if (taken.length === 0) return;
  const other = ports.base + 1000 <= PORT_LAST - 10 ? ports.base + 1000 : PORT_BASE;
  throw new PortsUnusable(
    `${taken.join('\n')}\n` +
      `Stop what uses it, or move all ports: SIDEGATE_PORT_BASE=${other} npm start`,
  );
}

function tryPort(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(undefined)));
  });
}
