/**
 * Compiles the products and plans of one proxy group to a policy, byte by byte as docs/wire.md,
 * section 3, lays it down. Same products, plans and ids, same bytes: no clock, no revision, no
 * order that is not written down.
 */
import { identityNames } from '../resources/identity-headers.ts';
import type { Identity, Mediation, Operation, Plan, Product, Step } from '../resources/model.ts';
import { VARIABLES } from '../resources/template.ts';
import { ByteWriter, NONE, StringPool, tableBody, writeMessage } from '../wire/bytes.ts';
import { POLICY_BYTES_MAX } from '../wire/manifest.ts';
import { exposedHeaders } from './cors.ts';
import { buildHosts, type Hosts, type HostTree, NODES_MAX } from './hosts.ts';
import { groupKey, type Ids, limitKey, operationKey, planKey, resourceKey } from './ids.ts';
import type { Excess } from './output.ts';
import { rateLimitPolicy } from './rate-limit-policy.ts';
import { ANY_METHOD_BIT, type Place, type TreeNode } from './tree.ts';

const MAGIC = 'SGPO';
const STEP_OPS = { set: 1, add: 2, remove: 3, append: 4, setIfAbsent: 5, rename: 6 } as const;
const LIMIT_CLASSES = { exact: 1, rate: 2, approximate: 3 } as const;
const UNAVAILABLE = { deny: 0, allow: 1, localShare: 2 } as const;
const OWNER_SUBSCRIPTION = 0;
/** Flag of a product whose responses are counted. */
const COUNTS_RESPONSES = 0x400;
/** Flags of products and numbers of limits. */
const PRODUCT_MODES = { enforce: 0, shadow: 0x100, off: 0x200 } as const;
const RATE_LIMIT_FIELDS = { standard: 0x20, legacy: 0x40, both: 0x60, none: 0 } as const;
const LIMIT_MODES = { enforce: 0, shadow: 1, off: 2 } as const;
const SOURCE_KINDS = { header: 1, query: 2, cookie: 3, mtls: 4, jwt: 5 } as const;

/** Kinds, record lengths and most records of the tables, in their order. */
const TABLES = {
  hosts: { kind: 3, bytes: 12, most: 1_024, what: 'hosts' },
  wildcards: { kind: 4, bytes: 12, most: 1_024, what: 'wildcard hosts' },
  nodes: { kind: 5, bytes: 32, most: NODES_MAX, what: 'path nodes' },
  edges: { kind: 6, bytes: 12, most: 65_535, what: 'path edges' },
  methods: { kind: 7, bytes: 8, most: 16_384, what: 'operations behind hosts' },
  operations: { kind: 8, bytes: 32, most: 16_384, what: 'operations' },
  products: { kind: 9, bytes: 64, most: 1_024, what: 'products' },
  sources: { kind: 10, bytes: 32, most: 16 * 1_024, what: 'ways to know callers' },
  brands: { kind: 11, bytes: 8, most: 8 * 1_024, what: 'brands' },
  plans: { kind: 12, bytes: 32, most: 1_024, what: 'plans' },
  limits: { kind: 13, bytes: 40, most: 8 * 1_024, what: 'limits' },
  program: { kind: 14, bytes: 24, most: 64 * 1_024, what: 'header edits' },
  parts: { kind: 15, bytes: 12, most: 16 * 64 * 1_024, what: 'parts of header values' },
  identity: { kind: 16, bytes: 8, most: 256, what: 'identity headers' },
  mediation: { kind: 20, bytes: 16, most: 17_408, what: 'plans and operations with edits' },
  fields: { kind: 21, bytes: 8, most: 1_024, what: 'plans that show their limits' },
  cors: { kind: 22, bytes: 20, most: 1_024, what: 'products with CORS' },
  origins: { kind: 23, bytes: 16, most: 64 * 1_024, what: 'origins' },
  audiences: { kind: 26, bytes: 8, most: 16 * 16 * 1_024, what: 'audiences' },
} as const;

type TableName = keyof typeof TABLES;
const TABLE_NAMES = Object.keys(TABLES) as TableName[];
/** Bytes of a table without records. */
const TABLE_HEAD_BYTES = 8;
/** Tables of higher kinds are left out when they have no records. */
const ALWAYS_KIND_MAX = 16;

