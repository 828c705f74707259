/**
 * Holds matching of hosts, paths and methods to docs/wire.md, section 3. Guarantees that what is
 * matched is what the service behind sees, and that no spelling of a path goes around a product.
 */
import { matchHost } from '../../../assembly/match/host';
import { methodBit } from '../../../assembly/match/method';
import { Match, matchPath } from '../../../assembly/match/path';
import { below, lastRoom, next, room, seed, Text } from '../support/bytes';
import { checkPolicy, PolicyWriter, TreeNode } from '../support/policy';

const GET: u32 = 1;
const POST: u32 = 4;
const ANY: u32 = 0x80000000;
const NONE: u32 = 0xffffffff;
const FOUND = 0;
const PASSES = 1;
const NOT_FOUND = 2;
const AMBIGUOUS = 3;

const OUT: usize = room(8);
let policy: usize = 0;
let root: u32 = 0;

/** Places a policy with one tree, 32 operations of product 0 and two products. */
function serve(tree: TreeNode, flags: u32 = 0): void {
  const writer = new PolicyWriter();
  root = writer.tree(tree);
  writer.product(1, 'first', flags).product(2, 'second', 2);
  for (let i: u32 = 0; i < 32; i++) writer.operation(100 + i, 'o', 0);
  policy = writer.place();
  expect(checkPolicy(policy, writer.length)).toBe(1);
}

function match(path: string, method: u32 = GET): i32 {
  const text = new Text(path);
  return matchPath(policy, root, text.at, text.length, method, OUT);
}

/** The operation for a path, or -1 - the answer when there is none. */
function operation(path: string, method: u32 = GET): i32 {
  const answer = match(path, method);
  return answer == FOUND ? <i32>changetype<Match>(OUT).operation : -1 - answer;
}

describe('methods', () => {
  // Guarantees the numbers of the mask, which stand in every policy.
  test('have the bits of docs/wire.md', () => {
    const names = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];
    for (let i = 0; i < names.length; i++) {
      const name = new Text(names[i]);
      expect(methodBit(name.at, name.length)).toBe((<u32>1) << i);
    }
    const others = ['', 'get', 'GE', 'GETS', 'PROPFIND', 'OPTIONS2', 'PATC', 'GET\0', 'GET\0\0'];
    for (let i = 0; i < others.length; i++) {
      const name = new Text(others[i]);
      expect(methodBit(name.at, name.length)).toBe(0);
    }
  });
});

function node(host: string): u32 {
  const text = new Text(host);
  return matchHost(policy, text.at, text.length);
}

function serveHosts(anyHost: bool): void {
  const writer = new PolicyWriter();
  for (let i = 0; i < 6; i++) writer.tree(new TreeNode());
  writer.host('[::1]', 4).host('a.example.com', 0).host('plain', 1);
  writer.wildcard('.deep.example.com', 2).wildcard('.example.com', 3);
  if (anyHost) writer.anyHost = 5;
  policy = writer.place();
  expect(checkPolicy(policy, writer.length)).toBe(1);
}

describe('hosts', () => {
  // Guarantees the order: exact, longest wildcard, any host.
  test('exact goes before the longest wildcard before any', () => {
    serveHosts(true);
    expect(node('a.example.com')).toBe(0);
    expect(node('b.example.com')).toBe(3);
    expect(node('x.a.example.com')).toBe(3);
    expect(node('x.deep.example.com')).toBe(2);
    expect(node('deep.example.com')).toBe(3);
    expect(node('example.com')).toBe(5);
    expect(node('elsewhere')).toBe(5);
    serveHosts(false);
    expect(node('elsewhere')).toBe(NONE);
    expect(node('')).toBe(NONE);
    expect(node('.example.com')).toBe(NONE);
  });

  // Guarantees that the spelling of an authority is no way around a product.
  test('case, port and trailing dot do not count', () => {
    serveHosts(false);
    const spellings = ['A.EXAMPLE.com', 'a.example.com:8080', 'a.example.com.', 'a.Example.com.:1'];
    for (let i = 0; i < spellings.length; i++) expect(node(spellings[i])).toBe(0);
    expect(node('a.example.com:')).toBe(0);
    expect(node('[::1]:443')).toBe(4);
    expect(node('[::1]')).toBe(4);
    // No address, so no bracket hides the colon.
    expect(node('[x.example.com:80')).toBe(3);
    expect(node('::1')).toBe(NONE);
    expect(node('a.example.com:80x')).toBe(0);
    expect(node('a.example.com:80:80')).toBe(0);
    expect(node('a.example.com..')).toBe(NONE);
    expect(node('[::1')).toBe(NONE);
  });

  // Guarantees that a host too long for any table is still governed by its wildcard.
  test('length is no way around a wildcard', () => {
    serveHosts(false);
    for (let length = 200; length < 300; length++) {
      expect(node('a'.repeat(length) + '.example.com')).toBe(3);
    }
    expect(node('a.'.repeat(30000) + 'example.com')).toBe(3);
    const writer = new PolicyWriter();
    writer.tree(new TreeNode());
    const longest = '.' + 'l'.repeat(254);
    policy = writer.wildcard(longest, 0).place();
    expect(checkPolicy(policy, writer.length)).toBe(1);
    expect(node('x' + longest)).toBe(0);
    expect(node('x'.repeat(300) + longest)).toBe(0);
    expect(node(longest)).toBe(NONE);
    serveHosts(false);
    expect(node('a'.repeat(70000))).toBe(NONE);
  });
});

