/**
 * Compiles small policies for the specs from hosts, templates and methods, after docs/wire.md. It
 * shares no code with the host's compiler nor with what reads a policy.
 */
import { CHECK_STATE_BYTES, checkBegin, checkStep } from '../../../assembly/policy/check';
import { POLICY_HEAD_BYTES } from '../../../assembly/policy/layout';
import { room } from './bytes';
import { message, section, table, Writer } from './writer';

const NONE: u32 = 0xffffffff;

class Route {
  constructor(
    public mask: u32,
    public operation: u32,
  ) {}
}

/** A node of a tree; edges in any order. */
export class TreeNode {
  names: string[] = [];
  children: TreeNode[] = [];
  any: TreeNode | null = null;
  methods: Route[] = [];
  rest: Route[] = [];
  product: u32 = NONE;
  index: u32 = 0;

  child(name: string): TreeNode {
    if (name == '*' || name.startsWith('{')) {
      if (this.any === null) this.any = new TreeNode();
      return this.any!;
    }
    const known = this.names.indexOf(name);
    if (known >= 0) return this.children[known];
    this.names.push(name);
    this.children.push(new TreeNode());
    return this.children[this.children.length - 1];
  }

  /** Adds a template such as `/a/{x}/**` for the methods of a mask. */
  route(template: string, mask: u32, operation: u32): TreeNode {
    const names = template.split('/');
    let node: TreeNode = this;
    for (let i = 1; i < names.length; i++) {
      if (names[i] == '**') {
        node.rest.push(new Route(mask, operation));
        return this;
      }
      node = node.child(names[i]);
    }
    node.methods.push(new Route(mask, operation));
    return this;
  }

  /** Says that the base path of a product ends at a template without parameters. */
  base(template: string, product: u32): TreeNode {
    const names = template.split('/');
    let node: TreeNode = this;
    for (let i = 1; i < names.length; i++) node = node.child(names[i]);
    node.product = product;
    return this;
  }
}

/** Everything a policy holds; fields may be changed before `write`. */
export class PolicyWriter {
  strings: Writer = new Writer();
  hosts: Writer = new Writer();
  wildcards: Writer = new Writer();
  nodes: Writer = new Writer();
  edges: Writer = new Writer();
  methods: Writer = new Writer();
  operations: Writer = new Writer();
  products: Writer = new Writer();
  sources: Writer = new Writer();
  brands: Writer = new Writer();
  plans: Writer = new Writer();
  limits: Writer = new Writer();
  program: Writer = new Writer();
  parts: Writer = new Writer();
  identity: Writer = new Writer();
  mediation: Writer = new Writer();
  fields: Writer = new Writer();
  cors: Writer = new Writer();
  origins: Writer = new Writer();
  audiences: Writer = new Writer();
  anyHost: u32 = NONE;
  length: u32 = 0;
  private ordered: TreeNode[] = [];

  ref(to: Writer, text: string): Writer {
    to.u32(text.length == 0 ? 0 : this.strings.length);
    const from = this.strings.length;
    this.strings.text(text);
    return to.u32(this.strings.length - from);
  }

  /** Writes a tree breadth first, so that children come after parents; answers its root. */
  tree(root: TreeNode): u32 {
    const first = this.ordered.length;
    this.ordered.push(root);
    for (let i = first; i < this.ordered.length; i++) {
      const node = this.ordered[i];
      node.index = <u32>i;
      for (let j = 0; j < node.children.length; j++) this.ordered.push(node.children[j]);
      const any = node.any;
      if (any !== null) this.ordered.push(any);
    }
    for (let i = first; i < this.ordered.length; i++) this.node(this.ordered[i]);
    return <u32>first;
  }

  private node(node: TreeNode): void {
    const firstEdge = this.edges.length / 12;
    const names = node.names.slice(0).sort();
    for (let i = 0; i < names.length; i++) {
      this.ref(this.edges, names[i]).u32(node.child(names[i]).index);
    }
    const any = node.any;
    this.nodes.u32(firstEdge).u32(names.length);
    this.nodes.u32(any === null ? NONE : any.index);
    const first = this.methods.length / 8;
    for (let i = 0; i < node.methods.length; i++) this.method(node.methods[i]);
    const rest = this.methods.length / 8;
    for (let i = 0; i < node.rest.length; i++) this.method(node.rest[i]);
    this.nodes.u32(rest).u32(first).u16(node.methods.length).u16(node.rest.length);
    this.nodes.u32(node.product).u32(0);
  }

  private method(route: Route): void {
    this.methods.u32(route.mask).u32(route.operation);
  }

