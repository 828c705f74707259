/**
 * Holds the check of a policy to hostile bytes. Guarantees that a policy that is let pass can be
 * read without looking twice, and that none makes the filter trap: a trap fails the whole spec.
 */
import {
  answerQuestion,
  beginQuestions,
  nextQuestion,
} from '../../../assembly/credential/principal';
import { matchHost } from '../../../assembly/match/host';
import { matchPath } from '../../../assembly/match/path';
import { runProgram } from '../../../assembly/mediate/program';
import { composeCors } from '../../../assembly/pipeline/cors';
import { CURRENT } from '../../../assembly/pipeline/current';
import { POLICY_HEAD_BYTES, PRODUCTS } from '../../../assembly/policy/layout';
import { countOf, isIdentityName, planById, productAt } from '../../../assembly/policy/policy';
import { below, lastRoom, next, room, seed, Text } from '../support/bytes';
import { request } from '../support/headers';
import { checkPolicy, PolicyWriter, samplePolicy, TreeNode } from '../support/policy';
import { seal } from '../support/writer';

const OUT: usize = room(8);
const HOSTS = texts(['a.example', 'x.w.example.com', 'y.example.com', 'nobody', '']);
const PATHS = texts(['/', '/v1', '/v1/orders', '/v1/orders/7', '/v1/files/a/b', '/x/y/z', 'x']);
const NAME = new Text('x-consumer');
/** Values of a request with none. */
const VALUES_ROOM: usize = room(40);

function texts(from: string[]): Text[] {
  const made: Text[] = [];
  for (let i = 0; i < from.length; i++) made.push(new Text(from[i]));
  return made;
}

/** Checks a policy after a change of one of its tables. */
function checked(policy: PolicyWriter): i32 {
  const at = policy.place();
  return checkPolicy(at, policy.length);
}

/** Reads a policy that was let pass in every way a request does. */
function exercise(policy: usize): void {
  for (let i = 0; i < HOSTS.length; i++) {
    const node = matchHost(policy, HOSTS[i].at, HOSTS[i].length);
    if (node == 0xffffffff) continue;
    for (let j = 0; j < PATHS.length; j++) {
      matchPath(policy, node, PATHS[j].at, PATHS[j].length, 1, OUT);
    }
  }
  isIdentityName(policy, NAME.at, NAME.length);
  CURRENT.policy = policy;
  request(['origin: https://x.b.example', 'x-consumer: mallory', 'x-old: 1']);
  for (let i: u32 = 0; i < countOf(policy, PRODUCTS); i++) {
    const product = productAt(policy, i);
    CURRENT.product = changetype<usize>(product);
    composeCors();
    beginQuestions(policy, product);
    while (nextQuestion()) answerQuestion(NAME.at, NAME.length);
    runProgram(policy, product.programFirst, product.programCount, VALUES_ROOM, true);
    runProgram(policy, product.responseFirst, product.responseCount, VALUES_ROOM, false);
  }
  planById(policy, 31);
}

describe('a whole policy', () => {
  // Guarantees that what the wire format allows is not refused.
  test('is valid with everything in it, and empty', () => {
    expect(checked(samplePolicy())).toBe(1);
    expect(checked(new PolicyWriter())).toBe(1);
  });

  // Guarantees that a check in slices decides as a check at once, so that slices may be small.
  test('is judged alike in slices of any size', () => {
    const policy = samplePolicy();
    const at = policy.place();
    for (let slice: u32 = 1; slice < 40; slice++) {
      expect(checkPolicy(at, policy.length, slice)).toBe(1);
    }
    store<u8>(at + POLICY_HEAD_BYTES + policy.length - 1, 0xff);
    for (let slice: u32 = 1; slice < 40; slice++) {
      expect(checkPolicy(at, policy.length, slice)).toBe(-4);
    }
  });

  // Guarantees that half a policy, or one with something behind it, never takes the place of one.
  test('is refused at every other length', () => {
    const policy = samplePolicy();
    const at = policy.place();
    for (let length: u32 = 0; length < policy.length; length++) {
      expect(checkPolicy(at, length) < 0).toBe(true);
    }
    for (let length: u32 = 0; length < policy.length; length++) {
      // The header says the shorter length and the checksum is right: only the sections are cut.
      const cut = policy.place();
      const from = cut + POLICY_HEAD_BYTES;
      if (length >= 16) store<u32>(from, length, 8);
      seal(from, length);
      expect(checkPolicy(cut, length) < 0).toBe(true);
    }
  });

  // Guarantees the checksum: a damaged policy is refused whatever the damage means.
  test('is refused with any byte changed', () => {
    const policy = samplePolicy();
    const at = policy.place();
    for (let i: u32 = 0; i < policy.length; i++) {
      const place = at + POLICY_HEAD_BYTES + i;
      const byte = load<u8>(place);
      store<u8>(place, byte ^ 0x20);
      // The minor version is the one thing that may differ.
      if (i != 6 && i != 7) expect(checkPolicy(at, policy.length) < 0).toBe(true);
      store<u8>(place, byte);
    }
    expect(checkPolicy(at, policy.length)).toBe(1);
  });
});

