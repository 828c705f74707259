/**
 * Tests of `sidegate doctor`: every trap has manifests here and what doctor says of them is pinned
 * beside each, as `<code>-<trap>.txt`. The release module judges the configurations.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { FINDINGS } from '../../host/cli/doctor-findings.ts';
import { Exit } from '../../host/cli/outcome.ts';
import { layoutNames } from '../../host/cli/samples.ts';
import { sidegate } from '../host/cli/command.ts';
import { assertUpToDate } from '../tidy/golden.ts';
import { hostHearing, serveCluster, versionOf } from './live.ts';

const TRAPS = path.join(import.meta.dirname, 'traps');
const MODULE = path.join(import.meta.dirname, '../../build/filter.wasm');
const MANIFEST_DIGEST = '1'.repeat(64);
const GIVEN = ['--module', MODULE, '--digest', `sha256:${MANIFEST_DIGEST}`];
const traps = readdirSync(TRAPS).filter((name) => name.endsWith('.yaml'));
/** Of a running mesh: what the host hears and the proxies say stands beside them. */
const liveOf = (name: string) => path.join(TRAPS, name.replace('.yaml', '.live.json'));
const inFiles = traps.filter((name) => !existsSync(liveOf(name)));

const DOCTOR_PAGE = `# What doctor finds in manifests

<!-- Made from the source by: UPDATE_GOLDEN=1 npm test -- istio -->

\`sidegate doctor -f PATH…\` reads manifests for Istio, as [istio/](../istio/README.md) has them,
and names what is known to leave an API open or broken. Most of it passes \`istioctl validate\` and
the API server. \`sidegate doctor --kubeconfig FILE\` reads the same objects from a running mesh, with
the pods that are there, and asks the agents of the proxies for their metrics through the API server
(\`get\` on \`pods/proxy\`); with \`--host\` or \`--context\` it also asks the host which proxies it hears. It
reads no Secret, so \`SG2204\` is for files. Files that hold running pods, as \`kubectl get -o yaml\`
prints them, are taken for all there is. A kubeconfig may hold a token, a file with one, or a client
certificate; one that runs a program to log in (\`exec\`) or asks for a proxy is refused.

It ends with 3 when it found something. When it found nothing it ends with 0 only if it could look at everything: with 7
where the API server forbids a kind or the metrics of proxies, with 5 where there is more than it reads of a kind. It
needs \`list\` on these kinds and on namespaces, and \`get\` on \`pods/proxy\`, and says what it did not read.

| code | what is wrong | fix |
|---|---|---|`;

interface Shown {
  code: string;
  file: string;
  line: number;
  column: number;
}

/** The trap that needs a key bound to networks beside it. */
const BOUND = 'SG2113-sidecar-without-addresses.yaml';

/** Resources of traps that need others than a product with keys after `Bearer`. */
const RESOURCES: Record<string, string[]> = {
  [BOUND]: ['bearer-product', 'bound-key'],
  'SG2114-token-in-authn.yaml': ['token-product'],
};

/** A folder for one test, with what the traps need filled in. */
function makeFolder(t: { after(end: () => void): void }): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'sidegate-doctor-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function fillIn(folder: string, name: string): void {
  const digest = createHash('sha256').update(readFileSync(MODULE)).digest('hex');
  const text = readFileSync(path.join(TRAPS, name), 'utf8');
  writeFileSync(path.join(folder, name), text.replace('MODULE_DIGEST', digest));
  const resources = RESOURCES[name] ?? ['bearer-product'];
  const texts = resources.map((each) =>
    readFileSync(path.join(TRAPS, `${each}.resources`), 'utf8'),
  );
  writeFileSync(path.join(folder, 'resources.yaml'), texts.join('---\n'));
}

// Guarantees that each trap is named at its place, in these words, and that nothing else is.
test('every trap is found, and what is said of it is pinned', async (t) => {
  const folder = makeFolder(t);
  for (const name of inFiles) {
    fillIn(folder, name);
    const args = ['doctor', '-f', name, ...GIVEN, '--resources', 'resources.yaml'];
    const ended = await sidegate(args, { folder });
    const json = await sidegate([...args, '-o', 'json'], { folder });
    const codes = new Set((JSON.parse(json.stdout) as Shown[]).map(({ code }) => code));
    const expected = expectedOf(name);
    assert.deepEqual([...codes], expected, `${name}\n${ended.stdout}${ended.stderr}`);
    assert.equal(ended.exit, expected.length === 0 ? Exit.done : Exit.problems);
    const digest = createHash('sha256').update(readFileSync(MODULE)).digest('hex');
    const text = ended.stdout.replaceAll(digest, 'MODULE_DIGEST');
    assertUpToDate(`test/istio/traps/${name.replace('.yaml', '.txt')}`, text);
  }
});

const expectedOf = (name: string) => (name.startsWith('fine') ? [] : [name.slice(0, 6)]);
const TOKEN = 'token-of-the-test';

