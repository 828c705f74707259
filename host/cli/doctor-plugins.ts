/**
 * What `sidegate doctor` can see in the plugins themselves: address, digest, match, phase, what a
 * trap does, and the configuration, which the filter's own parser judges.
 */
import { type LoadedModule, Log, seededRandom, VirtualClock, Vm } from '../emulator/index.ts';
import { type Finding, finding } from './doctor-findings.ts';
import type { Labels, Manifest, Manifests, Path } from './doctor-manifests.ts';
import { PLACEHOLDERS } from './samples.ts';

/** What is known besides the manifests. */
export interface Known {
  /** SHA-256 of the module's file, in hex. */
  readonly moduleDigest: string | undefined;
  /** Digest of the manifest that was pushed, in hex. */
  readonly manifestDigest: string | undefined;
  /** The module that judges pluginConfig. */
  readonly module: LoadedModule | undefined;
}

/** A plugin of the filter, whichever kind carries it. */
export interface Plugin {
  readonly manifest: Manifest;
  /** Where url, digest and configuration stand. */
  readonly wasm: Path;
  readonly labels: Labels;
  readonly gateway: boolean;
}

const KINDS = ['WasmPlugin', 'TrafficExtension'];
/** Where Istio looks for what counts everywhere. */
export const ROOT_NAMESPACE = 'istio-system';
const API_VERSION = 'extensions.istio.io/v1alpha1';

/** The plugins of the filter: those named so, pulled from such an address, or configured so. */
export function pluginsOf({ all }: Manifests): Plugin[] {
  return all
    .filter(({ kind }) => KINDS.includes(kind))
    .map((manifest) => {
      const wasm = manifest.kind === 'WasmPlugin' ? ['spec'] : ['spec', 'wasm'];
      const labels = manifest.labels(['spec', 'selector', 'matchLabels']);
      return { manifest, wasm, labels, gateway: isGateway(labels, all) };
    })
    .filter(({ manifest, wasm }) => {
      const named = manifest.text([...wasm, 'pluginName']) === 'sidegate';
      const url = manifest.text([...wasm, 'url']) ?? '';
      const configured = manifest.at([...wasm, 'pluginConfig', 'clusters']) !== undefined;
      return named || configured || url.includes('sidegate');
    });
}

/**
 * A gateway by a Gateway of the files, by its template, or by the label that Istio's chart sets.
 */
function isGateway(labels: Labels, all: readonly Manifest[]): boolean {
  if (/gateway|ingress|egress/.test(labels.istio ?? '')) return true;
  return all.some((manifest) => {
    const { kind, apiVersion } = manifest;
    // Gateways of the Gateway API select nothing.
    if (kind === 'Gateway' && apiVersion.startsWith('networking.istio.io/'))
      return selects(manifest.labels(['spec', 'selector']), labels);
    const template: Path = ['spec', 'template', 'metadata'];
    const injected = manifest.labels([...template, 'annotations'])['inject.istio.io/templates'];
    return injected === 'gateway' && selects(labels, manifest.labels([...template, 'labels']));
  });
}

/** True when a selector with these labels picks a workload with those. An empty one picks all. */
export function selects(selector: Labels, labels: Labels): boolean {
  return Object.entries(selector).every(([name, value]) => labels[name] === value);
}

/** Kinds of Istio's extensions under an apiVersion that nobody reads. */
export function checkVersions({ all }: Manifests): Finding[] {
  return all
    .filter(({ kind, apiVersion }) => KINDS.includes(kind) && apiVersion !== API_VERSION)
    .map((manifest) => {
      const facts = { kind: manifest.kind, value: manifest.apiVersion };
      return finding('SG2101', manifest, ['apiVersion'], facts);
    });
}

/** Containers whose image nobody has filled in. */
export function checkImages({ all }: Manifests): Finding[] {
  return all.flatMap((manifest) => {
    const path = ['spec', 'template', 'spec', 'containers'];
    const containers = manifest.list(path) as readonly { readonly image?: string }[];
    return containers.flatMap(({ image }, i) =>
      image === PLACEHOLDERS.hostImage
        ? [finding('SG2106', manifest, [...path, i, 'image'], { what: 'the image' })]
        : [],
    );
  });
}

/** Everything that can be seen in one plugin. */
export function checkPlugin(plugin: Plugin, known: Known): Finding[] {
  return [
    ...checkUrl(plugin, known),
    ...checkMatch(plugin),
    ...checkFailure(plugin),
    ...checkPhase(plugin),
    ...checkConfiguration(plugin, known),
  ];
}