/** What a policy is compiled from: the products of one group and the plans they may be sold on. */
export interface PolicyInput {
  readonly group: string;
  readonly products: readonly Product[];
  readonly plans: readonly Plan[];
}

/** A policy, or the bounds it would pass. */
export type PolicyOutcome =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly excess: readonly Excess[] };

/** Compiles one policy. */
export function compilePolicy(input: PolicyInput, ids: Ids): PolicyOutcome {
  return new PolicyWriter(input, ids).write();
}

/** Writes the tables of one policy. Use it once. */
class PolicyWriter {
  readonly #input: PolicyInput;
  readonly #ids: Ids;
  readonly #strings = new StringPool();
  readonly #rows: Record<TableName, ByteWriter>;
  readonly #counts: Record<TableName, number>;
  readonly #products: readonly Product[];
  readonly #operations: readonly { product: Product; operation: Operation; id: number }[];
  readonly #productIndex = new Map<Product, number>();
  readonly #operationIndex = new Map<Operation, number>();
  readonly #mediations = new Map<Mediation, number>();

  constructor(input: PolicyInput, ids: Ids) {
    this.#input = input;
    this.#ids = ids;
    this.#rows = fromNames(() => new ByteWriter(1024));
    this.#counts = fromNames(() => 0);
    this.#products = sortedById(input.products, (each) => this.#productId(each));
    const operations = this.#products.flatMap((product) =>
      product.operations.map((operation) => ({
        product,
        operation,
        id: ids.of(operationKey(product, operation)),
      })),
    );
    this.#operations = sortedById(operations, ({ id }) => id);
    for (const [i, product] of this.#products.entries()) this.#productIndex.set(product, i);
    for (const [i, { operation }] of this.#operations.entries()) {
      this.#operationIndex.set(operation, i);
    }
  }