  host(name: string, node: u32): PolicyWriter {
    this.ref(this.hosts, name).u32(node);
    return this;
  }

  wildcard(suffix: string, node: u32): PolicyWriter {
    this.ref(this.wildcards, suffix).u32(node);
    return this;
  }

  operation(
    id: u64,
    name: string,
    product: u32,
    cost: u32 = 1,
    flags: u32 = 0,
    mediation: u32 = 0,
  ): PolicyWriter {
    this.ref(this.operations.u64(id), name).u32(product).u32(cost).u32(flags).u32(mediation);
    return this;
  }

  /** Adds a product with the sources, brands and steps that were added since the last product. */
  product(id: u64, name: string, flags: u32 = 0): PolicyWriter {
    const at = this.products;
    this.ref(at.u64(id), name).u32(flags);
    const sources = this.sources.length / 32;
    const brands = this.brands.length / 8;
    const steps = this.program.length / 24;
    at.u32(this.sourceFirst).u32(sources - this.sourceFirst - this.identityCount);
    at.u32(this.brandFirst).u32(brands - this.brandFirst);
    const programs = this.programs(steps);
    at.add(programs.part(0, 8)).u32(this.identityCount).add(programs.part(8, 16));
    at.u32(this.corsOf).u32(0);
    this.identityCount = 0;
    this.corsOf = 0;
    this.sourceFirst = sources;
    this.brandFirst = brands;
    return this;
  }

  /** The steps since the last product or `both` are one program; those after this call another. */
  response(): PolicyWriter {
    this.responseFrom = this.program.length / 24;
    return this;
  }

  /** Two ranges: the request's and the response's program of what is being written. */
  private programs(steps: u32): Writer {
    const middle = this.responseFrom == NONE ? steps : this.responseFrom;
    const ranges = new Writer().u32(this.stepFirst).u32(middle - this.stepFirst);
    ranges.u32(middle).u32(steps - middle);
    this.stepFirst = steps;
    this.responseFrom = NONE;
    return ranges;
  }
  private responseFrom: u32 = NONE;

  /** Adds the programs of a plan or operation; its place is how many there are then. */
  both(): PolicyWriter {
    this.mediation.add(this.programs(this.program.length / 24));
    return this;
  }
  private sourceFirst: u32 = 0;
  private brandFirst: u32 = 0;
  private stepFirst: u32 = 0;

  /** Kinds: 1 header, 2 query, 3 cookie. */
  source(name: string, prefix: string, kind: u32 = 1): PolicyWriter {
    this.ref(this.ref(this.sources.u32(kind), name), prefix)
      .u32(0)
      .u64(0);
    return this;
  }

  /** The next product knows callers by their certificates. */
  mtls(): PolicyWriter {
    this.identityCount++;
    return this.source('', '', 4);
  }

  /** The next product knows callers by a claim of their tokens. */
  jwt(issuer: string, claim: string, audiences: string[]): PolicyWriter {
    const first = this.audiences.length / 8;
    for (let i = 0; i < audiences.length; i++) this.ref(this.audiences, audiences[i]);
    const row = this.ref(this.ref(this.sources.u32(5), claim), issuer);
    row.u32(first).u32(audiences.length).u32(0);
    this.identityCount++;
    return this;
  }
  private identityCount: u32 = 0;

  brand(brand: string): PolicyWriter {
    this.ref(this.brands, brand);
    return this;
  }

  plan(
    id: u64,
    name: string,
    limitFirst: u32,
    limitCount: u32,
    mediation: u32 = 0,
    field: u32 = 0,
  ): PolicyWriter {
    const row = this.ref(this.plans.u64(id), name).u32(limitFirst).u32(limitCount);
    row.u32(mediation).u32(field);
    return this;
  }

  limit(id: u64, quota: u64, name: string, window: u32): PolicyWriter {
    this.ref(this.limits.u64(id).u64(quota), name).u32(window).u8(1).zero(3).u64(0);
    return this;
  }

  /** Says of the next product that these origins may read, each as start and end. */
  allow(origins: string[], flags: u32, exposed: string): PolicyWriter {
    const first = this.origins.length / 16;
    for (let i = 0; i < origins.length; i++) this.ref(this.origins, origins[i]);
    this.ref(
      this.cors
        .u32(first)
        .u32(origins.length / 2)
        .u32(flags),
      exposed,
    );
    this.corsOf = this.cors.length / 20;
    return this;
  }
  private corsOf: u32 = 0;

  /** Adds a `RateLimit-Policy`; its place is how many there are then. */
  field(value: string): PolicyWriter {
    this.ref(this.fields, value);
    return this;
  }