// Guarantees that what only a running mesh shows is named, from what API server, proxies and host
// say.
test('every trap of a running mesh is found', async (t) => {
  const folder = makeFolder(t);
  const live = traps.filter((name) => !inFiles.includes(name));
  for (const name of live) {
    const { engines, metrics } = JSON.parse(readFileSync(liveOf(name), 'utf8'));
    await using host = await hostHearing(engines);
    const objects = readFileSync(path.join(TRAPS, name), 'utf8');
    await using cluster = await serveCluster(objects, metrics, TOKEN);
    writeFileSync(path.join(folder, 'config'), cluster.config);
    const address = await host.listenAdmin();
    const args = ['doctor', '--kubeconfig', 'config', '--host', address, ...GIVEN];
    const where = { folder, env: { SIDEGATE_ADMIN_TOKEN: host.adminToken } };
    const ended = await sidegate(args, where);
    const json = await sidegate([...args, '-n', 'shop', '-o', 'json'], where);
    assert.equal(ended.exit, name.startsWith('fine') ? Exit.done : Exit.problems, ended.stderr);
    const codes = new Set((JSON.parse(json.stdout) as Shown[]).map(({ code }) => code));
    assert.deepEqual([...codes], expectedOf(name), `${name}\n${ended.stdout}${ended.stderr}`);
    const version = await versionOf(host);
    const text = ended.stdout
      .replaceAll(`host ${version}`, 'host VERSION')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME');
    assertUpToDate(`test/istio/traps/${name.replace('.yaml', '.txt')}`, text);
  }
});

// Guarantees that no finding is without a trap that shows it.
test('every code has a trap', () => {
  const shown = new Set(traps.map((name) => name.slice(0, 6)));
  assert.deepEqual(
    Object.keys(FINDINGS).filter((code) => !shown.has(code)),
    [],
  );
});

// Guarantees that whoever meets a code can look it up.
test('every code is documented', () => {
  const rows = Object.entries(FINDINGS).map(([code, { message, fix }]) => {
    const cells = [message, fix].map((cell) => cell.replaceAll('|', '\\|'));
    return `| \`${code}\` | ${cells.join(' | ')} |`;
  });
  assertUpToDate('docs/istio.md', `${DOCTOR_PAGE}\n${rows.join('\n')}\n`);
});

// Guarantees that one run names all that is wrong, in the order of files and lines.
test('all findings of all files come at once', async (t) => {
  const folder = makeFolder(t);
  // Beside pods of others, a plugin without any would be a finding more.
  const files = inFiles.filter(
    (name) => !/kind: Pod/.test(readFileSync(path.join(TRAPS, name), 'utf8')),
  );
  for (const name of files) fillIn(folder, name);
  fillIn(folder, BOUND);
  const names = files.filter((name) => name !== 'fine.yaml');
  const args = ['doctor', '-f', ...names, ...GIVEN, '-o', 'json'];
  const { exit, stdout } = await sidegate(args, { folder });
  assert.equal(exit, Exit.problems);
  const found = JSON.parse(stdout) as Shown[];
  const places = found.map(({ file, line }) => `${file}:${String(line).padStart(5)}`);
  assert.deepEqual(places, [...places].sort());
  const silent = names.filter((name) => !found.some(({ file }) => file === name));
  assert.deepEqual(silent, []);
});

// Guarantees that a secret in a manifest does not reach the terminal or a log of CI.
test('no secret is shown', async (t) => {
  const folder = makeFolder(t);
  fillIn(folder, 'SG2204-another-secret.yaml');
  const text = readFileSync(path.join(folder, 'SG2204-another-secret.yaml'), 'utf8');
  const block = text.replace(/- \{ (name: SIDEGATE_\w+), (value: .*) \}/, '- $1\n        $2');
  assert.notEqual(block, text);
  writeFileSync(path.join(folder, 'block.yaml'), block);
  for (const name of ['SG2204-another-secret.yaml', 'block.yaml']) {
    for (const format of ['text', 'json']) {
      const args = ['doctor', '-f', name, ...GIVEN, '-o', format];
      const { exit, stdout, stderr } = await sidegate(args, { folder });
      assert.equal(exit, Exit.problems);
      assert.doesNotMatch(stdout + stderr, /one-that-/);
    }
  }
});

// Guarantees that what we ship, filled in, falls into no trap that we know.
test('every layout passes', async (t) => {
  const folder = makeFolder(t);
  const env = {
    SIDEGATE_SYNC_SECRET: 'a-secret-of-the-mesh',
    SIDEGATE_MARK: 'a-mark-of-the-workload',
    SIDEGATE_HOP_KEY: 'a-key-of-hop-tokens-of-this-proxy-group',
  };
  for (const layout of layoutNames()) {
    for (const kind of ['WasmPlugin', 'TrafficExtension']) {
      const filled = await sidegate(
        [
          ['samples', 'istio', '--layout', layout, '--kind', kind, '--digest', MANIFEST_DIGEST],
          ['--image', 'images.example.net/filter:1', '--host-image', 'images.example.net/host:1'],
        ].flat(),
        { env },
      );
      writeFileSync(path.join(folder, 'layout.yaml'), filled.stdout);
      const ended = await sidegate(['doctor', '-f', 'layout.yaml', ...GIVEN], { folder });
      assert.equal(ended.exit, Exit.done, `${layout} ${kind}\n${ended.stdout}`);
      assert.match(ended.stderr, /[12] plugins: nothing found/);
    }
  }
});

// Guarantees that a wrong command line and files that cannot be read are told from findings.
test('usage and unreadable files have their own ends', async (t) => {
  const folder = makeFolder(t);
  assert.equal((await sidegate(['doctor', '-f', 'absent.yaml'], { folder })).exit, Exit.usage);
  fillIn(folder, 'fine.yaml');
  const digest = await sidegate(['doctor', '-f', 'fine.yaml', '--digest', 'abc'], { folder });
  assert.equal(digest.exit, Exit.usage);
  writeFileSync(path.join(folder, 'broken.yaml'), 'kind: [WasmPlugin\n');
  const broken = await sidegate(['doctor', '-f', 'broken.yaml', ...GIVEN], { folder });
  assert.equal(broken.exit, Exit.problems);
  assert.match(broken.stdout, /^broken\.yaml:\d+:\d+ {2}error SG1001/);
});
