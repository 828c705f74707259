/**
 * Writes down what the bench measured: the machine, every chain, and the numbers to reach beside
 * those shown. It must never leave out a number because it was missed.
 */
import { cpus, release, totalmem } from 'node:os';
import { ENVOY_VERSION } from '../../envoy/locate.ts';
import { ROUND_REQUESTS } from './measure.ts';

/** What was measured of one chain. Times are CPU nanoseconds per request. */
export interface Figures {
  name: string;
  does: string;
  /** 10th percentile over the rounds, of the proxy alone. */
  proxyNs: number;
  proxyMedianNs: number;
  /** 10th percentile of the processes that the chain needs besides. */
  helperNs: number;
  residentBytes: number;
}

/** All that the page of results is made of. */
export interface Results {
  figures: readonly Figures[];
  machine: string;
  rounds: number;
  moduleBytes: number;
}

/** The machine in one sentence. */
export async function describeMachine(): Promise<string> {
  const [first] = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} × ${first?.model.trim() ?? 'unknown CPU'}, ${gib} GiB, Linux ${release()}, Node ${process.versions.node}, Envoy ${ENVOY_VERSION}`;
}

const micro = (ns: number) => (ns / 1000).toFixed(1);

/** The whole page. */
export function renderResults(results: Results): string {
  const { figures, machine, rounds, moduleBytes } = results;
  const rows = figures.map((chain) => {
    const cells = [
      chain.name,
      micro(addedNs(chain, figures)),
      micro(chain.proxyNs),
      micro(chain.proxyMedianNs),
      micro(chain.helperNs),
      (chain.residentBytes / 2 ** 20).toFixed(0),
      chain.does,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '# Bench',
    '',
    `\`npm run bench\` writes this page. ${machine}.`,
    '',
    `Every chain is one Envoy with one worker on a core of its own; the load is on the other core and`,
    `goes over 32 kept connections. All chains run at once and are visited in random order, ${rounds} rounds`,
    `of ${ROUND_REQUESTS} requests each, answered by Envoy itself (\`direct_response\`). CPU is what the scheduler`,
    'charged to the process, per request; the 10th percentile over the rounds counts. Compare within',
    'the table only: another machine gives other absolutes.',
    '',
    '| chain | adds, µs | proxy, µs (p10) | proxy, µs (median) | helper, µs (p10) | RSS, MB | it does |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
    '*Adds* = proxy and helper processes together, less the proxy without a filter.',
    '',
    ...targets(figures, moduleBytes),
  ].join('\n');
}

/** What a chain adds to a request in CPU time, helper processes included. */
function addedNs(chain: Figures | undefined, figures: readonly Figures[]): number {
  const bare = figures.find(({ name }) => name === 'no filter');
  if (chain === undefined || bare === undefined) return Number.NaN;
  return chain.proxyNs + chain.helperNs - bare.proxyNs;
}

function targets(figures: readonly Figures[], moduleBytes: number): string[] {
  const of = (name: string) => figures.find((chain) => chain.name === name);
  const added = (name: string) => addedNs(of(name), figures);
  const ours = added('Sidegate, 100,000 keys');
  const overNoop = ours - added('no-op wasm');
  const native = ours / added('native chain, 100,000 keys');
  const remote = added('ext_authz, 1,000 keys') / ours;
  const resident = (name: string) => of(name)?.residentBytes ?? Number.NaN;
  const grown = (resident('Sidegate, 100,000 keys') - resident('no-op wasm')) / 2 ** 20;
  const denied = added('Sidegate, unknown key') - added('Sidegate, 1,000 keys');
  const rows: [string, string, string, boolean][] = [
    [
      'CPU added over the no-op filter, 100,000 keys',
      '<= 4.0 µs',
      `${micro(overNoop)} µs`,
      overNoop <= 4000,
    ],
    [
      'CPU added, against the native chain with the same keys',
      '<= 2 × (aim 1.5 ×)',
      `${native.toFixed(2)} ×`,
      native <= 2,
    ],
    ['CPU added, against ext_authz', '<= 1/12', `1/${remote.toFixed(1)}`, remote >= 12],
    [
      'a refused request (unknown key) against an allowed one',
      'cheaper',
      `${micro(denied)} µs`,
      denied < 0,
    ],
    [
      'memory over the no-op filter, 100,000 keys, one worker (two VMs)',
      '<= 40 MB',
      `${grown.toFixed(1)} MB`,
      grown <= 40,
    ],
    [
      'module',
      '<= 49,152 bytes',
      `${moduleBytes.toLocaleString('en')} bytes`,
      moduleBytes <= 49_152,
    ],
  ];
  return [
    '| figure | to reach | shown |',
    '|---|---|---|',
    // A number that is missed stays in the table, marked, until it is met or explained.
    ...rows.map(
      ([what, aim, shown, isMet]) => `| ${what} | ${aim} | ${shown}${isMet ? '' : ' (open)'} |`,
    ),
    '',
  ];
}
