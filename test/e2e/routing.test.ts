/**
 * The filter's idea of a path against Envoy's own: a route table of the same templates stands
 * behind the filter, thousands of paths are sent byte by byte, and what one takes for an operation
 * the other must route to it. With every way of normalising that Istio sets.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Envoy } from '../support/envoy.ts';
import type { Config } from '../support/envoy-config.ts';
import * as config from '../support/envoy-config.ts';
import { Host } from '../support/host.ts';
import { RawClient } from '../support/raw.ts';
import { RELEASE_MODULE } from '../support/rig.ts';
import { type Dialect, operationsOf, routesOf, type Template } from '../support/routes.ts';
import { until } from '../support/wait.ts';

const SEED = Number(process.env.SIDEGATE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const PATHS = Number(process.env.SIDEGATE_PATHS ?? 1_200);

/** Fields of the connection manager for each `pathNormalization` of Istio's mesh configuration. */
const NORMALIZATIONS: Record<string, Config> = {
  NONE: {},
  BASE: { normalize_path: true },
  MERGE_SLASHES: { normalize_path: true, merge_slashes: true },
  DECODE_AND_MERGE_SLASHES: {
    ...{ normalize_path: true, merge_slashes: true },
    path_with_escaped_slashes_action: 'UNESCAPE_AND_FORWARD',
  },
};

/** A small generator of numbers (mulberry32), so that a seed says everything. */
class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

const WORDS = ['a', 'b', 'v1', 'orders', 'x-y_z.~', 'a:b', 'A'];

/** Templates that hide one another in every way, and some more by chance; no two of one shape. */
function makeTemplates(dice: Dice): Template[] {
  const paths = ['/', '/a', '/a/', '/a/b', '/a/{x}', '/{x}/b', '/{x}/{y}', '/a/**', '/{x}/b/**'];
  paths.push('/v1/orders', '/v1/orders/{id}', '/v1/orders/{id}/items/**', '/v1/**', '/A');
  while (paths.length < 40) {
    const segments = Array.from({ length: 1 + dice.below(4) }, (_, at) =>
      dice.below(3) === 0 ? dice.of([`{p${at}}`, '*']) : dice.of(WORDS),
    );
    paths.push(`/${segments.join('/')}${dice.of(['', '', '', '/**', '/'])}`);
  }
  const seen = new Set<string>();
  return paths.flatMap((path, i) => {
    const methods = dice.of([[], ['GET'], ['POST'], ['GET', 'DELETE']]);
    const shape = path.replace(/\{[^}]*\}/g, '*');
    return (methods.length === 0 ? ['*'] : methods).flatMap((method) => {
      if (seen.has(`${method} ${shape}`)) return [];
      seen.add(`${method} ${shape}`);
      const name = `o${i}${method === '*' ? 'any' : method.toLowerCase()}`;
      return [{ name, path, methods: method === '*' ? [] : [method] }];
    });
  });
}

const FILLINGS = [
  'a',
  'b',
  '1',
  'orders',
  '%C3%A9',
  'x%20y',
  'a=b',
  'a:b',
  '~',
  '...',
  '.a',
  '%41',
];
const SPLINTERS = ['/', '//', '/./', '/../', '/.', '/..', '.', '..', '%2e', '%2E%2e', '%2f', '%2F'];
SPLINTERS.push('%5c', '%5C', '\\', ';', ';v=1', '%3B', '%00', '%', '%z1', '%25', '%252f', '%61');
SPLINTERS.push(
  '%7e',
  '%7E',
  '%3a',
  '"',
  '<',
  '|',
  '^',
  '`',
  '{',
  '}',
  '[',
  "'",
  '\xe9',
  '\x7f',
  '+',
);
SPLINTERS.push('?', '?a=/../b', '#', '#f', '*', '@', '!', '$', '&', ',', '(');

/** A path near a template: parameters filled in, then up to three splinters or spoilt letters. */
function makePath(dice: Dice, { path }: Template): string {
  const fill = () => dice.of(FILLINGS);
  const rest = () => ['', fill(), `${fill()}/${fill()}`, `${fill()}/`][dice.below(4)] ?? '';
  const segments = path.split('/').slice(1);
  let text = segments
    .map((each) => (each === '**' ? rest() : each === '*' || each.startsWith('{') ? fill() : each))
    .map((each) => `/${each}`)
    .join('');
  for (let i = dice.below(4); i > 0; i--) {
    const at = dice.below(text.length + 1);
    const letter = text.charCodeAt(at);
    if (dice.below(3) === 0 && at < text.length) {
      const escaped = `%${letter.toString(16).padStart(2, '0')}`;
      const spoilt = dice.of([escaped, escaped.toUpperCase(), text.charAt(at).toUpperCase()]);
      text = text.slice(0, at) + spoilt + text.slice(at + 1);
    } else {
      text = text.slice(0, at) + dice.of(SPLINTERS) + text.slice(at);
    }
  }
  return text.startsWith('/') || dice.below(8) === 0 ? text : `/${text}`;
}