describe('hostile bytes', () => {
  // Guarantees that validation is total and that what it lets pass is safe to read.
  test('never trap, whatever bytes change under a right checksum', () => {
    const policy = samplePolicy();
    const copy = policy.place() + POLICY_HEAD_BYTES;
    // At the very end of the memory, so that one byte read too far traps.
    const at = lastRoom(POLICY_HEAD_BYTES + policy.length);
    const from = at + POLICY_HEAD_BYTES;
    seed(20261123);
    let passed = 0;
    for (let round = 0; round < 6000; round++) {
      memory.copy(from, copy, policy.length);
      const changes: u32 = 1 + below(4);
      for (let i: u32 = 0; i < changes; i++) {
        const place = from + 16 + below(policy.length - 16);
        const kind = below(4);
        if (kind == 0) store<u8>(place, <u8>next());
        else if (kind == 1) store<u8>(place, load<u8>(place) + 1);
        else if (kind == 2) store<u8>(place, 0xff);
        else store<u8>(place, 0);
      }
      seal(from, policy.length);
      if (checkPolicy(at, policy.length) != 1) continue;
      passed++;
      exercise(at);
    }
    expect(passed).toBeGreaterThan(0, 'seed 20261123');
  });

  test('of no form at all are refused', () => {
    seed(99);
    const end = lastRoom(POLICY_HEAD_BYTES + 2048) + POLICY_HEAD_BYTES + 2048;
    let refused = 0;
    for (let round = 0; round < 3000; round++) {
      const length = below(2048);
      const from = end - length;
      for (let i: u32 = 0; i < length; i++) store<u8>(from + i, <u8>next());
      if (length >= 16) {
        store<u32>(from, 0x4f504753);
        store<u32>(from, 1, 4);
        store<u32>(from, length, 8);
        seal(from, length);
      }
      if (checkPolicy(from - POLICY_HEAD_BYTES, length) < 0) refused++;
    }
    expect(refused).toBe(3000, 'seed 99');
  });
});

describe('references', () => {
  // Guarantees that no index leads out of its table.
  test('outside of a table are refused', () => {
    const host = samplePolicy();
    host.host('z.example', 1000);
    expect(checked(host)).toBe(-(3 * 8 + 4));
    const any = samplePolicy();
    any.anyHost = 1000;
    expect(checked(any)).toBe(-(1 * 8 + 4));
    const operation = samplePolicy();
    operation.operation(99, 'x', 2);
    expect(checked(operation)).toBe(-(8 * 8 + 4));
    const method = samplePolicy();
    method.methods.u32(1).u32(5);
    expect(checked(method)).toBe(-(7 * 8 + 4));
    const plan = samplePolicy();
    plan.plan(99, 'x', 3, 1);
    expect(checked(plan)).toBe(-(12 * 8 + 4));
    const wrapped = samplePolicy();
    wrapped.plan(99, 'x', 0xffffffff, 2);
    expect(checked(wrapped)).toBe(-(12 * 8 + 4));
    const edits = samplePolicy();
    edits.plan(99, 'x', 0, 0, 2);
    expect(checked(edits)).toBe(-(12 * 8 + 4));
    const field = samplePolicy();
    field.plan(99, 'x', 0, 0, 0, 2);
    expect(checked(field)).toBe(-(12 * 8 + 4));
    const origins = samplePolicy();
    origins.cors.u32(1).u32(2).u32(0).u32(0).u32(1);
    expect(checked(origins)).toBe(-(22 * 8 + 4));
    const none = samplePolicy();
    none.products.bytes[none.products.bytes.length - 8] = 9;
    expect(checked(none)).toBe(-(9 * 8 + 4));
    const more = samplePolicy();
    more.operation(99, 'x', 0, 1, 0, 2);
    expect(checked(more)).toBe(-(8 * 8 + 4));
    const steps = samplePolicy();
    steps.mediation.u32(0).u32(0).u32(1000).u32(1);
    expect(checked(steps)).toBe(-(20 * 8 + 4));
  });

  // Guarantees that texts stay inside STRINGS, also where offset and length wrap around.
  test('to texts outside are refused', () => {
    const far = samplePolicy();
    far.brands.u32(0xffffffff).u32(2);
    expect(checked(far)).toBe(-(11 * 8 + 5));
    const long = samplePolicy();
    long.brands.u32(long.strings.length - 1).u32(2);
    expect(checked(long)).toBe(-(11 * 8 + 5));
  });
});

