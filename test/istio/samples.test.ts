/**
 * Tests of the manifests in istio/ and of the verb that prints them: one source, nothing left out,
 * and no place that the reader was not told to fill in.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { Exit } from '../../host/cli/outcome.ts';
import { layoutNames, MANIFESTS, PLACEHOLDERS } from '../../host/cli/samples.ts';
import { readSettings } from '../../host/config/settings.ts';
import { loadResources } from '../../host/resources/load.ts';
import { sidegate } from '../host/cli/command.ts';

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
  // biome-ignore lint/suspicious/noExplicitAny: manifests of many kinds are read as they come.
  spec: any;
}

const documentsOf = (text: string): Manifest[] =>
  parseAllDocuments(text).map((document) => document.toJS());
const idOf = ({ kind, metadata: { namespace, name } }: Manifest) => `${kind} ${namespace}/${name}`;
const read = (name: string) => readFileSync(path.join(MANIFESTS, name), 'utf8');

const FILLED = [
  ['--image', 'oci://images.example.net:5000/filter:1.0'],
  ['--digest', `sha256:${'ab'.repeat(32)}`],
  ['--host-image', 'images.example.net:5000/host:1.0'],
].flat();
const LAYOUTS = ['s1', 's2', 's3', 's3-outbound', 's4', 's5', 's10', 's10-both', 'waypoint'];
const MARK = 'a-"mark"-of-the-workload';
const SECRET = 'a-"secret"-of-the-mesh';

// Guarantees that what is printed is what lies in istio/, document for document, in both kinds.
test('every layout prints its own files and those of the host', async () => {
  assert.deepEqual(layoutNames(), LAYOUTS);
  for (const layout of layoutNames()) {
    for (const kind of ['WasmPlugin', 'TrafficExtension']) {
      const { exit, stdout } = await sidegate([
        'samples',
        'istio',
        '--layout',
        layout,
        '--kind',
        kind,
      ]);
      assert.equal(exit, Exit.done);
      const other = kind === 'WasmPlugin' ? /extension\.yaml$/ : /plugin\.yaml$/;
      const files = ['host', 'example', `layouts/${layout}`].flatMap((folder) =>
        readdirSync(path.join(MANIFESTS, folder))
          .filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml')
          .filter((name) => !other.test(name))
          .map((name) => `${folder}/${name}`),
      );
      const expected = files.flatMap((file) => documentsOf(read(file)));
      const printed = documentsOf(stdout);
      const byId = (a: Manifest, b: Manifest) => (idOf(a) < idOf(b) ? -1 : 1);
      assert.deepEqual(printed.sort(byId), expected.sort(byId));
      assert.equal(new Set(printed.map(idOf)).size, printed.length, 'nothing is declared twice');
    }
  }
});

// Guarantees that the two kinds say the same of the filter, so that moving changes nothing.
test('WasmPlugin and TrafficExtension of a layout agree', () => {
  for (const layout of layoutNames()) {
    for (const inner of layout === 's10-both' ? ['', 'inner-'] : ['']) {
      const [plugin] = documentsOf(read(`layouts/${layout}/${inner}plugin.yaml`));
      const [extension] = documentsOf(read(`layouts/${layout}/${inner}extension.yaml`));
      assert.ok(plugin && extension);
      const { wasm, ...around } = extension.spec;
      assert.deepEqual({ ...around, ...wasm }, plugin.spec, layout);
      assert.deepEqual(extension.metadata, plugin.metadata);
    }
  }
});

// Guarantees that a filled layout has no placeholder left, and that an open one says what is open.
test('places are filled in, and what is open is named', async () => {
  const args = ['samples', 'istio', '--layout', 'S2'];
  const open = await sidegate(args);
  assert.equal(open.stderr.trim().split('\n').length, 5, open.stderr);
  const env = { SIDEGATE_SYNC_SECRET: SECRET, SIDEGATE_MARK: MARK };
  const { exit, stdout, stderr } = await sidegate([...args, ...FILLED], { env });
  assert.equal(exit, Exit.done, stderr);
  assert.equal(stderr, '');
  for (const placeholder of Object.values(PLACEHOLDERS)) assert.ok(!stdout.includes(placeholder));
  const documents = documentsOf(stdout);
  const plugin = documents.find(({ kind }) => kind === 'WasmPlugin');
  assert.equal(plugin?.spec.url, 'oci://images.example.net:5000/filter:1.0');
  assert.equal(plugin?.spec.sha256, 'ab'.repeat(32));
  const names = { SIDEGATE_SYNC_SECRET: SECRET, SIDEGATE_MARK: MARK };
  const variables = Object.entries(names).map(([name, value]) => ({ name, value }));
  assert.deepEqual(plugin?.spec.vmConfig.env, variables);
  const belt = documents.find(({ metadata }) => metadata.name === 'sidegate-belt');
  assert.deepEqual(belt?.spec.rules[0].when[0].notValues, [MARK]);
});

// Guarantees that a slip on the command line does not become a manifest that opens the API.
test('values that cannot be meant are refused, all at once', async () => {
  const args = ['--layout', 's2', '--image', 'http://x y', '--digest', 'sha256:12'];
  const env = { SIDEGATE_SYNC_SECRET: 'short', SIDEGATE_MARK: 'a mark with blanks' };
  const { exit, stdout, stderr } = await sidegate(['samples', 'istio', ...args], { env });
  assert.equal(exit, Exit.usage);
  assert.equal(stdout, '');
  for (const about of [/--image/, /--digest/, /SIDEGATE_SYNC_SECRET/, /SIDEGATE_MARK/])
    assert.match(stderr, about);
  const unknown = await sidegate(['samples', 'istio', '--layout', 's6']);
  assert.equal(unknown.exit, Exit.usage);
  assert.match(unknown.stderr, /s1, s2, s3, s3-outbound, s4/);
});

// Guarantees that the host starts with what the manifests hand it: arguments, secret, resources.
test('the host takes its arguments and resources', () => {
  const [stateful] = documentsOf(read('host/stateful-set.yaml'));
  const [secret] = documentsOf(read('host/secret.yaml')) as unknown as [{ stringData: object }];
  const { args } = stateful?.spec.template.spec.containers[0] ?? {};
  const settings = readSettings(args, { ...secret?.stringData });
  assert.ok(settings.ok, JSON.stringify(settings));
  const { data } = parse(read('host/resources.yaml')) as { data: Record<string, string> };
  const files = Object.entries(data).map(([name, text]) => ({ name, bytes: Buffer.from(text) }));
  const loaded = loadResources(files);
  assert.ok(loaded.ok, JSON.stringify(loaded));
});

// Guarantees that the chart knows every layout and fills in every place, as the verb does; that
// what it renders is the same is shown where Helm is, in the rig.
test('the chart has the layouts, the places and the version of the package', () => {
  const schema = JSON.parse(read('values.schema.json'));
  assert.deepEqual(schema.properties.layout.enum, layoutNames());
  const templates = read('templates/_files.tpl');
  for (const placeholder of Object.values(PLACEHOLDERS)) {
    assert.ok(templates.includes(`replace "${placeholder}" `), placeholder);
  }
  const { version } = JSON.parse(read('../package.json'));
  const chart = parse(read('Chart.yaml'));
  assert.deepEqual([chart.version, chart.appVersion], [version, version]);
});

// Guarantees that the fence of the network stands where it says: the sync port for the namespaces
// whose proxies run a filter, the admin port for nobody.
test('the NetworkPolicy opens the sync port to the namespaces of the filters alone', () => {
  const [policy] = documentsOf(read('host/network-policy.yaml'));
  const open = policy?.spec.ingress.flatMap(
    ({ from, ports }: { from?: object[]; ports: { port: number }[] }) =>
      ports.map(({ port }) => `${port} ${from === undefined ? 'all' : JSON.stringify(from)}`),
  );
  const filtered = layoutNames().flatMap((layout) => {
    return documentsOf(read(`layouts/${layout}/plugin.yaml`)).map((one) => one.metadata.namespace);
  });
  const values = `"values":["shop","istio-ingress"]`;
  assert.equal(open.filter((text: string) => text.startsWith('8081')).length, 1);
  assert.ok(open[0].includes(values), open[0]);
  assert.deepEqual([...new Set(filtered)].sort(), ['istio-ingress', 'shop']);
  assert.ok(open.every((text: string) => !text.startsWith('8080')));
});

// Guarantees that each belt asks the workload of the plugin for the mark that the plugin sets.
test('the belt of a layout is that of its plugin', () => {
  for (const layout of layoutNames()) {
    const [plugin] = documentsOf(read(`layouts/${layout}/plugin.yaml`));
    const named = readdirSync(path.join(MANIFESTS, 'layouts', layout)).includes('belt.yaml');
    const names = plugin?.spec.vmConfig.env.map(({ name }: { name: string }) => name);
    assert.equal(named, names.includes('SIDEGATE_MARK'), layout);
    // What leaves a workload, and a waypoint, meet no policy of the workload behind the filter.
    assert.equal(named, !['s3-outbound', 'waypoint'].includes(layout), layout);
    if (!named) continue;
    const [belt] = documentsOf(read(`layouts/${layout}/belt.yaml`));
    assert.equal(belt?.metadata.namespace, plugin?.metadata.namespace);
    assert.deepEqual(belt?.spec.selector, plugin?.spec.selector);
    assert.deepEqual(
      [belt?.spec.action, belt?.spec.rules[0].when[0].notValues],
      ['DENY', [PLACEHOLDERS.mark]],
    );
  }
});
