/**
 * The bench: what Sidegate costs, beside every other way of doing the same job. Sections run one by
 * one; each writes its figures into `results.json` as soon as it has them and the page is rendered
 * anew, so that a run that is broken off loses nothing.
 *
 * Usage: npm run bench [-- SECTION...] [--rounds N] [--only TEXT]     writes test/bench/results.md
 *   Sections: cpu latency work memory, which run when none is named, fleet, soak and swap. `all`
 *   runs everything, `render` only writes the page.
 */
import { parseArgs } from 'node:util';
import { BUILD, runCheck } from '../runner/commands.ts';
import { measureCpu } from './cpu.ts';
import { measureFleet } from './fleet.ts';
import { prepareGround } from './ground.ts';
import { openLanes } from './lanes.ts';
import { Generator, measureLatency } from './latency.ts';
import { writePage } from './page.ts';
import { type Measured, SECTIONS, type SectionName, saveSection } from './results.ts';
import { buildLoad } from './toolchains.ts';
import { measureWork } from './work.ts';

const ROUNDS = 100;
/** What runs when nothing is named: the table of chains. */
const TABLE: readonly SectionName[] = ['cpu', 'latency', 'work', 'memory'];
/** Hosts whose requests are counted. */
const WORK_SIZES = [1000, 100_000];

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string' }, only: { type: 'string' } },
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
  const lanes = await openLanes(ground.chains, cleanup);
  if (names.has('cpu')) await keep('cpu', { rows: await measureCpu(lanes, rounds), missing });
  if (names.has('latency')) {
    const small = lanes.filter(({ chain }) => !chain.name.endsWith('headers'));
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
if (names.has('cpu') || names.has('latency')) await runChains(names);
if (names.has('work')) await keep('work', { rows: await measureWork(WORK_SIZES) });
if (names.has('fleet')) await keep('fleet', await measureFleet(args.only));
await writePage();
