/**
 * Runs the tests, layer by layer, and closes with one line `N passed, N failed`. It must never end
 * well when something failed, was skipped in CI, or was not run at all.
 *
 * Usage: npm test [-- LAYER...]      npm run check
 */
import { BUILD, CHECKS, ensureTool, runCheck, runSpecs } from './runner/commands.ts';
import { filesOf, LAYERS, type Layer, unclaimedFiles } from './runner/layers.ts';
import { runFiles } from './runner/nodetests.ts';
import { describeOutcome, type Outcome, outcomeOf, sum } from './runner/outcome.ts';
import { isCi } from './support/ci.ts';

const NEEDS_NO_MODULE = new Set(['units', 'simulation', 'model']);
/** What `npm run check` stands for. */
const CHECK = ['form', 'tidy', 'units'];

/** One stretch of the run: a name to call it by and what it does. */
interface Stage {
  name: string;
  run: () => Promise<Outcome>;
}

const stages: Stage[] = [
  { name: 'form', run: () => runChecks() },
  { name: 'build', run: () => runCheck(BUILD) },
  ...LAYERS.slice(0, 2).map(stageOf),
  { name: 'filter', run: runSpecs },
  ...LAYERS.slice(2).map(stageOf),
];

function stageOf(layer: Layer): Stage {
  return { name: layer.name, run: () => runLayer(layer) };
}

async function runChecks(): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  for (const check of CHECKS) outcomes.push(await runCheck(check));
  const unclaimed = unclaimedFiles();
  for (const file of unclaimed) console.log(`  not ok ${file}: belongs to no layer of the tests`);
  return sum([...outcomes, outcomeOf(unclaimed.length === 0)]);
}

async function runLayer(layer: Layer): Promise<Outcome> {
  const files = filesOf(layer);
  if (files.length === 0) {
    console.log(`  not ok there is no test file in ${layer.folders.join(', ')}`);
    return outcomeOf(false);
  }
  const missing = layer.needs.filter((tool) => !ensureTool(tool));
  if (missing.length > 0) {
    const packages = missing.map(({ debianPackage }) => debianPackage).join(' ');
    console.log(`  SKIPPED ${files.length} files: apt-get install ${packages}`);
    return { passed: 0, failed: 0, skipped: files.length };
  }
  return runFiles(layer, files);
}

/** The stages that the arguments ask for, in the order of the run. */
function choose(names: string[]): Stage[] {
  if (names.length === 0) return stages;
  const wanted = new Set(names.flatMap((name) => (name === 'check' ? CHECK : [name])));
  const unknown = [...wanted].filter((name) => !stages.some((stage) => stage.name === name));
  if (unknown.length > 0) {
    const known = stages.map(({ name }) => name).join(', ');
    console.error(`no such layer: ${unknown.join(', ')} (there are check, ${known})`);
    process.exit(2);
  }
  const needsModule = [...wanted].some((name) => !NEEDS_NO_MODULE.has(name) && name !== 'form');
  if (needsModule) wanted.add('build');
  return stages.filter(({ name }) => wanted.has(name));
}

const outcomes: Outcome[] = [];
for (const { name, run } of choose(process.argv.slice(2))) {
  const started = performance.now();
  console.log(`\n${name}`);
  const outcome = await run();
  outcomes.push(outcome);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`  ${name}: ${describeOutcome(outcome)} in ${seconds} s`);
}

const total = sum(outcomes);
if (isCi && total.skipped > 0) console.log('\nIn CI nothing may be skipped; see SKIPPED above.');
console.log(`\n${describeOutcome(total)}`);
process.exitCode = total.failed > 0 || total.passed === 0 || (isCi && total.skipped > 0) ? 1 : 0;
