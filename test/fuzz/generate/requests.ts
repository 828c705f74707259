/**
 * Random requests to a set of resources: near to what its policy speaks of, so that they reach the
 * deep phases, with spoofed headers, odd paths and any bytes mixed in.
 */
import type { Pair } from '../../../host/emulator/index.ts';
import type { PolicySource } from '../../../host/wire/policy.ts';
import type { Caller, Claim } from '../oracle/caller.ts';
import { match, nodeOfHost, slice } from '../oracle/match.ts';
import { type World, wireText } from '../oracle/world.ts';
import { type SceneRequest, SETTINGS } from '../rig/scene.ts';
import type { Dice } from './dice.ts';
import { mutate } from './mutate.ts';
import { AUDIENCES, CLAIMS, ISSUERS, PRINCIPALS, SUBJECTS } from './resources.ts';

/** What requests are drawn from. */
export interface Palette {
  readonly world: World;
  readonly keys: readonly string[];
}

/** Most that passes without a long pause, and how long one is. */
const SHORT_MS = 8_000;
const LONG_MS = 12_000;

const OTHER_HOSTS = ['', 'other', 'example.com', '.example.com', 'a.b.c.example.com', '[::1]'];
const TAILS = ['', '', '', ':80', '.', '.:443', ':', '..', ':80.', ' ', ':80:80'];
const ODD_SEGMENTS = [
  ...['', '.', '..', '%2e', '.%2E', '%2f', '%5C', '%00', 'a;b', 'a\\b', '%', '%4', '%zz'],
  ...['a b', '\u00e9', '%41', '%7e', '%3B', '*', '{id}', '**', 'zzz', '1', 'A', 'a.b', '%c3%a9'],
];
const METHODS = ['GET', 'GET', 'POST', 'DELETE', 'HEAD', 'OPTIONS', 'CONNECT', 'get', 'BREW', ''];
const FORGED = [
  ...['x-sidegate-consumer', 'x_sidegate_plan', 'X-Sidegate-', 'x-sidegate', 'x-consumer'],
  ...['x_consumer', 'x-plan', 'x_plan', 'x-app', 'x--app', 'x-internal', 'x-note', 'accept'],
];
const FIELD_NAMES = ['api_key', 'key', 'a', 'sid', 'API_KEY', '', 'b', ' key', 'api%5fkey'];
const FIELD_VALUES = ['', '1', 'sg_', '%zz', '"', '" "', 'a=b', '\x00', '%00', 'sg%5F1'];
const ADDRESSES = [
  ...['10.1.2.3', '192.168.1.7, 10.0.0.1', '10.0.0.1, 192.168.1.7', '2001:db8::1', '::1', ''],
  ...['::ffff:10.0.0.1', '10.0.0.256', '1.2.3', 'x', '10.0.0.1,', ' 192.168.1.7 ', '2001:DB8:0::9'],
];
const REFERERS = [
  ...[
    'https://APP.example.com:8443/a?b',
    'http://u:p@app.example.com',
    'app.example.com',
    '://a.test.',
  ],
  ...[
    'https://x.shop.test/',
    'https://shop.test/',
    'https://evil.test/?://app.example.com',
    '',
    'https://',
  ],
  ...[
    'https://app.example.com.evil.test/',
    'https://evil.test#@app.example.com',
    'https://a.test/,x',
  ],
];
const ORIGINS = [
  ...['https://a.example.com', 'https://A.example.com', 'https://.example.com', 'null', ''],
  ...['https://x.example.com', 'https://a.b.example.com', 'https://a.example.com.evil.test'],
  ...['http://x.test:8080', 'http://x.test', 'https://x/.test:444', 'https://x-1.test:444'],
];
const PLAIN: readonly Pair[] = [
  ['accept', '*/*'],
  ['user-agent', 'fuzz'],
  ['content-type', 'application/grpc'],
  ['content-type', 'application/json'],
  ['cookie', 'a=b; sg=1'],
  ['origin', 'https://a.example.com'],
  ['x-forwarded-for', '10.0.0.1'],
  ['referer', 'https://app.example.com/x'],
  ['te', 'trailers'],
  ['x-free', '1'],
  ['x-free', '2'],
  ['x-h-1', ''],
];

/**
 * Time between requests. A share that nobody used for 10 s goes back on a tick that nobody outside
 * can tell to the millisecond: so between two requests there is either less than that, or more by
 * far.
 */