describe('trees', () => {
  // Guarantees that every walk ends: no cycle, no node reached in two ways.
  test('with a loop or a second parent are refused', () => {
    const back = samplePolicy();
    back.nodes.u32(0).u32(0).u32(0).u32(0).u32(0).u32(0).u32(0xffffffff).u32(0);
    expect(checked(back)).toBe(-(5 * 8 + 3));
    const twice = samplePolicy();
    const root = new TreeNode();
    twice.tree(root.route('/a', 1, 0).route('/b', 1, 0));
    // The second edge leads where the first does.
    const last = twice.edges.bytes.length;
    for (let i = 1; i <= 4; i++) twice.edges.bytes[last - i] = twice.edges.bytes[last - 12 - i];
    expect(checked(twice)).toBe(-(6 * 8 + 4));
  });

  // Guarantees that a search by halves finds every edge.
  test('with edges out of order are refused', () => {
    const policy = samplePolicy();
    policy.tree(new TreeNode().route('/a', 1, 0).route('/b', 1, 0));
    const last = policy.edges.bytes.length;
    for (let i = 5; i <= 12; i++) {
      const byte = policy.edges.bytes[last - i];
      policy.edges.bytes[last - i] = policy.edges.bytes[last - 12 - i];
      policy.edges.bytes[last - 12 - i] = byte;
    }
    expect(checked(policy)).toBe(-(6 * 8 + 3));
  });

  // Guarantees a bound for the work at one node.
  test('with too many methods at a node are refused', () => {
    const tree = new TreeNode();
    for (let i = 0; i < 17; i++) tree.route('/a', 1, 0);
    const policy = samplePolicy();
    policy.tree(tree);
    expect(checked(policy)).toBe(-(5 * 8 + 4));
  });
});

