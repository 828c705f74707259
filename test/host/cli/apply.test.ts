/**
 * The verbs of declared resources: what they print, what they change, and how they end, the same
 * for every output format.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { withProgress } from '../../../host/cli/progress.ts';
import { LOAD_BOUNDS, readFiles } from '../../../host/resources/load.ts';
import { Progress } from '../../../host/service/progress.ts';
import { Folder } from '../../support/folders.ts';
import { resourcesOf } from '../../support/policies.ts';
import { TrialHost } from '../../support/trial-host.ts';
import { until } from '../../support/wait.ts';
import { sidegate } from './command.ts';

const FORMATS = ['table', 'json', 'yaml', 'name'];

async function started() {
  const host = await TrialHost.start();
  assert.ok((await host.catalogue.start()).ok);
  const folder = await Folder.make();
  for (const [name, text] of Object.entries(resourcesOf())) {
    await writeFile(folder.join(name), text);
  }
  const env = { SIDEGATE_HOST: await host.listenAdmin(), SIDEGATE_ADMIN_TOKEN: host.adminToken };
  const run = (...args: string[]) => sidegate(args, { env });
  const pipe = (stdin: string, ...args: string[]) => sidegate(args, { env, stdin });
  const end = async () => {
    await host[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  };
  return { host, env, folder, run, pipe, here: folder.join('.'), [Symbol.asyncDispose]: end };
}

const PLAN = `apiVersion: sidegate.dev/v1alpha1
kind: Plan
metadata: { name: orders-gold }
spec:
  limits:
    - { name: daily, quota: 7, window: 1d }
`;

// Guarantees the whole way of a change: shown, made, made once, and gone back on.
test('diff, apply, diff again, revisions and rollback', async () => {
  await using setting = await started();
  const { run, pipe, here } = setting;
  const shown = await run('diff', '-f', here);
  assert.equal(shown.exit, 4);
  assert.match(shown.stdout, /^\+ Application default\/shop$/m);
  assert.match(shown.stderr, /^Would change 5 resources \(5 made, 0 changed, 0 removed\)/);
  const dry = await run('apply', '--dry-run', '-f', here);
  assert.deepEqual([dry.exit, dry.stdout], [0, shown.stdout]);
  const made = await run('apply', '-f', here);
  assert.deepEqual([made.exit, made.stdout], [0, shown.stdout]);
  assert.match(made.stderr, /^Changed 5 resources .*; revision 2\.$/m);
  const none = await run('diff', '-f', here);
  assert.deepEqual([none.exit, none.stdout], [0, '']);
  assert.match(none.stderr, /^No difference: the resources are at revision 2\.$/m);
  const changed = await pipe(PLAN, 'apply', '-f', '-');
  assert.equal(
    changed.stdout,
    '~ Plan default/orders-gold\n    spec.limits[0].quota: 1000000 -> 7\n',
  );
  const table = await run('revisions');
  assert.match(table.stdout, /^REVISION +AT +BY +CAUSE +CHANGES\n3 .* root +apply +1\n2 .* 5\n$/);
  assert.equal((await run('revisions', '3')).stdout, changed.stdout);
  const asked = await run('rollback', '2');
  assert.deepEqual([asked.exit, asked.stdout.split('\n').length], [5, 3]);
  assert.match(asked.stderr, /nothing was changed\n {2}Add --yes/);
  assert.equal((await run('rollback', '2', '--dry-run')).exit, 0);
  assert.equal((await run('rollback', '2', '--yes')).exit, 0);
  assert.equal((await run('diff', '-f', here)).exit, 0);
  assert.match((await run('audit', '--name', 'orders-gold')).stdout, /rollback to 2/);
});

// Guarantees that what goes is listed first and never implied.
test('prune lists what goes and asks for --yes', async () => {
  await using setting = await started();
  const { run, here, folder } = setting;
  await run('apply', '-f', here);
  await writeFile(folder.join('orders-callers.yaml'), '');
  await writeFile(folder.join('orders-plan.yaml'), '');
  assert.equal((await run('diff', '-f', here)).exit, 0, 'without prune nothing goes');
  const refused = await run('apply', '-f', here, '--prune');
  assert.deepEqual([refused.exit, refused.stdout], [5, '']);
  assert.match(refused.stderr, /this would remove 4 resources; nothing was changed/);
  assert.match(refused.stderr, /^ {2}- Subscription default\/shop$/m);
  const done = await run('apply', '-f', here, '--prune', '--yes');
  assert.deepEqual([done.exit, done.stdout.match(/^- /gm)?.length], [0, 4]);
});

// Guarantees that problems are shown as for files, all of them, with place and fix; to a program as
// the same values that validate gives it.
test('apply of resources with problems', async () => {
  await using setting = await started();
  const bad = PLAN.replace('1d', '5min').replace('quota', 'quotas');
  for (const format of ['json', 'yaml']) {
    const offline = await sidegate(['validate', '-', '-o', format], { stdin: bad });
    for (const verb of ['apply', 'diff']) {
      const ended = await setting.pipe(bad, verb, '-f', '-', '-o', format);
      assert.deepEqual([ended.exit, ended.stdout], [3, offline.stdout]);
      assert.match(ended.stderr, /^error: /);
      const [first] = parse(ended.stdout);
      assert.deepEqual(
        [first.file, first.line, first.column, first.code, first.message],
        ['(standard input)', 6, 22, 'SG1103', 'unknown field "quotas"'],
      );
      assert.ok(first.fix.length > 0);
    }
  }
  for (const format of ['table', 'name']) {
    const ended = await setting.pipe(bad, 'apply', '-f', '-', '-o', format);
    assert.equal(ended.exit, 3);
    assert.equal(ended.stdout, '');
    assert.match(
      ended.stderr,
      /^\(standard input\):6:22 {2}error SG1103 {2}unknown field "quotas"/m,
    );
    assert.match(ended.stderr, /error SG1203 {2}unknown window unit "min"\n.*\n.*\^\^\^\^\n.*"5m"/);
  }
});

// Guarantees that what is printed can be read by the program it is for.
test('get in every format, describe, export and delete', async () => {
  await using setting = await started();
  const { run, pipe, here } = setting;
  await run('apply', '-f', here);
  const table = await run('get', 'plans');
  assert.match(
    table.stdout,
    /^NAMESPACE +NAME +LIMITS\ndefault +orders-gold +daily 1000000\/1d\n$/,
  );
  const wide = await run('get', 'Product', '-o', 'wide');
  assert.match(wide.stdout, /LIFECYCLE +PROXY-GROUP +BASE-PATH +HOSTS +APPROVAL +MODE +LABELS\n/);
  assert.equal((await run('get', 'plan', '-o', 'name')).stdout, 'orders-gold\n');
  const json = JSON.parse((await run('get', 'plan', 'orders-gold', '-o', 'json')).stdout);
  assert.equal(json.spec.limits[0].window, '1d');
  assert.equal(parse((await run('get', 'plan', '-o', 'yaml')).stdout)[0].kind, 'Plan');
  assert.equal((await run('get', 'plans', '-n', 'other', '-o', 'json')).stdout, '[]\n');
  const described = await run('describe', 'subscription', 'shop');
  assert.match(
    described.stdout,
    /state: active\n[\s\S]*# Last changes\n# \S+ {2}revision 2 {2}create/,
  );
  const exported = await run('export');
  assert.equal(parseAllDocuments(exported.stdout).length, 5);
  assert.equal((await pipe(exported.stdout, 'diff', '-f', '-', '--prune')).exit, 0);
  assert.match((await run('export', '--kind', 'plans')).stdout, /^apiVersion[\s\S]*kind: Plan/);
  const used = await run('delete', 'plan', 'orders-gold');
  assert.equal(used.exit, 3);
  assert.match(used.stderr, /^Subscription default\/shop:\d+:\d+ {2}error SG1301 {2}no Plan/m);
  const gone = await run('delete', 'subscription', 'shop');
  assert.deepEqual([gone.exit, gone.stdout], [0, '- Subscription default/shop\n']);
});

// Guarantees that a decision on a subscription is one line, and that status tells what is so.
test('subscription verbs and status', async () => {
  await using setting = await started();
  const { run, here } = setting;
  await run('apply', '-f', here);
  const suspended = await run('subscription', 'suspend', 'shop');
  assert.equal(
    suspended.stdout,
    '~ Subscription default/shop\n    spec.state: "active" -> "suspended"\n',
  );
  assert.equal((await run('subscription', 'resume', 'shop', '-o', 'name')).exit, 0);
  const status = await run('status');
  assert.equal(status.exit, 0);
  assert.match(
    status.stdout,
    /from the admin API, last changed at revision 4\nproxy group default/,
  );
  assert.equal(JSON.parse((await run('status', '-o', 'json')).stdout).resources.from, 'api');
  assert.equal((await run('status', '-o', 'name')).stdout, 'default\n');
});

// Guarantees the exit codes, which are the same for every output format.
test('every failure has its exit code', async () => {
  await using setting = await started();
  const { run, here } = setting;
  await run('apply', '-f', here);
  const cases: [string[], number, RegExp][] = [
    [['apply'], 2, /--filename/],
    [['apply', '-f', 'nowhere'], 2, /there is nothing at this path/],
    [['get', 'palns'], 2, /unknown kind "palns"\n {2}Did you mean plan\?/],
    [['get', 'plan', 'nobody'], 5, /no plan "nobody" in namespace "default"/],
    [['delete', 'plan', 'nobody'], 5, /no Plan "nobody"/],
    [['rollback', 'x'], 2, /"x" is no revision/],
    [['rollback', '99'], 5, /no revision 99/],
    [['revisions', '99'], 5, /changed no resources/],
    [['subscription', 'approve', 'nobody'], 5, /no subscription "nobody"/],
    [['get', 'plans', '--host', '127.0.0.1:9'], 6, /no host answers/],
    [['diff', '-f', here, '--host', '127.0.0.1:9'], 6, /no host answers/],
  ];
  for (const [args, exit, text] of cases) {
    for (const format of FORMATS) {
      const ended = await run(...args, '-o', format);
      assert.equal(ended.exit, exit, `${args.join(' ')}: ${ended.stderr}`);
      assert.match(ended.stderr, text);
      assert.equal(ended.stdout, '');
    }
  }
});

// Guarantees that a host of files in git says so instead of taking a change.
test('a host with a folder', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf(), folder: '/etc/sidegate' });
  const env = { SIDEGATE_HOST: await host.listenAdmin(), SIDEGATE_ADMIN_TOKEN: host.adminToken };
  const refused = await sidegate(['apply', '-f', '-'], { env, stdin: PLAN });
  assert.equal(refused.exit, 5);
  assert.match(refused.stderr, /takes resources from the folder \/etc\/sidegate alone/);
  assert.equal((await sidegate(['diff', '-f', '-'], { env, stdin: PLAN })).exit, 4);
});

// Guarantees that whoever cannot change a host is told so first, before problems of files that
// would not help to mend and lists of what would never go.
test('a host with a folder says so before anything else', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf(), folder: '/etc/sidegate' });
  const env = { SIDEGATE_HOST: await host.listenAdmin(), SIDEGATE_ADMIN_TOKEN: host.adminToken };
  const bad = PLAN.replace('1d', '5min');
  for (const stdin of [PLAN, bad]) {
    for (const more of [[], ['--prune'], ['--prune', '--yes'], ['--dry-run']]) {
      const { exit, stdout, stderr } = await sidegate(['apply', '-f', '-', ...more], {
        env,
        stdin,
      });
      assert.deepEqual([exit, stdout], [5, ''], `${more}`);
      assert.match(stderr, /^error: this host takes resources from the folder/);
    }
  }
  for (const more of [[], ['--yes'], ['--dry-run']]) {
    const { exit, stderr } = await sidegate(['rollback', '1', ...more], { env });
    assert.equal(exit, 5);
    assert.match(stderr, /^error: this host takes resources from the folder/);
  }
  assert.equal((await sidegate(['diff', '-f', '-'], { env, stdin: bad })).exit, 3);
});

// Guarantees that a difference stays one, whatever its body says: it may be asked for by those who
// may change nothing.
test('a diff changes nothing', async () => {
  await using setting = await started();
  const { host } = setting;
  const files = [{ name: 'a.yaml', text: PLAN }];
  const { body } = await host.ask('POST', '/v1/tokens', { name: 'v', role: 'view' });
  const asked = await host.ask('POST', '/v1/diff', { files, dryRun: false }, { token: body.token });
  assert.deepEqual([asked.status, asked.body.changed], [200, true]);
  const dry = await host.ask('POST', '/v1/apply', { files, dryRun: true });
  assert.deepEqual(dry.body, asked.body);
  assert.deepEqual(await host.store.resources(), []);
});

// Guarantees that who waits for a large change sees how far it is: counted on one line of a
// terminal that is gone in the end, or by a line now and then.
test('a change that takes long shows its progress', async () => {
  await using setting = await started();
  const { host, env } = setting;
  const target = { host: env.SIDEGATE_HOST, token: env.SIDEGATE_ADMIN_TOKEN };
  const shown = async (isTTY: boolean) => {
    let text = '';
    const write = (more: string) => {
      text += more;
    };
    const stream = { isTTY, write };
    const context = { env, folder: '/', stdout: stream, stderr: stream, nowMs: Date.now };
    const { promise, resolve } = Promise.withResolvers<string>();
    const answer = withProgress(context, target, promise, 5);
    host.progress = { phase: 'reading', done: 120_000, total: 400_000 };
    await until('progress is shown', () => text.includes('Reading'), { deadlineMs: 30_000 });
    host.progress = { phase: 'writing', done: 400_000, total: 400_000 };
    if (isTTY) await until('it moves', () => text.includes('Writing'), { deadlineMs: 30_000 });
    host.progress = undefined;
    resolve('done');
    assert.equal(await answer, 'done');
    return text;
  };
  const terminal = await shown(true);
  assert.match(terminal, /^\rReading 120,000 of 400,000 resources \.\.\. */);
  assert.match(terminal, /\rWriting 400,000 resources \.\.\. */);
  assert.match(terminal, /\r +\r$/, 'the line is taken away');
  assert.equal(await shown(false), 'Reading 120,000 of 400,000 resources ...\n');
});

// Guarantees that what is counted is what happens, from the first resource to the last.
test('the host counts what it reads of a large change', async () => {
  const told: string[] = [];
  const progress = new Progress((each) => told.push(each ? `${each.phase} ${each.done}` : 'over'));
  const text = Array.from(
    { length: 2_500 },
    (_, at) => `kind: Consumer\nmetadata: { name: c-${at} }\n`,
  );
  const bytes = Buffer.from(text.join('---\n'));
  progress.begin([{ name: 'all.yaml', bytes }]);
  const onRead = (done: number) => progress.tell('reading', done);
  readFiles([{ name: 'all.yaml', bytes }], LOAD_BOUNDS, onRead);
  progress.tell('checking');
  progress.end();
  const reading = ['reading 0', 'reading 1000', 'reading 2000'];
  assert.deepEqual(told, [...reading, 'checking 2500', 'over']);
});
