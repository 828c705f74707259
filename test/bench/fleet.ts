/**
 * Rows of the table that tests of other layers already measure: it runs those tests and reads what
 * they print. It must never keep a figure of a test that failed.
 */
import path from 'node:path';
import { ROOT } from '../runner/layers.ts';
import { Program } from '../support/programs.ts';
import { measureGrants, measureSyncs, measureWatches } from './host-load.ts';
import type { Measured, Row } from './results.ts';

/** A test file, and the figures in what it prints. Each pattern names its numbers by groups. */
interface Source {
  file: string;
  /** The one test to run, where the others of the file take long. */
  named?: string;
  env?: Record<string, string>;
  figures: Record<string, RegExp>;
}

const SOURCES: readonly Source[] = [
  {
    file: 'test/host/http/watch-load.test.ts',
    env: { SIDEGATE_LOAD: 'full' },
    figures: {
      'key changes, protocol':
        /(?<changes>\d+) changes, (?<filters>\d+) filters.*?(?<keys>\d+) keys: p50 (?<p50>[\d.]+) ms, p99 (?<p99>[\d.]+) ms, worst (?<worst>[\d.]+) ms, (?<bytes>\d+) body bytes/,
    },
  },
  {
    file: 'test/e2e/keys.test.ts',
    figures: {
      'key revoked, on Envoy': /revoked: p50 (?<p50>\d+) ms, p99 (?<p99>\d+) ms/,
      'key made, on Envoy': /created: p50 (?<p50>\d+) ms, p99 (?<p99>\d+) ms/,
      'bytes of a key change, on Envoy': /(?<bytes>\d+) bytes per change and VM/,
    },
  },
  {
    file: 'test/e2e/reload.test.ts',
    named: '100 changes of the configuration',
    figures: { 'configuration changes': /MB, then (?<grownMb>-?[\d.]+) MB more/ },
  },
  {
    file: 'test/e2e/rate.test.ts',
    figures: {
      'rate, four workers on Envoy':
        /used (?<balanced>[\d.]+) % balanced, (?<skewed>[\d.]+) % in the first/,
    },
  },
  {
    file: 'test/emulator/filter-rate.test.ts',
    figures: {
      'rate, four workers by decision times': /by the one that stayed, excess (?<excess>-?[\d.]+)/,
      'rate, skewed load': /# 85, 5, 5 and 5 a second: used (?<percent>[\d.]+) %/,
    },
  },
  {
    file: 'test/host/store/scale.test.ts',
    figures: {
      'compile policy': /compile 500 operations, \d+ subscriptions: (?<ms>\d+) ms/,
      'project directory': /project \d+ credentials into a directory: (?<ms>\d+) ms/,
      'make a key': /create a key among \d+: median (?<ms>[\d.]+) ms/,
    },
  },
  {
    file: 'test/e2e/quickstart.test.ts',
    figures: { 'npm start': /first 200 after (?<ms>\d+) ms/ },
  },
  {
    file: 'test/simulation/fleet.test.ts',
    figures: {
      'quota used, roomy':
        /# 20 holders, 60k a minute, demand 150 %: used (?<percent>[\d.]+) %, per 1,000 requests (?<calls>\d+)/,
      'quota used, 1,000 holders':
        /# 1,000 holders of 1\.5 requests a second: used (?<percent>[\d.]+) %, per 1,000 requests (?<calls>\d+)/,
      'quota used, scarce':
        /# scarce: 3k over 1,000 holders, demand 150 %: used (?<percent>[\d.]+) %, per 1,000 requests (?<calls>\d+)/,
    },
  },
];

/** What no test measures. */
const OWN: Record<string, () => Promise<Row>> = {
  'sync calls': measureSyncs,
  'SQLite grants': measureGrants,
  'open watches': () => measureWatches(WATCHES),
  'simulated scale': measureMesh,
};
const WATCHES = 30_000;
/** Megabytes of heap that the simulated mesh may take. */
const MESH_MB = 8_192;

/** The mesh in virtual time, which throws at the first unit too many. */
async function measureMesh(): Promise<Row> {
  const script = path.join(ROOT, 'test/bench/mesh.ts');
  const began = performance.now();
  await using program = new Program(process.execPath, [`--max-old-space-size=${MESH_MB}`, script]);
  const code = await program.ended;
  if (code !== 0) throw new Error(`test/bench/mesh.ts failed: ${program.output.slice(-500)}`);
  const row = JSON.parse(program.output) as Record<string, number>;
  const tookSeconds = Math.round((performance.now() - began) / 1_000);
  return { ...row, tookSeconds, from: 'test/simulation/mesh.ts' };
}

/** Runs the tests, or those whose figures hold `only`. */
export async function measureFleet(only?: string): Promise<Measured> {
  const rows: Record<string, Row> = {};
  const missing: Record<string, string> = {};
  for (const { file, named, env = {}, figures } of SOURCES) {
    const wanted = Object.entries(figures).filter(([name]) => name.includes(only ?? ''));
    if (wanted.length === 0) continue;
    console.log(`running ${file} ...`);
    const pattern = named === undefined ? [] : ['--test-name-pattern', named];
    const command = ['--test', ...pattern, path.join(ROOT, file)];
    await using program = new Program(process.execPath, command, { env });
    const code = await program.ended;
    for (const [name, figure] of wanted) {
      const numbers = code === 0 ? figure.exec(program.output)?.groups : undefined;
      if (numbers === undefined) {
        missing[name] = code === 0 ? `${file} printed no such figure` : `${file} failed`;
        continue;
      }
      const row = Object.entries(numbers).map(([what, value]) => [what, Number(value)]);
      rows[name] = { ...Object.fromEntries(row), from: file };
    }
  }
  const own = Object.entries(OWN).filter(([name]) => name.includes(only ?? ''));
  for (const [name, measure] of own) {
    console.log(`measuring: ${name} ...`);
    const failed = (error: Error) => {
      missing[name] = error.message.split('\n')[0] ?? '';
      console.log(`LEFT OUT: ${name}: ${error.message}`);
    };
    const row = await measure().catch(failed);
    if (row !== undefined) rows[name] = row;
  }
  return { rows, missing, partial: only !== undefined };
}
