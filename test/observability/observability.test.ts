/**
 * Holds dashboard, alert rules and log formats in istio/observability to what a real proxy and a
 * real host emit: every metric, label and value that they name is one that is there.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { REASONS } from '../../host/usage/reasons.ts';
import { ROOT } from '../runner/layers.ts';
import { Envoy } from '../support/envoy.ts';
import * as config from '../support/envoy-config.ts';
import { Folder } from '../support/folders.ts';
import { Host } from '../support/host.ts';
import { APPLICATION, resourcesOf } from '../support/policies.ts';
import { type Answer, send } from '../support/requests.ts';
import { RELEASE_MODULE } from '../support/rig.ts';
import { until } from '../support/wait.ts';

const SHIPPED = path.join(ROOT, 'istio/observability');
const shipped = (name: string) => readFile(path.join(SHIPPED, name), 'utf8');

interface Dashboard {
  panels: { title: string; targets: { expr: string }[] }[];
  templating: { list: { query: string | { query: string } }[] };
}
interface Rules {
  groups: { rules: { alert: string; expr: string }[] }[];
}

/** All expressions by the panel or rule they stand in. */
async function expressions(): Promise<Map<string, string>> {
  const dashboard: Dashboard = JSON.parse(await shipped('dashboard.json'));
  const rules: Rules = parse(await shipped('rules.yaml'));
  return new Map([
    ...dashboard.panels.flatMap(({ title, targets }) =>
      targets.map(({ expr }, at) => [`panel ${title} ${at}`, expr] as const),
    ),
    ...rules.groups.flatMap((group) =>
      group.rules.map(({ alert, expr }) => [alert, expr] as const),
    ),
  ]);
}

/** Metrics of the Prometheus text form, with the labels and values each is seen with. */
function seriesOf(text: string): Map<string, Map<string, Set<string>>> {
  const found = new Map<string, Map<string, Set<string>>>();
  for (const [, name = '', labels = ''] of text.matchAll(/^(\w+)(?:\{(.*)\})? /gm)) {
    const known = found.get(name) ?? new Map<string, Set<string>>();
    found.set(name, known);
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      known.set(label, (known.get(label) ?? new Set()).add(value));
    }
  }
  return found;
}