  write(): PolicyOutcome {
    const hosts = buildHosts(this.#products);
    const nodes = this.#writeNodes(hosts);
    this.#writeHosts('hosts', hosts.exact, nodes);
    this.#writeHosts('wildcards', hosts.wildcards, nodes);
    for (const { product, operation, id } of this.#operations) {
      this.#writeOperation(product, operation, id);
    }
    for (const product of this.#products) this.#writeProduct(product);
    for (const plan of sortedById(this.#input.plans, (each) => this.#planId(each))) {
      this.#writePlan(plan);
    }
    for (const name of identityNames([...this.#products, ...this.#input.plans])) {
      this.#text('identity', name);
    }
    return this.#finish(hosts.anyHost === undefined ? NONE : (nodes.get(hosts.anyHost) ?? NONE));
  }

  /** Writes all trees, parents before children, and answers the index of every node. */
  #writeNodes(hosts: Hosts): Map<TreeNode, number> {
    const order: TreeNode[] = [...hosts.trees];
    const index = new Map<TreeNode, number>();
    for (let i = 0; i < order.length; i++) {
      const node = order[i] as TreeNode;
      index.set(node, i);
      for (const [, next] of sortedEdges(node)) order.push(next);
      if (node.any !== undefined) order.push(node.any);
    }
    for (const node of order) this.#writeNode(node, index);
    return index;
  }

  #writeNode(node: TreeNode, index: Map<TreeNode, number>): void {
    const edgeFirst = this.#counts.edges;
    for (const [segment, next] of sortedEdges(node)) {
      this.#text('edges', segment).u32(index.get(next) ?? NONE);
    }
    const rests = this.#writeMethods(node.rests);
    const ends = this.#writeMethods(node.ends);
    const any = node.any === undefined ? NONE : (index.get(node.any) ?? NONE);
    const { product } = node;
    this.#row('nodes')
      .u32(edgeFirst)
      .u32(node.edges.size)
      .u32(any)
      .u32(rests)
      .u32(ends)
      .u16(node.ends.length)
      .u16(node.rests.length)
      .u32(product === undefined ? NONE : this.#indexOf(product))
      .u32(0);
  }

  /** Writes the operations of a node, every-method ones last, and answers the first's index. */
  #writeMethods(places: readonly Place[]): number {
    const first = this.#counts.methods;
    const rank = ({ mask, operation }: Place) =>
      ((mask & ANY_METHOD_BIT) === 0 ? 0 : 0x10000) + (this.#operationIndex.get(operation) ?? 0);
    for (const place of [...places].sort((a, b) => rank(a) - rank(b))) {
      this.#row('methods')
        .u32(place.mask)
        .u32(this.#operationIndex.get(place.operation) ?? NONE);
    }
    return first;
  }

  #writeHosts(table: 'hosts' | 'wildcards', hosts: readonly HostTree[], nodes: Nodes): void {
    for (const { name, tree } of hosts) this.#text(table, name).u32(nodes.get(tree) ?? NONE);
  }

  #writeOperation(product: Product, operation: Operation, id: number): void {
    const mediation = this.#writeMediation(operation.mediation);
    const row = this.#row('operations').u64(id);
    this.#strings.reference(operation.name, row);
    row
      .u32(this.#indexOf(product))
      .u32(operation.cost)
      .u32(operation.anonymous ? 1 : 0)
      .u32(mediation);
  }

  #writeProduct(product: Product): void {
    const { sources, identities, brands, mediation, passUnmatched, denyStale, mode } = product;
    const responses = product.countsResponses ? COUNTS_RESPONSES : 0;
    const sourceFirst = this.#counts.sources;
    for (const { place, name, prefix } of sources) {
      const row = this.#row('sources').u32(SOURCE_KINDS[place]);
      this.#strings.reference(name, row);
      this.#strings.reference(prefix, row);
      row.u32(0).u32(0).u32(0);
    }
    for (const identity of identities) this.#writeIdentity(identity);
    const brandFirst = this.#counts.brands;
    for (const brand of brands) this.#text('brands', brand);
    const programFirst = this.#writeProgram(mediation.request);
    const responseFirst = this.#writeProgram(mediation.response);
    const cors = this.#writeCors(product);
    const ownFormat = brands.length > 0 ? 1 : 0;
    const flags =
      ownFormat |
      (passUnmatched ? 2 : 0) |
      (denyStale ? 4 : 0) |
      RATE_LIMIT_FIELDS[product.rateLimitFields] |
      PRODUCT_MODES[mode] |
      responses;
    const row = this.#row('products').u64(this.#productId(product));
    this.#strings.reference(product.name, row);
    row.u32(flags).u32(sourceFirst).u32(sources.length).u32(brandFirst).u32(brands.length);
    row.u32(programFirst).u32(mediation.request.length).u32(identities.length);
    row.u32(responseFirst).u32(mediation.response.length);
    row.u32(cors).u32(0);
  }

  /** Writes a way to know a caller without a key. */
  #writeIdentity(identity: Identity): void {
    const { claim, issuer, audiences } =
      identity.by === 'jwt' ? identity : { claim: '', issuer: '', audiences: [] };
    const first = this.#counts.audiences;
    for (const audience of audiences) this.#text('audiences', audience);
    const row = this.#row('sources').u32(SOURCE_KINDS[identity.by]);
    this.#strings.reference(claim, row);
    this.#strings.reference(issuer, row);
    row.u32(first).u32(audiences.length).u32(0);
  }

  /** Writes what a product says of CORS and answers its place, 0 for nothing. */
  #writeCors({ cors, rateLimitFields }: Product): number {
    if (cors === undefined) return 0;
    const any = cors.origins.includes('*');
    const first = this.#counts.origins;
    for (const origin of any ? [] : cors.origins) {
      if (origin === '*') continue;
      this.#strings.reference(origin.end, this.#text('origins', origin.start));
    }
    const row = this.#row('cors')
      .u32(first)
      .u32(this.#counts.origins - first);
    row.u32((any ? 1 : 0) | (cors.credentials ? 2 : 0));
    this.#strings.reference(exposedHeaders(cors, rateLimitFields), row);
    return this.#counts.cors;
  }

  /** Writes the programs of a plan or operation and answers their place, 0 for none. */
  #writeMediation(mediation: Mediation): number {
    const { request, response } = mediation;
    if (request.length + response.length === 0) return 0;
    // Variants of a plan have its edits.
    const known = this.#mediations.get(mediation);
    if (known !== undefined) return known;
    const requestFirst = this.#writeProgram(request);
    const responseFirst = this.#writeProgram(response);
    const row = this.#row('mediation').u32(requestFirst).u32(request.length);
    row.u32(responseFirst).u32(response.length);
    this.#mediations.set(mediation, this.#counts.mediation);
    return this.#counts.mediation;
  }

  #writeProgram(steps: readonly Step[]): number {
    const first = this.#counts.program;
    for (const step of steps) this.#writeStep(step);
    return first;
  }

