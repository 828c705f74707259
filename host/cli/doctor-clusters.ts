/**
 * The clusters that a plugin's configuration names, and the Services behind them as far as the
 * manifests show them.
 */
import { type Finding, finding } from './doctor-findings.ts';
import type { Manifest, Manifests } from './doctor-manifests.ts';
import type { Plugin } from './doctor-plugins.ts';

/** The host as one cluster names it. */
export interface NamedHost {
  /** Full name of the Service. */
  readonly name: string;
  readonly namespace: string;
  /** Undefined when the manifests do not hold it. */
  readonly service: Manifest | undefined;
}

const CLUSTER = /^outbound\|(\d+)\|[^|]*\|([^|.]+)\.([^|.]+)\.svc\.[^|]+$/;

/** The hosts of a plugin, and clusters that cannot be there. */
export function hostsOfCluster({ manifest, wasm }: Plugin, { all }: Manifests) {
  const findings: Finding[] = [];
  const hosts: NamedHost[] = [];
  const path = [...wasm, 'pluginConfig', 'clusters'];
  for (const [i, value] of manifest.list(path).entries()) {
    if (typeof value !== 'string') continue;
    const [, port = '', name = '', namespace = ''] = CLUSTER.exec(value) ?? [];
    if (name === '') {
      findings.push(finding('SG2202', manifest, [...path, i], { value }));
      continue;
    }
    const service = all.find(
      (one) => one.kind === 'Service' && one.name === name && one.namespace === namespace,
    );
    hosts.push({ name: value.slice(value.lastIndexOf('|') + 1), namespace, service });
    const ports = (service?.list(['spec', 'ports']) ?? []) as readonly { port?: number }[];
    if (service === undefined || ports.some((one) => `${one.port}` === port)) continue;
    const facts = { value, service: name, ports: ports.map((one) => one.port).join(', ') };
    findings.push(finding('SG2203', manifest, [...path, i], facts));
  }
  return { findings, hosts };
}