describe('order, bounds and values', () => {
  // Guarantees that look-ups by halves find what is there.
  test('names and ids must ascend', () => {
    const host = samplePolicy();
    host.host('a.example', 0);
    expect(checked(host)).toBe(-(3 * 8 + 3));
    const wildcard = samplePolicy();
    wildcard.wildcard('.a', 0);
    expect(checked(wildcard)).toBe(-(4 * 8 + 3));
    const operation = samplePolicy();
    operation.operation(25, 'again', 0);
    expect(checked(operation)).toBe(-(8 * 8 + 3));
    const product = samplePolicy();
    product.product(3, 'less');
    expect(checked(product)).toBe(-(9 * 8 + 3));
    const identity = samplePolicy();
    identity.identityName('x-a');
    expect(checked(identity)).toBe(-(16 * 8 + 3));
    const zero = new PolicyWriter();
    zero.plan(0, 'x', 0, 0);
    expect(checked(zero)).toBe(-(12 * 8 + 3));
  });

  // Guarantees that what this version does not know is refused rather than passed over.
  test('values that are not known are refused', () => {
    const source = samplePolicy();
    source
      .ref(source.ref(source.sources.u32(6), 'a'), '')
      .u32(0)
      .u64(0);
    expect(checked(source)).toBe(-(10 * 8 + 6));
    const prefixed = samplePolicy();
    prefixed
      .ref(prefixed.ref(prefixed.sources.u32(2), 'a'), 'Bearer ')
      .u32(0)
      .u64(0);
    expect(checked(prefixed)).toBe(-(10 * 8 + 5));
    const window = samplePolicy();
    window.limit(99, 1, 'month', 0x80000001);
    expect(checked(window)).toBe(-(13 * 8 + 6));
    const none = samplePolicy();
    none.limit(99, 1, 'zero', 0);
    expect(checked(none)).toBe(-(13 * 8 + 6));
    const op = samplePolicy();
    op.step(7, 'x-a', [], []);
    expect(checked(op)).toBe(-(14 * 8 + 6));
    const part = samplePolicy();
    part.step(1, 'x-a', [6], ['']);
    expect(checked(part)).toBe(-(15 * 8 + 6));
    const remove = samplePolicy();
    remove.step(3, 'x-a', [0], ['text']);
    expect(checked(remove)).toBe(-(14 * 8 + 6));
    const everybody = samplePolicy();
    everybody.allow([], 3, 'RateLimit').product(99, 'x');
    expect(checked(everybody)).toBe(-(22 * 8 + 6));
    const nowhere = samplePolicy();
    nowhere.step(6, 'x-a', [], []);
    expect(checked(nowhere)).toBe(-(14 * 8 + 6));
    const variable = samplePolicy();
    variable.step(6, 'x-a', [1], ['']);
    expect(checked(variable)).toBe(-(14 * 8 + 6));
    const pseudo = samplePolicy();
    pseudo.step(6, 'x-a', [0], [':path']);
    expect(checked(pseudo)).toBe(-(14 * 8 + 5));
  });

  // Guarantees that exactly the bytes of a field name may stand in one.
  test('names of headers have the bytes of RFC 9110 in lower case', () => {
    const good = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
    for (let byte = 1; byte < 128; byte++) {
      const name = String.fromCharCode(byte);
      const policy = samplePolicy();
      policy.step(3, name, [], []);
      expect(checked(policy)).toBe(good.includes(name) ? 1 : -(14 * 8 + 5), name);
    }
    const other = samplePolicy();
    other.step(3, 'é', [], []);
    expect(checked(other)).toBe(-(14 * 8 + 5));
  });

  // Guarantees that a policy cannot smuggle a line break or a pseudo header into a request.
  test('texts that would break a header or a body are refused', () => {
    const names = ['', 'X-A', 'a b', ':path', 'a\n', 'a'.repeat(257)];
    for (let i = 0; i < names.length; i++) {
      const policy = samplePolicy();
      policy.step(1, names[i], [0], ['v']);
      expect(checked(policy)).toBe(-(14 * 8 + 5));
    }
    const values = ['a\r\nb: c', '\0', 'a'.repeat(4097)];
    for (let i = 0; i < values.length; i++) {
      const policy = samplePolicy();
      policy.step(1, 'x-a', [0], [values[i]]);
      expect(checked(policy) < 0).toBe(true);
    }
    const together = samplePolicy();
    together.step(1, 'x-a', [0, 0], ['a'.repeat(4096), 'b']);
    expect(checked(together)).toBe(-(14 * 8 + 2));
    const field = samplePolicy();
    expect(checked(field.field('a\r\nb: c'))).toBe(-(21 * 8 + 5));
    const quotes = samplePolicy();
    quotes.operation(99, 'a"b', 0);
    expect(checked(quotes)).toBe(-(8 * 8 + 5));
    const identity = samplePolicy();
    identity.identityName('x_y');
    expect(checked(identity)).toBe(-(16 * 8 + 5));
  });

  // Guarantees the bounds of docs/wire.md: one more is refused.
  test('more records than named are refused', () => {
    const hosts = new PolicyWriter();
    hosts.tree(new TreeNode());
    for (let i = 0; i < 1025; i++) hosts.host((1000 + i).toString(), 0);
    expect(checked(hosts)).toBe(-(3 * 8 + 2));
    const sources = samplePolicy();
    for (let i = 0; i < 17; i++) sources.source('a', '');
    sources.product(99, 'x');
    expect(checked(sources)).toBe(-(9 * 8 + 4));
    const steps = samplePolicy();
    for (let i = 0; i < 65; i++) steps.step(3, 'a', [], []);
    steps.product(99, 'x');
    expect(checked(steps)).toBe(-(9 * 8 + 4));
    const limits = samplePolicy();
    for (let i = 0; i < 9; i++) limits.limit(100 + i, 1, 'x', 1);
    limits.plan(99, 'x', 3, 9);
    expect(checked(limits)).toBe(-(12 * 8 + 4));
  });
});