  /** Adds a step; `kinds` and `texts` are its parts. */
  step(op: u32, name: string, kinds: u32[], texts: string[]): PolicyWriter {
    const first = this.parts.length / 12;
    for (let i = 0; i < kinds.length; i++) this.ref(this.parts.u32(kinds[i]), texts[i]);
    this.ref(this.program.u32(op), name).u32(first).u32(kinds.length).u32(0);
    return this;
  }

  identityName(name: string): PolicyWriter {
    this.ref(this.identity, name);
    return this;
  }

  /** The whole message. */
  message(): Writer {
    const to = new Writer();
    section(to, 1, new Writer().u64(7).u32(this.anyHost).u32(0));
    section(to, 2, this.strings);
    section(to, 3, table(12, this.hosts));
    section(to, 4, table(12, this.wildcards));
    section(to, 5, table(32, this.nodes));
    section(to, 6, table(12, this.edges));
    section(to, 7, table(8, this.methods));
    section(to, 8, table(32, this.operations));
    section(to, 9, table(64, this.products));
    section(to, 10, table(32, this.sources));
    section(to, 11, table(8, this.brands));
    section(to, 12, table(32, this.plans));
    section(to, 13, table(40, this.limits));
    section(to, 14, table(24, this.program));
    section(to, 15, table(12, this.parts));
    section(to, 16, table(8, this.identity));
    if (this.mediation.length > 0) section(to, 20, table(16, this.mediation));
    if (this.fields.length > 0) section(to, 21, table(8, this.fields));
    if (this.cors.length > 0) section(to, 22, table(20, this.cors));
    if (this.origins.length > 0) section(to, 23, table(16, this.origins));
    if (this.audiences.length > 0) section(to, 26, table(8, this.audiences));
    return message('SGPO', to);
  }

  /** Places the policy with its head and checks it; answers its address. */
  place(): usize {
    const whole = this.message();
    this.length = whole.length;
    return whole.place(POLICY_HEAD_BYTES);
  }
}

const STATE: usize = room(CHECK_STATE_BYTES);

/** Checks a policy in slices of so many records; 1 valid, below 0 a refusal. */
export function checkPolicy(policy: usize, length: u32, slice: u32 = 1000000): i32 {
  checkBegin(STATE, policy, length);
  let result = checkStep(STATE, slice);
  while (result == 0) result = checkStep(STATE, slice);
  return result;
}

/** A policy with everything in it: two products, hosts of each kind, a program, plans, limits. */
export function samplePolicy(): PolicyWriter {
  const policy = new PolicyWriter();
  const tree = new TreeNode()
    .base('/v1', 0)
    .route('/v1/orders', 1, 0)
    .route('/v1/orders', 4, 1)
    .route('/v1/orders/{id}', 0x80000000, 2)
    .route('/v1/files/**', 1, 3);
  const other = new TreeNode().base('', 1).route('/**', 0x80000000, 4);
  const root = policy.tree(tree);
  const otherRoot = policy.tree(other);
  policy.host('a.example', root).host('b.example', root);
  policy.wildcard('.example.com', otherRoot).wildcard('.w.example.com', root);
  policy.anyHost = otherRoot;
  policy.source('x-api-key', '').source('authorization', 'Bearer ');
  policy.brand('sg').brand('acme');
  policy.step(1, 'x-consumer', [1], ['']);
  policy.step(2, 'x-via', [0, 3, 0, 4], ['plan=', '', ';product=', '']);
  policy.step(3, 'x-internal', [], []);
  policy.response().step(5, 'x-served-by', [4], ['']).step(6, 'x-old', [0], ['x-new']);
  policy.allow(['https://a.example', '', 'https://', '.b.example'], 2, 'RateLimit');
  policy.product(11, 'orders', 1);
  policy.step(4, 'x-via', [0], ['one']).response().step(3, 'server', [], []).both();
  policy.source('x-key', '').mtls().jwt('https://id.example', 'azp', ['api', 'web']);
  policy.product(12, 'other', 2);
  policy.operation(21, 'list', 0).operation(22, 'create', 0, 5).operation(23, 'one', 0);
  policy.operation(24, 'files', 0, 1, 1, 1).operation(25, 'rest', 1);
  policy.limit(41, 100, 'daily', 86400).limit(42, 5, 'burst', 1).limit(43, 9, 'daily', 60);
  policy.field('"daily";q=100;w=86400').plan(31, 'gold', 0, 2, 1, 1).plan(32, 'free', 2, 1);
  policy.identityName('x-consumer');
  return policy;
}
