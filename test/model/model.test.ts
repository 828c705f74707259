/**
 * Runs the model of the lease protocol with Spin: the protocol as it is must hold in every order of
 * events, and each variant that lacks one rule must fail, or the model could not tell. It must
 * never pass because Spin was not there.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ensureTool } from '../runner/commands.ts';
import { isCi } from '../support/ci.ts';
import { Folder } from '../support/folders.ts';
import { runToEnd } from '../support/programs.ts';

const MODEL = new URL('lease.pml', import.meta.url).pathname;
const DEPTH_MAX = 100_000;
const MEMORY_MAX_MB = 2_000;

const tools = ['spin', 'gcc'].filter((name) => {
  return !ensureTool({ command: name, debianPackage: name });
});
const missing = `apt-get install ${tools.join(' ')}`;
const skip = tools.length > 0 && !isCi ? missing : false;
if (skip) console.error(`SKIPPED: the model of the lease protocol was NOT checked; ${missing}`);

/** What Spin's verifier found. */
interface Verdict {
  readonly states: number;
  readonly errors: number;
  /** The first violation, as the verifier words it. */
  readonly violation: string;
  /** Lines of the model that no order of events came to. */
  readonly unreached: readonly string[];
}

/** Explores the model with the switches given; with `progress`, looks for endless idling. */
async function explore(switches: readonly string[], progress: boolean): Promise<Verdict> {
  assert.equal(tools.length, 0, missing);
  await using folder = await Folder.make();
  const cwd = folder.path;
  const flags = switches.map((name) => `-D${name}`);
  await runToEnd('spin', ['-a', ...flags, MODEL], { cwd });
  const kind = progress ? '-DNP' : '-DSAFETY';
  const options = ['-O2', '-w', kind, '-DCOLLAPSE', `-DMEMLIM=${MEMORY_MAX_MB}`];
  await runToEnd('gcc', [...options, '-o', 'pan', 'pan.c'], { cwd });
  const fairly = progress ? ['-l', '-f'] : [];
  const found = await runToEnd(folder.join('pan'), [...fairly, `-m${DEPTH_MAX}`], { cwd });
  assert.doesNotMatch(found, /max search depth too small|out of memory|not enough memory/);
  return {
    states: Number(/^\s*(\d+) states, stored/m.exec(found)?.[1]),
    errors: Number(/errors: (\d+)/.exec(found)?.[1]),
    violation: /^pan:1: (.*)$/m.exec(found)?.[1] ?? '',
    unreached: [...found.matchAll(/lease\.pml:(\d+), state \d+, "(?!-end-)/g)].map(
      (m) => m[1] ?? '',
    ),
  };
}

/** The bounds raised one at a time; together they would have too many states. */
const bounds = [['FORGET'], ['MESSAGES=2'], ['HOLDINGS=4'], ['QUOTA=3'], ['GIVE_BACKS=2']];

for (const switches of bounds) {
  // Guarantees B1 in every order of events within the bounds, not only in those that tests try.
  test(`the protocol never over-admits: ${switches.join(' ')}`, { skip }, async () => {
    const { states, errors, violation, unreached } = await explore(switches, false);
    assert.equal(errors, 0, violation);
    assert.ok(states > 50_000, `only ${states} states`);
    // With this switch the whole model is compiled in: none of its lines may be dead text.
    if (switches.includes('FORGET')) assert.deepEqual(unreached, []);
    process.stdout.write(`# ${switches.join(' ')}: ${states} states\n`);
  });
}

for (const variant of ['RECLAIM', 'AMNESIA', 'TWO_ROOTS', 'TWO_LEDGERS']) {
  // Guarantees that the rule is needed, and that the model would see it missing from the code.
  test(`without its rule the protocol over-admits: ${variant}`, { skip }, async () => {
    const { errors, violation } = await explore([variant], false);
    assert.ok(errors > 0, `${variant} went unnoticed`);
    assert.match(violation, /assertion violated \(admitted<=2\)/);
  });
}

for (const quota of ['QUOTA=2', 'QUOTA=6']) {
  // Guarantees that exactness never turns into standstill: what can be served is served.
  test(`while nothing fails, every request that can be served is: ${quota}`, { skip }, async () => {
    const { states, errors, violation } = await explore(['CALM', quota], true);
    assert.equal(errors, 0, violation);
    assert.ok(states > 20);
  });

  // Guarantees that grants which ignore the cost of what waits are not an option: every unit is
  // out, in pieces too small for any request.
  test(`without need units are stranded: COST ${quota}`, { skip }, async () => {
    const { errors, violation } = await explore(['COST', quota], true);
    assert.ok(errors > 0, 'COST went unnoticed');
    assert.match(violation, /non-progress cycle/);
  });
}