export class Pause {
  readonly #dice: Dice;
  #left = SHORT_MS;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** Milliseconds until the next request. */
  next(): number {
    if (this.#dice.once(80)) {
      this.#left = SHORT_MS;
      return LONG_MS;
    }
    const drawn = this.#dice.once(20) ? 400 : this.#dice.pick([0, 0, 0, 0, 0, 1, 2, 7, 30]);
    const ms = Math.min(drawn, this.#left);
    this.#left -= ms;
    return ms;
  }
}

/** Draws a request. */
export function drawRequest(dice: Dice, palette: Palette): SceneRequest {
  const { policy } = palette.world;
  const aim = drawAim(dice, palette.world);
  const found = match(policy, aim.host, aim.path, aim.method);
  const product = 'product' in found ? policy.products[found.product] : undefined;
  const sources = product && !dice.once(5) ? slice(policy.sources, product.sources) : [];
  const from = sources.length > 0 ? sources : policy.sources;
  const headers: Pair[] = [
    [':method', aim.method],
    [':path', aim.path + drawFields(dice, from, palette.keys, '&')],
    [':authority', aim.host],
    [':scheme', 'http'],
    ...drawHeaders(dice, from, palette.keys),
    ...(dice.once(3) ? drawPage(dice, aim.method) : []),
  ];
  // A browser asks first: the method is that of the call it would make.
  if (dice.once(12)) headers.splice(0, 1, [':method', 'OPTIONS']);
  if (dice.once(40)) headers.splice(dice.int(4), 1);
  const settings = dice.once(3) ? dice.int(SETTINGS.length) : 0;
  if (dice.once(400)) headers.push(...crowd(dice));
  const caller = dice.once(2) ? drawCaller(dice) : undefined;
  const request = { settings, headers, ...(caller && { caller }) };
  return dice.once(8) ? mutate(dice, request, palette.keys) : request;
}

/** Whom a proxy may have verified: somebody known, somebody else, or nobody one can name. */
function drawCaller(dice: Dice): Caller {
  const odd = ['', '\x01', 'a\x7f', 'x'.repeat(255), 'x'.repeat(256), 'nobody'];
  const text = (known: readonly string[]) =>
    dice.once(8) ? dice.pick(odd) : Buffer.from(dice.pick(known)).toString('latin1');
  const value = (known: readonly string[]): Claim =>
    dice.once(12) ? dice.pick([[], [text(known)], 1, 5.6e-20]) : text(known);
  const claims = {
    iss: value(ISSUERS),
    aud: dice.once(3) ? dice.times(dice.int(4), () => text(AUDIENCES)) : value(AUDIENCES),
    ...Object.fromEntries(CLAIMS.map((name) => [name, value(SUBJECTS)])),
  };
  return {
    ...(dice.once(2) && { uri: text(PRINCIPALS) }),
    ...(dice.once(2) && { claims }),
  };
}

/** What a request is for. Several are drawn, because few ways through a tree end somewhere. */
function drawAim(dice: Dice, world: World) {
  const draw = () => {
    const host = drawHost(dice, world);
    const node = nodeOfHost(world.policy, host);
    const path = drawPath(dice, world, node ?? dice.int(world.policy.nodes.length));
    return { host, path, method: dice.pick(METHODS) };
  };
  let aim = draw();
  for (let tries = dice.pick([0, 5, 20]); tries > 0; tries--) {
    const found = match(world.policy, aim.host, aim.path, aim.method);
    if (found.kind === 'found') break;
    aim = draw();
  }
  return aim;
}

function drawHost(dice: Dice, { policy }: World): string {
  const names = [...policy.hosts.map(({ name }) => name), 'orders.example.com'];
  const wildcards = policy.wildcards.map(({ name }) => `w${name}`);
  const host = dice.once(8) ? dice.pick(OTHER_HOSTS) : dice.pick([...names, ...wildcards]);
  return (dice.once(8) ? host.toUpperCase() : host) + dice.pick(TAILS);
}

/** A walk down the tree of a policy, now and then off the way. */
function drawPath(dice: Dice, { policy }: World, root: number): string {
  const segments: string[] = [];
  let node = policy.nodes[root];
  while (node !== undefined && !dice.once(12)) {
    const edges = slice(policy.edges, node.edges);
    const edge = edges.length > 0 && !dice.once(4) ? dice.pick(edges) : undefined;
    if (edge === undefined && node.anyNode === undefined) break;
    segments.push(edge ? wireText(edge.name) : dice.pick(['1', 'x', 'orders', ...ODD_SEGMENTS]));
    node = policy.nodes[edge?.node ?? node.anyNode ?? -1];
  }
  if (dice.once(6)) segments.splice(dice.int(segments.length + 1), 0, dice.pick(ODD_SEGMENTS));
  if (dice.once(6)) segments.push(...dice.times(dice.int(4), () => dice.pick(ODD_SEGMENTS)));
  if (dice.once(100)) segments.push(...dice.times(58 + dice.int(10), () => 'a'));
  const query = dice.pick(['', '', '', '?a=b', '?//..', '#x', '?api_key=sg_1', '?']);
  return `${dice.once(40) ? '' : '/'}${segments.join('/')}${query}`;
}

/** What a browser sends of the page that calls. */
function drawPage(dice: Dice, method: string): Pair[] {
  const origin: Pair = ['origin', dice.pick(ORIGINS)];
  if (!dice.once(2)) return [origin];
  return [origin, ['access-control-request-method', dice.once(8) ? dice.pick(METHODS) : method]];
}

function drawHeaders(
  dice: Dice,
  sources: readonly PolicySource[],
  keys: readonly string[],
): Pair[] {
  const headers: Pair[] = dice.once(2) ? dice.some(PLAIN) : [];
  const values = dice.pick([0, 1, 1, 1, 1, 1, 1, 2, 2, 3]);
  for (let i = 0; i < values && sources.length > 0; i++) {
    const { kind, name, prefix } = dice.pick(sources);
    if (kind > 1 && !dice.once(8)) continue;
    const before = dice.once(6) ? dice.pick(['', 'bEARER ', ' ', 'Basic ']) : wireText(prefix);
    const pad = dice.once(6) ? dice.pick([' ', '   ', '\t', '\x00', ',']) : '';
    headers.push([
      wireText(name),
      before + pad + drawKeyText(dice, keys) + (dice.once(6) ? pad : ''),
    ]);
  }
  if (dice.once(3)) headers.push(['x-forwarded-for', dice.pick(ADDRESSES)]);
  if (dice.once(4)) headers.push(['referer', dice.pick(REFERERS)]);
  const cookies = drawFields(dice, sources, keys, '; ');
  if (cookies !== '') headers.push(['cookie', cookies]);
  if (dice.once(20)) {
    headers.push(['x-envoy-original-path', `/o${drawFields(dice, sources, keys, '&')}`]);
  }
  if (dice.once(3)) {
    headers.push(...dice.times(1 + dice.int(4), (): Pair => [dice.pick(FORGED), 'forged']));
  }
  return headers;
}

/** Parameters or cookies, some of them keys, written as few would write them. */
function drawFields(
  dice: Dice,
  sources: readonly PolicySource[],
  keys: readonly string[],
  separator: '&' | '; ',
): string {
  const kind = separator === '&' ? 2 : 3;
  const named = sources.filter((source) => source.kind === kind);
  const none = named.length === 0 || dice.once(3);
  if (none && !dice.once(6)) return '';
  const fields = dice.times(dice.pick([1, 1, 2, 4]), () => {
    const name = none || dice.once(3) ? dice.pick(FIELD_NAMES) : wireText(dice.pick(named).name);
    const value = dice.once(4) ? dice.pick(FIELD_VALUES) : drawKeyText(dice, keys);
    const pad = dice.once(8) ? dice.pick([' ', '\t', '"', '%20', '+', '%', '%22']) : '';
    return `${escaped(dice, name)}=${pad}${escaped(dice, value)}${dice.once(2) ? pad : ''}`;
  });
  const start = separator === '&' ? dice.pick(['?', '?', '?a=1&', '?&', '#?', '']) : '';
  return start + fields.join(dice.once(8) ? dice.pick(['&', ';', '; ', '&&']) : separator);
}

/** A text with some of its characters percent-encoded. */
function escaped(dice: Dice, text: string): string {
  if (!dice.once(4)) return text;
  return [...text]
    .map((char) => {
      const hex = char.charCodeAt(0).toString(16).padStart(2, '0');
      return dice.once(3) ? `%${dice.once(2) ? hex : hex.toUpperCase()}` : char;
    })
    .join('');
}

/** A key that exists, or one that nearly does. */
function drawKeyText(dice: Dice, keys: readonly string[]): string {
  const key = dice.pick(keys);
  if (!dice.once(5)) return key;
  const at = dice.int(key.length);
  return dice.pick([
    ...['', 'sg', 'sg_', '_', 'acme_', key.slice(0, at), `${key}${key}`, `${key},${key}`],
    ...[key.toUpperCase(), `${key.slice(0, at)}\xff${key.slice(at + 1)}`, 'sg_'.repeat(at * 10)],
    ...[`sg_${'0'.repeat(36)}`, 'x'.repeat(512), 'x'.repeat(513), `sg_${'y'.repeat(509)}`],
  ]);
}

/** More headers than anybody sends: near the bounds of docs/limits.md and beyond. */
function crowd(dice: Dice): Pair[] {
  const name = dice.pick(['x-h-', 'x-sidegate-', 'x_sidegate_']);
  const value = 'v'.repeat(dice.pick([0, 1, 10, 300]));
  return dice.times(dice.pick([90, 400, 700, 1_015, 1_100]), (at): Pair => [name + at, value]);
}