function listenerFor(name: string, templates: readonly Template[], dialect: Dialect): Config {
  const [mode = ''] = name.split(' ');
  const shown = (key: string, value: string) => ({ header: { key, value } });
  return config.listener({
    name,
    filters: [config.wasmFilter({ module: RELEASE_MODULE, plugin: { clusters: ['sidegate'] } })],
    manager: {
      ...NORMALIZATIONS[mode],
      route_config: {
        name,
        virtual_hosts: [{ name: 'all', domains: ['*'], routes: routesOf(templates, dialect) }],
        response_headers_to_add: [
          shown('x-decided', '%REQ(X-OPERATION)%'),
          shown('x-path', '%REQ(:PATH)%'),
        ],
      },
    },
  });
}

const dice = new Dice(SEED);
const templates = makeTemplates(dice);
const names = [...Object.keys(NORMALIZATIONS), 'BASE uri_template'];
const parts = new AsyncDisposableStack();
let envoy: Envoy;

before(async () => {
  const product = {
    apiVersion: 'sidegate.dev/v1alpha1',
    kind: 'Product',
    metadata: { name: 'routes' },
    spec: { unmatchedOperations: 'allow', operations: operationsOf(templates) },
  };
  const host = parts.use(await Host.start({ resources: { 'p.yaml': JSON.stringify(product) } }));
  const listeners = names.map((name) =>
    listenerFor(name, templates, name.endsWith('uri_template') ? 'uri_template' : 'regex'),
  );
  const clusters = [config.cluster('sidegate', host.syncPort)];
  envoy = parts.use(await Envoy.start({ config: config.bootstrap('p', listeners, clusters) }));
});

after(() => parts.disposeAsync());

/** What became of one request: refused, or the operation decided and the route taken. */
async function outcomeOf(client: RawClient, method: string, path: string) {
  const answer = await client.ask(`${method} ${path} HTTP/1.1\r\nhost: any.example\r\n\r\n`);
  const { status, headers, body } = answer;
  if (status !== 200) return { status, body };
  const decided = headers.get('x-decided') ?? '-';
  return { status, decided: decided === '-' ? 'none' : decided, route: body, body, headers };
}

/** Paths with bytes that Envoy's own templates do not take for part of a segment. */
const BEYOND_TEMPLATES = /[^\w\-.~%!$&'()+,;:@=/]/;

for (const name of names) {
  // Guarantees that what the filter admits as an operation goes to its route, that nothing goes to
  // the route of an operation unseen, and that all else is refused, with seeds to run it again.
  test(`paths under ${name} mean the same to filter and router`, async (t) => {
    const paths = new Dice(SEED + names.indexOf(name));
    using client = new RawClient(envoy.port(name));
    const counts = { matched: 0, unmatched: 0, refused: 0, beyond: 0 };
    await until('the policy is there', async () => {
      return (await outcomeOf(client, 'GET', '/v1/orders/ready')).status === 200;
    });
    for (let i = 0; i < PATHS; i++) {
      const path = makePath(paths, paths.of(templates));
      const method = paths.of(['GET', 'GET', 'POST', 'DELETE', 'PATCH']);
      const outcome = await outcomeOf(client, method, path);
      const told = `seed ${SEED}: ${method} ${JSON.stringify(path)} ${JSON.stringify(outcome)}`;
      if (outcome.status !== 200) {
        assert.ok([400, 404].includes(outcome.status), told);
        counts.refused++;
        continue;
      }
      const { decided, route, headers } = outcome;
      const seen = headers?.get('x-path')?.split('?')[0] ?? '';
      if (name.endsWith('uri_template') && BEYOND_TEMPLATES.test(seen)) {
        counts.beyond++;
        continue;
      }
      assert.equal(decided, route, told);
      if (route === 'none') counts.unmatched++;
      else counts.matched++;
    }
    t.diagnostic(`seed ${SEED}, ${PATHS} paths: ${JSON.stringify(counts)}`);
    assert.ok(counts.matched > PATHS / 10 && counts.refused > PATHS / 20, JSON.stringify(counts));
    assert.ok(counts.unmatched > 0, JSON.stringify(counts));
  });
}

/** What becomes of paths under each normalisation: the path that is matched, or 400. */
const TABLE: readonly (readonly [string, ...(string | 400)[]])[] = [
  ['/a/./b', 400, '/a/b', '/a/b', '/a/b'],
  ['/a/x/../b', 400, '/a/b', '/a/b', '/a/b'],
  ['/a/x/%2e%2E/b', 400, '/a/b', '/a/b', '/a/b'],
  ['/%61', 400, '/a', '/a', '/a'],
  ['/a//b', 400, 400, '/a/b', '/a/b'],
  ['/a%2Fb', 400, 400, 400, '/a/b'],
  ['/a%5cb', 400, 400, 400, '/a/b'],
  ['/a;b', 400, 400, 400, 400],
  ['/a%00', 400, 400, 400, 400],
];

// Guarantees the table that operators read in docs/operations.md.
test('paths that may be read in two ways are refused or normalised', async () => {
  for (const [at, name] of Object.keys(NORMALIZATIONS).entries()) {
    using client = new RawClient(envoy.port(name));
    for (const [path, ...outcomes] of TABLE) {
      const { status, headers } = await outcomeOf(client, 'GET', path);
      const seen = status === 200 ? headers?.get('x-path') : status;
      assert.equal(seen, outcomes[at], `${path} under ${name}`);
    }
  }
});
