/**
 * Holds the emulator against a real Envoy: the same module, the same steps, the same results. What
 * Envoy did is kept in test/emulator/measured.json; `SIDEGATE_WRITE_MEASURED=1` writes it anew.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import {
  Clusters,
  type FailurePolicy,
  Fleet,
  seededRandom,
  VirtualClock,
} from '../../host/emulator/index.ts';
import { CASES } from '../emulator/support/cases.ts';
import { assemblyScriptModule } from '../emulator/support/compile.ts';
import { EnvoyRig } from '../emulator/support/envoy-rig.ts';
import { type Measured, measureInEnvoy, readMeasured } from '../emulator/support/measured.ts';
import { CALL, PROBE, plugin } from '../emulator/support/probe.ts';
import { until } from '../support/wait.ts';

const modulePath = await assemblyScriptModule('script');
const writing = process.env.SIDEGATE_WRITE_MEASURED === '1';

// Guarantees that what the emulator is built on is what Envoy does, call by call and header by
// header, and goes on doing in the version the tests run on.
test('every case comes to what was measured', async () => {
  await using rig = await EnvoyRig.start({ modulePath, configuration: '' });
  const measured: Record<string, Measured> = {};
  for (const item of CASES) measured[item.name] = await measureInEnvoy(rig, item);
  if (writing) {
    const file = new URL('../emulator/measured.json', import.meta.url);
    const source =
      'SIDEGATE_WRITE_MEASURED=1 node --test test/e2e/emulator-vs-envoy.test.ts; npm run format';
    await writeFile(file, `${JSON.stringify({ generatedBy: source, cases: measured }, null, 2)}\n`);
  }
  assert.deepEqual(measured, await readMeasured());
});

/** An emulated proxy with one worker and an upstream that answers every call. */
function proxy(failurePolicy: FailurePolicy = 'closed') {
  const clock = new VirtualClock();
  const answer = () => ({
    status: 200,
    headers: { 'content-length': '2', connection: 'keep-alive', 'x-envoy-upstream': '0' },
    body: 'ok',
  });
  const clusters = new Clusters({ upstream: answer });
  const options = { workers: 1, clock, random: seededRandom(7), clusters, failurePolicy };
  const fleet = new Fleet(PROBE, { ...options, vmConfiguration: 'vm text' });
  return { clock, fleet };
}

/** The lines both threads and the canary wrote, in an order of their own. */
function sorted(lines: readonly string[]): string[] {
  return [...lines].sort();
}

// Guarantees that a change of configuration, the hardest time in a filter's life, runs in the
// emulator as it runs in Envoy: the same callbacks, as often, with the same results.
for (const [name, before] of [
  ['calls and then says that it is done', `done: ${CALL};return 0\nanswer: done;effective root`],
  ['is done at once with a call open', `done: ${CALL}\nanswer: count`],
  ['says twice that it is done', `done: ${CALL};return 0\nanswer: done;done`],
  ['says that it is done while it is asked', 'done: done'],
] as const) {
  test(`an old configuration that ${name}`, async () => {
    const after = 'configure: count';
    const { clock, fleet } = proxy();
    fleet.apply({ ...plugin(before) });
    fleet.apply({ ...plugin(after) });
    clock.advance(0);

    await using rig = await EnvoyRig.start({ modulePath, configuration: before });
    assert.equal(await rig.configure(after), 'taken');
    const expected = sorted(fleet.log.messages);
    await until('both threads have changed', () => rig.logs().length >= expected.length);
    assert.deepEqual(sorted(rig.logs()), expected);
  });
}

// Guarantees that a filter which refuses a configuration on a thread only is shown for what it is:
// Envoy lets requests pass unfiltered and takes no configuration any more.
test('a refusal on a thread opens the proxy', async () => {
  const before = 'configure: once k';
  const { fleet } = proxy();
  assert.deepEqual(fleet.apply({ ...plugin(before) }), { accepted: true });
  const [worker] = fleet.workers;
  const stream = worker?.request({ headers: { ':path': '/' } });
  assert.equal(stream?.outcome, 'continued');
  assert.deepEqual(fleet.apply({ ...plugin('log: count') }), {
    accepted: false,
    reason: 'poisoned',
  });

  await using rig = await EnvoyRig.start({ modulePath, configuration: before });
  assert.ok((await rig.exchange('GET', '/', [])).upstream);
  assert.equal(await rig.configure('log: count'), 'refused');
  assert.ok((await rig.exchange('GET', '/', [])).upstream);
  assert.deepEqual(sorted(rig.logs()), sorted(fleet.log.messages));
});

// Guarantees that a refusal by the canary changes nothing.
test('a refusal by the canary keeps what is there', async () => {
  const { fleet } = proxy();
  fleet.apply({ ...plugin('log: count') });
  assert.deepEqual(fleet.apply({ ...plugin('configure: return 0') }), {
    accepted: false,
    reason: 'canary',
  });

  await using rig = await EnvoyRig.start({ modulePath, configuration: 'log: count' });
  assert.equal(await rig.configure('configure: return 0'), 'refused');
  assert.deepEqual(sorted(rig.logs()), sorted(fleet.log.messages));
});

// Guarantees that a trap costs what it costs in Envoy: 503 for that stream, a new VM for the next
// one if the last is old enough, and a stream that was held is never answered.
test('a trap is survived in the same way', async () => {
  const { clock, fleet } = proxy('reload');
  fleet.apply({ ...plugin('') });
  await using rig = await EnvoyRig.start({
    modulePath,
    configuration: '',
    failurePolicy: 'FAIL_RELOAD',
  });
  const ask = async (script: string) => {
    const [worker] = fleet.workers;
    const stream = worker?.request({ headers: [['x-script', script]] });
    const exchange = await rig.exchange('GET', '/', [['x-script', script]]);
    const emulated = stream?.answer?.status ?? 200;
    assert.equal(exchange.status, emulated, script);
    return exchange.status;
  };
  assert.equal(await ask('request: count'), 200);
  const hold = 'request: log 2 held;return 1';
  const [worker] = fleet.workers;
  const emulated = worker?.request({ headers: [['x-script', hold]] });
  let answered = false;
  const noteAnswer = () => {
    answered = true;
  };
  rig.exchange('GET', '/', [['x-script', hold]]).then(noteAnswer, () => undefined);
  await rig.logsUntil((line) => line === 'held');
  assert.equal(await ask('request: trap'), 503);
  assert.equal(await ask('request: malloc 2'), 503);
  clock.advance(2_000);
  await until('the worker has a new VM', async () => {
    return (await rig.exchange('GET', '/', [['x-script', 'request: count']])).status === 200;
  });
  assert.equal(await ask('request: malloc 3;get request x-script;count'), 503);
  assert.equal(emulated?.outcome, 'paused');
  assert.equal(answered, false);
});