describe('what is shipped for observing', () => {
  let folder: Folder;
  let host: Host;
  let envoy: Envoy;
  let key: string;
  const logs = { text: '', json: '' };
  let emitted: Map<string, Map<string, Set<string>>>;

  const call = (given?: string): Promise<Answer> =>
    send({
      port: envoy.port('in'),
      path: '/orders?page=2',
      headers: given === undefined ? {} : { 'x-api-key': given },
    });

  before(async () => {
    folder = await Folder.make();
    host = await Host.start({ resources: resourcesOf() });
    ({ key } = await host.createKey(APPLICATION));
    const access = await Promise.all(
      (['text', 'json'] as const).map(async (form) => {
        const entry = parse(await shipped(`access-log-${form}.yaml`));
        logs[form] = folder.join(`${form}.log`);
        entry.typed_config.path = logs[form];
        return entry;
      }),
    );
    const filter = config.wasmFilter({
      module: RELEASE_MODULE,
      plugin: { clusters: ['sidegate'], holdMs: 1_000 },
    });
    const listener = config.listener({
      name: 'in',
      filters: [filter],
      manager: { access_log: access },
    });
    const clusters = [config.cluster('sidegate', host.syncPort)];
    envoy = await Envoy.start({
      config: {
        ...config.bootstrap('observed', [listener], clusters),
        ...parse(await shipped('stats-tags.yaml')),
      },
    });
    await until('the key is known', async () => (await call(key)).status === 200);
    await call();
    await call('sg_guess');
    // The filter carries its counters over once a second, engines are scraped when they said so.
    emitted = await until('all is emitted', async () => {
      const metrics = await fetch(`http://127.0.0.1:${host.adminPort}/metrics`, {
        headers: { authorization: `Bearer ${host.adminToken}` },
      });
      const text = `${await envoy.admin('/stats/prometheus')}\n${await metrics.text()}`;
      const series = seriesOf(text);
      const reasons = series.get('sidegate_requests_total')?.get('reason');
      return reasons?.has('key_malformed') && series.has('sidegate_engine_credentials') && series;
    });
  });

  after(async () => {
    await envoy?.[Symbol.asyncDispose]();
    await host?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  // Guarantees that the labels are there in plain Envoy, by the very file that is shipped.
  test('the request counter has its labels', () => {
    const labels = emitted.get('sidegate_requests_total');
    assert.ok(labels !== undefined, [...emitted.keys()].join(' '));
    assert.deepEqual([...labels.keys()].sort(), ['mode', 'product', 'reason']);
    assert.ok(labels.get('product')?.has('orders'));
    assert.ok(labels.get('reason')?.has('allowed') && labels.get('reason')?.has('key_missing'));
  });

  // Guarantees that no panel is empty and no alert silent because of a name that is not there.
  test('dashboard and rules name what is emitted', async () => {
    const events = await readFile(path.join(ROOT, 'assembly/telemetry/events.ts'), 'utf8');
    const list = /asciiList\(([^)]*)\)/.exec(events)?.[1] ?? '';
    // These are defined when they first count something.
    const counters = [...list.matchAll(/(\w+)\|/g)].map(([, name]) => `sidegate_${name}_total`);
    assert.ok(counters.length > 8);
    const reasons = new Set(REASONS.map(([, name]) => name));
    for (const [where, expr] of await expressions()) {
      const named = [...expr.matchAll(/\b(sidegate_\w+)(?:\{([^}]*)\})?/g)];
      assert.ok(named.length > 0, where);
      for (const [, name = '', selector = ''] of named) {
        const labels = emitted.get(name);
        assert.ok(labels !== undefined || counters.includes(name), `${where}: ${name}`);
        for (const [, label = '', op = '', value = ''] of selector.matchAll(
          /(\w+)(=~|!~|!=|=)"([^"]*)"/g,
        )) {
          assert.ok(labels?.has(label), `${where}: ${name} has no label ${label}`);
          if (label === 'reason') {
            const matches = new RegExp(`^(?:${value})$`);
            for (const one of value.split('|')) {
              assert.ok(
                [...reasons].some((reason) => new RegExp(`^(?:${one})$`).test(reason)),
                one,
              );
            }
            assert.ok([...reasons].some((reason) => matches.test(reason)) && op !== '', where);
          }
          if (label === 'route') assert.ok(labels?.get('route')?.has(value), `${where}: ${value}`);
        }
      }
      for (const [, list = ''] of expr.matchAll(/\b(?:by|without) \(([^)]*)\)/g)) {
        for (const label of list.split(',').map((text) => text.trim())) {
          const known = named.some(([, name = '']) => emitted.get(name)?.has(label));
          assert.ok(known, `${where}: nothing has the label ${label}`);
        }
      }
    }
  });

  // Guarantees that one line of either log says why, and none holds a key.
  test('both log formats answer why', async () => {
    const lines = async (form: 'text' | 'json') => (await readFile(logs[form], 'utf8')).split('\n');
    await until('both logs have every request', async () => {
      const counts = await Promise.all([lines('text'), lines('json')]);
      return counts.every((found) => found.some((line) => line.includes('key_malformed')));
    });
    const text = (await lines('text')).find((line) => line.includes('key_missing'));
    const shape =
      /^\S+ "GET \/orders\?page=2 HTTP\/1\.1" 401 \S+ \d+ms sidegate_key_missing \[product=orders reason=key_missing\]/;
    assert.match(text ?? '', shape);
    const json = (await lines('json'))
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
    const allowed = json.find(({ status }) => status === 200);
    assert.equal(
      allowed.decision,
      `product=orders plan=orders-gold application=${APPLICATION} reason=allowed`,
    );
    assert.equal(json.find(({ status }) => status === 401).details.slice(0, 9), 'sidegate_');
    assert.ok(!(await readFile(logs.text, 'utf8')).includes(key));
    assert.ok(!(await readFile(logs.json, 'utf8')).includes(key));
  });

  // Guarantees that Istio logs the same fields.
  test('the providers for Istio say what the files for Envoy say', async () => {
    const mesh = parse(await shipped('mesh-config.yaml'));
    const [json, text] = mesh.extensionProviders;
    const plain = parse(await shipped('access-log-json.yaml'));
    assert.deepEqual(
      json.envoyFileAccessLog.logFormat.labels,
      plain.typed_config.log_format.json_format,
    );
    const line = parse(await shipped('access-log-text.yaml'));
    const inline = line.typed_config.log_format.text_format_source.inline_string;
    assert.equal(text.envoyFileAccessLog.logFormat.text, inline);
    assert.deepEqual(mesh.defaultConfig.extraStatTags, ['product', 'reason', 'mode']);
  });

  // Guarantees that Prometheus reads every expression, and that the alerts fire when they should.
  test('expressions are PromQL and alerts fire', async () => {
    const all = [...(await expressions())].map(([where, expr], at) => ({
      record: `checked:${at}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$product', '.*'),
      labels: { where },
    }));
    const checked = folder.join('checked.json');
    await writeFile(checked, JSON.stringify({ groups: [{ name: 'checked', rules: all }] }));
    promtool('check', 'rules', checked);
    const tests = (
      await readFile(path.join(ROOT, 'test/observability/rules.test.yaml'), 'utf8')
    ).replace('rules.yaml', path.join(SHIPPED, 'rules.yaml'));
    await writeFile(folder.join('tests.yaml'), tests);
    promtool('test', 'rules', folder.join('tests.yaml'));
  });
});

function promtool(...args: string[]): void {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, { encoding: 'utf8' });
  assert.equal(status, 0, error?.message ?? `${stdout}${stderr}`);
}
