/**
 * What the quickstart tells: the file for programs and the lines for people. It must never print
 * the admin token, and the file that holds it is its owner's alone.
 */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Ports } from './ports.ts';

/** `.sidegate/demo.json`: where everything is, for scripts. Present only while all of it runs. */
export interface Demo {
  /** Base address of the protected service, through the proxy. */
  proxy: string;
  /** Answers 200 to the first key in the header `x-api-key`. */
  try: string;
  /** Base address of the host's admin API. */
  host: string;
  envoyAdmin: string;
  /** Bearer token of the admin API. */
  adminToken: string;
  /** Keys by the name of their application. */
  keys: Record<string, string>;
  ready: true;
}

/** The addresses that follow from the ports. */
export function demoOf(ports: Ports, adminToken: string, keys: Record<string, string>): Demo {
  const proxy = `http://127.0.0.1:${ports.proxy}`;
  return {
    proxy,
    try: `${proxy}/hello`,
    host: `http://127.0.0.1:${ports.hostAdmin}`,
    envoyAdmin: `http://127.0.0.1:${ports.envoyAdmin}`,
    adminToken,
    keys,
    ready: true,
  };
}

/** Writes the file whole or not at all. */
export async function writeDemo(file: string, demo: Demo): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(`${file}.new`, `${JSON.stringify(demo, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/** Takes the file away; nothing happens if there is none. */
export async function removeDemo(file: string): Promise<void> {
  await rm(file, { force: true });
}

/** What a newcomer reads: the key, and a line to copy for each outcome. */
export function describeDemo(demo: Demo): string {
  const [application, key = ''] = Object.entries(demo.keys)[0] ?? [];
  if (application === undefined) return describeEmpty(demo);
  return `
Sidegate is running. The key of application "${application}", shown once:

  ${key}

200  the key is good:
  curl -i ${demo.try} -H 'x-api-key: ${key}'

401  no key, or one that nobody made:
  curl -i ${demo.try}

429  the plan allows 5 a minute:
  for i in 1 2 3 4 5 6 7; do curl -s -o /dev/null -w '%{http_code}\\n' ${demo.try} -H 'x-api-key: ${key}'; done

Policies: envoy/quickstart/policies (edit and save: in force at once)
Tour:     envoy/quickstart/README.md
For scripts: .sidegate/demo.json
Ctrl-C stops everything. What the proxy decides is shown below.
`;
}

/** The same where there is nothing yet. */
function describeEmpty(demo: Demo): string {
  return `
Sidegate is running without resources, so that every call is refused with 403. In a second terminal:

  sidegate() { npm run -s sidegate -- "$@"; }
  sidegate init shop
  sidegate apply -f shop
  KEY=$(sidegate key create demo)
  sidegate proxies --wait 30
  curl -i ${demo.try} -H "x-api-key: $KEY"

Ctrl-C stops everything and forgets it. What the proxy decides is shown below.
`;
}