function checkUrl({ manifest, wasm }: Plugin, known: Known): Finding[] {
  const findings: Finding[] = [];
  const path = [...wasm, 'url'];
  const url = manifest.text(path) ?? '';
  const scheme = /^(\w+):\/\//.exec(url)?.[1];
  if (url.includes(PLACEHOLDERS.image)) {
    findings.push(finding('SG2106', manifest, path, { what: 'the image' }));
  }
  if (scheme === undefined) findings.push(finding('SG2102', manifest, path));
  if (scheme !== undefined && scheme !== 'oci') return findings;
  const inUrl = /@sha256:(\w+)$/.exec(url)?.[1];
  const place = inUrl === undefined ? [...wasm, 'sha256'] : path;
  const digest = inUrl ?? manifest.text(place);
  if (digest === undefined) findings.push(finding('SG2103', manifest, path));
  else if (digest === PLACEHOLDERS.digest) {
    findings.push(finding('SG2106', manifest, place, { what: 'the digest' }));
  } else if (digest === known.moduleDigest) findings.push(finding('SG2104', manifest, place));
  else if (known.manifestDigest !== undefined && digest !== known.manifestDigest) {
    findings.push(finding('SG2105', manifest, place, { digest: known.manifestDigest }));
  }
  return findings;
}

function checkMatch({ manifest, wasm, gateway }: Plugin): Finding[] {
  // Whoever lets all other hosts pass means what the workload calls.
  const outbound = manifest.text([...wasm, 'pluginConfig', 'otherHosts']) === 'allow';
  const mode = gateway ? 'CLIENT' : 'SERVER';
  const entries = manifest.list(['spec', 'match']);
  if (entries.length === 0 && !gateway) {
    return [finding('SG2107', manifest, ['spec'], { mode }, 'key')];
  }
  return entries.flatMap((_, i) => {
    const path = ['spec', 'match', i, 'mode'];
    const value = manifest.text(path) ?? 'CLIENT_AND_SERVER';
    // What takes in both directions does meet a gateway's requests.
    if (value === mode || (gateway && value === 'CLIENT_AND_SERVER')) return [];
    if (value === 'CLIENT' && outbound) return [];
    return [finding('SG2108', manifest, path, { value, mode, why: modeIsWrong(value, gateway) })];
  });
}

function modeIsWrong(value: string, gateway: boolean): string {
  if (gateway) return 'never meets a gateway: the API is open';
  return value === 'CLIENT'
    ? 'meets what the workload calls, not what calls it: the API is open'
    : 'meets what the workload itself calls as well';
}

function checkFailure({ manifest, wasm }: Plugin): Finding[] {
  const path = [...wasm, 'failStrategy'];
  const value = manifest.text(path);
  if (value === 'FAIL_RELOAD') return [];
  const why = value === 'FAIL_OPEN' ? 'requests pass unfiltered' : 'a worker answers 503 for good';
  const facts = { value: value ?? 'is not set, which means FAIL_CLOSE', why };
  return [finding('SG2109', manifest, path, facts)];
}

function checkPhase({ manifest }: Plugin): Finding[] {
  const value = manifest.text(['spec', 'phase']);
  if (value === 'AUTHN' || value === 'AUTHZ') return [];
  return [finding('SG2111', manifest, ['spec', 'phase'], { value: value ?? '(none)' })];
}

function checkConfiguration({ manifest, wasm }: Plugin, { module }: Known): Finding[] {
  const path = [...wasm, 'pluginConfig'];
  if (module === undefined) return [];
  const value = manifest.at(path) ?? {};
  // Istio hands over no bytes for an empty configuration.
  const empty = Object.keys(value).length === 0;
  const reason = refusalOf(module, empty ? '' : JSON.stringify(value));
  if (reason === undefined) return [];
  const key = /^"([^"]+)"/.exec(reason)?.[1];
  const known = key !== undefined && manifest.at([...path, key]) !== undefined;
  return [finding('SG2201', manifest, known ? [...path, key] : path, { reason })];
}

/** What the filter says against a configuration, in its own words; undefined when it takes it. */
function refusalOf(module: LoadedModule, configuration: string): string | undefined {
  const log = new Log('error');
  const vm = new Vm(module, { clock: new VirtualClock(), random: seededRandom(1), log });
  const { state } = vm.createRoot({ configuration });
  const failed = vm.failure;
  vm.destroy();
  if (state !== 'refused' && !failed) return undefined;
  const line = log.messages.at(-1) ?? 'it gives no reason';
  return line.replace(/^sidegate: pluginConfig refused: /, '');
}