  #writeStep({ op, header, parts }: Step): void {
    const partFirst = this.#counts.parts;
    for (const part of parts) {
      const row = this.#row('parts').u32('text' in part ? 0 : VARIABLES[part.variable]);
      this.#strings.reference('text' in part ? part.text : '', row);
    }
    const row = this.#row('program').u32(STEP_OPS[op]);
    this.#strings.reference(header, row);
    row.u32(partFirst).u32(parts.length).u32(0);
  }

  #writePlan(plan: Plan): void {
    const limitFirst = this.#counts.limits;
    for (const limit of plan.limits) {
      const row = this.#row('limits')
        .u64(this.#ids.of(limitKey(plan, limit)))
        .u64(limit.quota);
      this.#strings.reference(limit.name, row);
      const local = limit.onHostUnavailable === 'localShare';
      row.u32(limit.windowSeconds).u8(LIMIT_CLASSES[limit.class]).u8(LIMIT_MODES[limit.mode]);
      row
        .u8(UNAVAILABLE[limit.onHostUnavailable])
        .u8(OWNER_SUBSCRIPTION)
        .u32(limit.burst)
        .u16(local ? limit.localShare * 10 : 0)
        .u16(0);
    }
    const mediation = this.#writeMediation(plan.mediation);
    const policyField = rateLimitPolicy(plan);
    if (policyField !== undefined) this.#text('fields', policyField);
    const row = this.#row('plans').u64(this.#planId(plan));
    this.#strings.reference(plan.name, row);
    row.u32(limitFirst).u32(plan.limits.length).u32(mediation);
    row.u32(policyField === undefined ? 0 : this.#counts.fields);
  }

  #finish(anyHostNode: number): PolicyOutcome {
    const { group } = this.#input;
    const over = TABLE_NAMES.filter((table) => this.#counts[table] > TABLES[table].most);
    const excess: Excess[] = over.map((table) => {
      const { most, what } = TABLES[table];
      return { group, what, count: this.#counts[table], most };
    });
    if (excess.length > 0) return { ok: false, excess };
    const root = new ByteWriter(16)
      .u64(this.#ids.of(groupKey(group)))
      .u32(anyHostNode)
      .u32(0);
    const bytes = writeMessage(MAGIC, [
      { kind: 1, body: root.finish() },
      { kind: 2, body: this.#strings.finish() },
      ...TABLE_NAMES.map((table) => {
        const { kind, bytes } = TABLES[table];
        const body = tableBody(bytes, this.#counts[table], this.#rows[table].finish());
        return { kind, body };
      }).filter(({ kind, body }) => kind <= ALWAYS_KIND_MAX || body.length > TABLE_HEAD_BYTES),
    ]);
    if (bytes.length <= POLICY_BYTES_MAX) return { ok: true, bytes };
    const size = { group, what: 'bytes', count: bytes.length, most: POLICY_BYTES_MAX };
    return { ok: false, excess: [size] };
  }

  /** Begins a record. */
  #row(table: TableName): ByteWriter {
    this.#counts[table] += 1;
    return this.#rows[table];
  }

  /** Begins a record whose first field is a text. */
  #text(table: TableName, text: string): ByteWriter {
    const row = this.#row(table);
    this.#strings.reference(text, row);
    return row;
  }

  #indexOf(product: Product): number {
    return this.#productIndex.get(product) ?? NONE;
  }

  #productId({ namespace, name }: Product): number {
    return this.#ids.of(resourceKey('Product', namespace, name));
  }

  #planId(plan: Plan): number {
    return this.#ids.of(planKey(plan));
  }
}

type Nodes = ReadonlyMap<TreeNode, number>;

/** Segments are ASCII, so the order of their characters is that of their bytes. */
function sortedEdges(node: TreeNode): [string, TreeNode][] {
  return [...node.edges].sort(([a], [b]) => (a < b ? -1 : 1));
}

function sortedById<T>(list: readonly T[], idOf: (item: T) => number): T[] {
  return [...list].sort((a, b) => idOf(a) - idOf(b));
}

function fromNames<T>(make: () => T): Record<TableName, T> {
  return Object.fromEntries(TABLE_NAMES.map((name) => [name, make()])) as Record<TableName, T>;
}
