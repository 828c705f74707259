/**
 * The bench: what Sidegate costs, beside every other way of doing the same job. Sections run one by
 * one; each writes its figures into `results.json` as soon as it has them and the page is rendered
 * anew, so that a run that is broken off loses nothing.
 *
 * Usage: npm run bench [-- SECTION...] [--rounds N] [--only TEXT] [--share X]
 *   Sections: cpu latency work memory, which run when none is named, fleet, control, soak
 *   and swap. `all` runs everything, `render` only writes the page. `--share 0.1` soaks, swaps and
 *   imports a tenth.
 */
import { parseArgs } from 'node:util';
import { BUILD, runCheck } from '../runner/commands.ts';
import { type Chain, TO_A_SERVICE } from './chains.ts';
import { measureControl } from './control.ts';
import { measureCpu } from './cpu.ts';
import { measureFleet } from './fleet.ts';
import { prepareGround } from './ground.ts';
import { openPossible } from './lanes.ts';
import { Generator, measureLatency } from './latency.ts';
import { measureMemory } from './memory.ts';
import { writePage } from './page.ts';
import { type Measured, SECTIONS, type SectionName, saveSection } from './results.ts';
import { measureSoak } from './soak.ts';
import { measureSwaps } from './swap.ts';
import { buildLoad } from './toolchains.ts';
import { measureWork } from './work.ts';

const ROUNDS = 100;
/** What runs when nothing is named: the table of chains. */
const TABLE: readonly SectionName[] = ['cpu', 'latency', 'work', 'memory'];
/** Consumers, applications, subscriptions and credentials: so many of each. */
const CALLERS = 100_000;
/** Hosts whose requests are counted. */
const WORK_SIZES = [1000, 10_000, 100_000];

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string' }, only: { type: 'string' }, share: { type: 'string' } },
});
const rounds = Number(args.rounds ?? ROUNDS);
const run = new Date().toISOString();

async function keep(name: SectionName, measured: Measured): Promise<void> {
  const partial = measured.partial ?? args.only !== undefined;
  await saveSection(name, { ...measured, partial }, run);
  await writePage();
  console.log(`${name}: written down`);
}

/** The two sections that need every chain at once share what they start. */
async function runChains(names: ReadonlySet<SectionName>): Promise<void> {
  await using ground = await prepareGround(args.only);
  const { missing, cleanup, folder } = ground;
  const lanes = await openPossible(ground.chains, cleanup, missing);
  if (names.has('cpu')) await keep('cpu', { rows: await measureCpu(lanes, rounds), missing });
  if (names.has('latency')) {
    const isPlain = ({ name }: Chain) => !name.endsWith('headers') && !name.endsWith(TO_A_SERVICE);
    const small = lanes.filter(({ chain }) => isPlain(chain));
    const generator = new Generator(await buildLoad(), folder);
    await keep('latency', { rows: await measureLatency(small, generator), missing });
  }
}

function choose(): ReadonlySet<SectionName> {
  const known: readonly string[] = [...SECTIONS, 'all', 'render'];
  const unknown = positionals.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    console.error(`no such section: ${unknown.join(', ')} (there are ${known.join(', ')})`);
    process.exit(2);
  }
  if (positionals.includes('render')) return new Set();
  if (positionals.includes('all')) return new Set(SECTIONS);
  const named = SECTIONS.filter((name) => positionals.includes(name));
  return new Set(named.length > 0 ? named : TABLE);
}

const names = choose();
if (names.size > 0 && (await runCheck(BUILD)).failed > 0) process.exit(1);
const share = Number(args.share ?? 1);
const sizeOf = (part: number) => ({ count: Math.round(CALLERS * part) });
const steps: [boolean, () => Promise<void>][] = [
  [names.has('cpu') || names.has('latency'), () => runChains(names)],
  [names.has('work'), async () => keep('work', { rows: await measureWork(WORK_SIZES) })],
  [names.has('memory'), async () => keep('memory', await measureMemory())],
  [names.has('fleet'), async () => keep('fleet', await measureFleet(args.only))],
  [names.has('control'), async () => keep('control', await measureControl(sizeOf(share)))],
  [names.has('swap'), async () => keep('swap', await measureSwaps(args.only, share))],
  [names.has('soak'), async () => keep('soak', await measureSoak(args.only, share))],
];
for (const [isWanted, step] of steps) {
  if (!isWanted) continue;
  // A section that fails must not take the others with it; the exit code tells.
  await step().catch((error: unknown) => {
    console.error('FAILED SECTION:', error);
    process.exitCode = 1;
  });
}
await writePage();
