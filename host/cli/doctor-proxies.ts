/**
 * What proxies and the host say of the filter while it runs: who does not report, who follows
 * another store, whose version does not fit, who lags, who has no module.
 */
import { PROXIES_ASKED_MAX, type ProxyWord } from './doctor-cluster.ts';
import { type Finding, finding } from './doctor-findings.ts';
import type { Manifest, Manifests } from './doctor-manifests.ts';
import type { Plugin } from './doctor-plugins.ts';
import { inMesh, podsOf, podsOfPlugin } from './doctor-workloads.ts';
import type { EngineView } from './proxies.ts';

/** What a host says of itself and of the engines it hears. */
export interface HostWord {
  readonly version: string;
  readonly storeId: string;
  readonly items: readonly EngineView[];
}

/** For how long an engine may be behind before it is worth a word. */
const LAG_MS = 60_000;

/** Pods that run a plugin, each once. */
export function podsWithFilter(plugins: readonly Plugin[], manifests: Manifests): Manifest[] {
  const pods = plugins.flatMap((plugin) => podsOfPlugin(plugin, manifests));
  return [...new Set(pods)].filter(inMesh);
}

/** Judges what the host hears of each pod. */
export function checkEngines(pods: readonly Manifest[], host: HostWord, nowMs: number): Finding[] {
  const byPod = Map.groupBy(
    host.items.filter(({ standing }) => standing !== 'silent'),
    ({ name }) => podOfNode(name),
  );
  return pods.flatMap((pod) => {
    const named = fullNameOf(pod);
    const engines = byPod.get(named) ?? [];
    const say = (code: Finding['code'], facts: Readonly<Record<string, string>>) =>
      finding(code, pod, ['metadata', 'name'], { pod: named, ...facts });
    if (engines.length === 0) return [say('SG2403', {})];
    const first = (holds: (engine: EngineView) => boolean) => engines.find(holds);
    const misfit = first(({ version }) => !fit(version, host.version));
    const other = first(({ storeId }) => storeId !== null && storeId !== host.storeId);
    const late = first(
      ({ standing, since }) =>
        standing === 'behind' && since !== null && nowMs - Date.parse(since) > LAG_MS,
    );
    return [
      ...(misfit ? [say('SG2404', { filter: misfit.version, host: host.version })] : []),
      ...(other ? [say('SG2405', { other: other.storeId ?? '', own: host.storeId })] : []),
      ...(late ? [say('SG2406', { since: late.since ?? '' })] : []),
    ];
  });
}

/** Engines of pods that the manifests do not hold. */
export function strangersOf(host: HostWord, manifests: Manifests): number {
  const known = new Set(podsOf(manifests).map(fullNameOf));
  const names = host.items.map(({ name }) => name).filter((name) => !known.has(podOfNode(name)));
  return new Set(names).size;
}

/** A pod as node ids have it, see {@link podOfNode}. */
function fullNameOf({ name, namespace }: Manifest): string {
  return `${name}.${namespace}`;
}

/** `<pod>.<namespace>` in a node id of Istio: `<type>~<address>~<pod>.<namespace>~<domain>`. */
function podOfNode(node: string): string {
  return node.split('~')[2] ?? node;
}

/** Versions fit while their first number that is not zero is the same. */
function fit(one: string, other: string): boolean {
  return leadingOf(one) === leadingOf(other);
}

function leadingOf(version: string): string {
  return /^(0\.)*[1-9]\d*/.exec(version)?.[0] ?? version;
}

/** Judges what the proxies say through their agents. */
export function checkWords(words: ReadonlyMap<Manifest, ProxyWord>): Finding[] {
  return [...words].flatMap(([pod, { fetchFailure, filter }]) => {
    if (filter) return [];
    const facts = { pod: fullNameOf(pod), reason: fetchFailure ?? '' };
    const code = fetchFailure === undefined ? 'SG2408' : 'SG2407';
    return [finding(code, pod, ['metadata', 'name'], facts)];
  });
}

/** What to say when not all proxies were asked; undefined when all were. */
export function unasked(pods: readonly Manifest[], words: ReadonlyMap<Manifest, ProxyWord>) {
  const silent = pods.length - words.size;
  if (silent === 0) return undefined;
  const why = pods.length > PROXIES_ASKED_MAX ? `at most ${PROXIES_ASKED_MAX} are` : 'no answer';
  return `${silent} of ${pods.length} proxies were not asked for their metrics (${why}).`;
}