describe('paths', () => {
  // Guarantees that the most specific template wins, from the left.
  test('literal before parameter before rest', () => {
    serve(
      new TreeNode()
        .route('/a/b', ANY, 0)
        .route('/a/{x}', ANY, 1)
        .route('/a/**', ANY, 2)
        .route('/{y}/b', ANY, 3)
        .route('/**', ANY, 4),
    );
    expect(operation('/a/b')).toBe(0);
    expect(operation('/a/c')).toBe(1);
    expect(operation('/a/c/d')).toBe(2);
    expect(operation('/a')).toBe(2);
    expect(operation('/a/')).toBe(2);
    expect(operation('/z/b')).toBe(3);
    expect(operation('/z/c')).toBe(4);
    expect(operation('/')).toBe(4);
    expect(operation('/a/b?x=/../;')).toBe(0);
    expect(operation('/a/b#x')).toBe(0);
  });

  // Guarantees that a dead end of a more specific way does not hide a less specific template.
  test('go back where a way does not end', () => {
    serve(new TreeNode().route('/a/b/c', ANY, 0).route('/{x}/b/d', ANY, 1).route('/a/**', POST, 2));
    expect(operation('/a/b/d')).toBe(1);
    expect(operation('/a/b/d', POST)).toBe(2);
    expect(operation('/a/b/e')).toBe(-1 - NOT_FOUND);
  });

  // Guarantees that the method counts: it may lead to a less specific template that has it.
  test('without the method yield to one with it', () => {
    serve(
      new TreeNode()
        .route('/a/b', GET, 0)
        .route('/a/{x}', POST, 1)
        .route('/a/b', ANY, 2)
        .route('/c', POST, 3),
    );
    expect(operation('/a/b', GET)).toBe(0);
    expect(operation('/a/b', 2)).toBe(2);
    expect(operation('/a/b', 0)).toBe(2);
    expect(operation('/a/z', POST)).toBe(1);
    expect(operation('/a/z', GET)).toBe(-1 - NOT_FOUND);
    expect(operation('/c', 0)).toBe(-1 - NOT_FOUND);
  });

  // Guarantees that a parameter is never empty and that a trailing slash is a segment of its own.
  test('an empty last segment is no parameter', () => {
    serve(new TreeNode().route('/a', ANY, 0).route('/a/{x}', ANY, 1).route('/b/', ANY, 2));
    expect(operation('/a')).toBe(0);
    expect(operation('/a/')).toBe(-1 - NOT_FOUND);
    expect(operation('/b/')).toBe(2);
    expect(operation('/b')).toBe(-1 - NOT_FOUND);
  });

  // Guarantees that two spellings of one path are one path, and two paths stay two.
  test('are compared in normal form', () => {
    serve(
      new TreeNode()
        .route('/orders', ANY, 0)
        .route('/a%20b', ANY, 1)
        .route('/x%3Ay', ANY, 2)
        .route('/x:y', ANY, 3),
    );
    expect(operation('/orders')).toBe(0);
    expect(operation('/Orders')).toBe(-1 - NOT_FOUND);
    expect(operation('/a%20b')).toBe(1);
    expect(operation('/x%3ay')).toBe(2);
    expect(operation('/x%3Ay')).toBe(2);
    expect(operation('/x:y')).toBe(3);
    const escaped = '%c3'.repeat(300);
    expect(operation('/' + escaped)).toBe(-1 - NOT_FOUND);
  });

  // Guarantees the refusal of every path that two servers may read differently.
  test('that are ambiguous are refused wherever it stands', () => {
    serve(new TreeNode().route('/**', ANY, 0));
    const parts = [
      '/',
      '.',
      '..',
      '%2e',
      '%2E',
      '.%2e',
      '%2e%2E',
      '%2f',
      '%2F',
      'a%5cb',
      '%5C',
      '%00',
      'a;b',
      'a\\b',
      'a b',
      '\t',
      '\x7f',
      'é',
      '%',
      '%2',
      '%zz',
      'a%2',
      '%u0041',
      '%6frders',
      'a%7E',
      '%2ea',
      'a%5f',
    ];
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i];
      expect(match('/' + part + '/a')).toBe(AMBIGUOUS, part);
      expect(match('/a/' + part + '/b')).toBe(AMBIGUOUS, part);
      if (part != '/') expect(match('/a/' + part)).toBe(AMBIGUOUS, part);
      if (part != '/') expect(match('/a/' + part + '?x')).toBe(AMBIGUOUS, part);
      // The query is not part of the path.
      expect(match('/a?' + part)).toBe(FOUND, part);
    }
    const others = ['', 'a', '*', '?', 'http://a/b', '//', '/a//'];
    for (let i = 0; i < others.length; i++) expect(match(others[i])).toBe(AMBIGUOUS, others[i]);
    const good = ['/...', '/.a', '/a.', '/..a/b', '/%252f', '/%3b', '/~a-b_c.d'];
    for (let i = 0; i < good.length; i++) expect(match(good[i])).toBe(FOUND, good[i]);
  });

  // Guarantees that a deep path is not passed on where a product lets unmatched operations pass.
  test('with more than 64 segments are not found, whatever the product', () => {
    serve(new TreeNode().route('/a/**', ANY, 0).base('/a', 0), 2);
    expect(operation('/a' + '/b'.repeat(63))).toBe(0);
    expect(match('/a' + '/b'.repeat(64))).toBe(NOT_FOUND);
    expect(changetype<Match>(OUT).product).toBe(NONE);
    expect(match('/a' + '/b'.repeat(64) + '/../c')).toBe(AMBIGUOUS);
  });

  // Guarantees which product answers for a path that no template meets.
  test('without a template fall to the deepest product on the literal way', () => {
    serve(new TreeNode().base('', 0).base('/v1', 0).base('/v1/open', 1).route('/v1/a/{x}', GET, 0));
    expect(match('/other')).toBe(NOT_FOUND);
    expect(changetype<Match>(OUT).product).toBe(0);
    expect(match('/v1/open')).toBe(PASSES);
    expect(changetype<Match>(OUT).product).toBe(1);
    expect(match('/v1/open/x/y')).toBe(PASSES);
    expect(match('/v1/a/b', POST)).toBe(NOT_FOUND);
    serve(new TreeNode().base('/v1', 1).route('/v1/a', GET, 0));
    expect(match('/v2')).toBe(NOT_FOUND);
    expect(changetype<Match>(OUT).product).toBe(NONE);
  });
});

describe('hostile requests', () => {
  // Guarantees that matching is total: paths and hosts of any bytes, at the end of the memory.
  test('never trap', () => {
    serve(new TreeNode().route('/a/{x}/**', ANY, 0).route('/{y}/b', ANY, 1).base('/a', 1), 2);
    const end = lastRoom(512) + 512;
    const letters = new Text('/a%2eE.?#;\\:b');
    seed(7);
    for (let round = 0; round < 200000; round++) {
      const length = below(40);
      const at = end - length;
      for (let i: u32 = 0; i < length; i++) {
        const byte = below(8) == 0 ? next() : load<u8>(letters.at + below(letters.length));
        store<u8>(at + i, <u8>byte);
      }
      if (below(2) == 0 && length > 0) store<u8>(at, 0x2f);
      matchPath(policy, root, at, length, next(), OUT);
      matchHost(policy, at, length);
      methodBit(at, length);
    }
    expect(match('/a/b/c')).toBe(FOUND, 'seed 7');
  });
});
