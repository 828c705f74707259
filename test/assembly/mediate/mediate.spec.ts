/**
 * Holds header programs and identity names to docs/wire.md. Guarantees that a service sees under an
 * identity name what the filter says and nothing that a caller sent.
 */
import { runProgram, VALUES } from '../../../assembly/mediate/program';
import { editRemove, editsOverflowed } from '../../../assembly/pipeline/edits';
import { forgetHeaders } from '../../../assembly/pipeline/headers';
import { isIdentityName, productAt } from '../../../assembly/policy/policy';
import { room, Text } from '../support/bytes';
import { edits, request } from '../support/headers';
import { checkPolicy, PolicyWriter } from '../support/policy';

const SET: u32 = 1;
const ADD: u32 = 2;
const REMOVE: u32 = 3;
const APPEND: u32 = 4;
const SET_IF_ABSENT: u32 = 5;
const RENAME: u32 = 6;

/** The values of a request: consumer, application, plan, product, credential; '' = absent. */
function values(texts: string[]): usize {
  const at = room(VALUES * 8);
  for (let i = 0; i < texts.length; i++) {
    if (texts[i].length == 0) continue;
    const text = new Text(texts[i]);
    store<u32>(at + i * 8, <u32>text.at);
    store<u32>(at + i * 8, text.length, 4);
  }
  return at;
}

function run(writer: PolicyWriter, headers: string[], known: string[]): string {
  writer.product(1, 'p');
  const policy = writer.place();
  expect(checkPolicy(policy, writer.length)).toBe(1);
  request(headers);
  const product = productAt(policy, 0);
  runProgram(policy, product.programFirst, product.programCount, values(known), true);
  return edits();
}

/** The same for a response, whose headers are read or not. */
function respond(writer: PolicyWriter, headers: string[], read: bool): string {
  writer.response().product(1, 'p');
  const policy = writer.place();
  expect(checkPolicy(policy, writer.length)).toBe(1);
  request(headers);
  if (!read) forgetHeaders();
  const product = productAt(policy, 0);
  runProgram(policy, product.programFirst, product.programCount, values(NOBODY), false);
  return edits();
}

const ALL = ['acme', 'shop', 'gold', 'orders', '77'];
const NOBODY = ['', '', '', 'orders', ''];

describe('a header program', () => {
  // Guarantees each kind of part and each kind of step, in order.
  test('sets, adds and removes', () => {
    const writer = new PolicyWriter()
      .step(SET, 'x-consumer', [1], [''])
      .step(SET, 'x-all', [1, 0, 2, 0, 3, 0, 4, 0, 5], ['', '/', '', '/', '', '/', '', '/', ''])
      .step(ADD, 'x-tag', [0], ['fixed text'])
      .step(SET, 'x-empty', [], [])
      .step(REMOVE, 'x-internal', [], []);
    expect(run(writer, ['x-internal: 1', 'x-consumer: mallory'], ALL)).toBe(
      'x-consumer=acme\nx-all=acme/shop/gold/orders/77\nx-tag+fixed text\nx-empty=\n-x-internal',
    );
  });

  // Guarantees that an anonymous caller cannot speak for somebody through a header of the product.
  test('without a value removes what the caller sent', () => {
    const writer = new PolicyWriter()
      .step(SET, 'x-consumer', [0, 1], ['c=', ''])
      .step(ADD, 'x-plan', [3], [''])
      .step(SET, 'x-product', [4], ['']);
    expect(run(writer, ['X-Consumer: mallory', 'a: b'], NOBODY)).toBe(
      '-x-consumer\nx-product=orders',
    );
  });

  // Guarantees that a removal costs a call into the proxy only where there is something to remove.
  test('removes only what is there or was set before', () => {
    const writer = new PolicyWriter()
      .step(REMOVE, 'x-absent', [], [])
      .step(SET, 'x-set', [0], ['1'])
      .step(REMOVE, 'x-set', [], []);
    expect(run(writer, ['x-other: 1'], ALL)).toBe('x-set=1\n-x-set');
  });

  // Guarantees that a step which builds on a header sees all its values and those of earlier steps.
  test('appends to what is there', () => {
    const writer = new PolicyWriter()
      .step(APPEND, 'via', [0], ['1.1 a'])
      .step(APPEND, 'via', [0, 3], ['1.1 ', ''])
      .step(APPEND, 'x-new', [0], ['first'])
      .step(APPEND, 'x-new', [0], ['second']);
    expect(run(writer, ['via: 1.0 x', 'a: b', 'Via: 1.0 y'], ALL)).toBe(
      'via=1.0 x, 1.0 y, 1.1 a\nvia=1.0 x, 1.0 y, 1.1 a, 1.1 gold\nx-new=first\nx-new=first, second',
    );
  });

  // Guarantees that a default is given only where nothing stands, an empty value being something.
  test('sets what is absent', () => {
    const writer = new PolicyWriter()
      .step(SET_IF_ABSENT, 'x-a', [0], ['default'])
      .step(SET_IF_ABSENT, 'x-b', [0], ['default'])
      .step(SET_IF_ABSENT, 'x-b', [0], ['again'])
      .step(REMOVE, 'x-a', [], [])
      .step(SET_IF_ABSENT, 'x-a', [0], ['gone']);
    expect(run(writer, ['x-a: '], ALL)).toBe('x-b=default\n-x-a\nx-a=gone');
  });

  // Guarantees that a rename moves every value and leaves nothing of what stood there.
  test('renames with all values', () => {
    const writer = new PolicyWriter()
      .step(RENAME, 'x-old', [0], ['x-new'])
      .step(RENAME, 'x-none', [0], ['x-other']);
    expect(run(writer, ['x-old: 1', 'x-new: 0', 'X-Old: 2'], ALL)).toBe('-x-old\nx-new=1\nx-new+2');
  });

  // Guarantees that no step brings back a key that was cut or an identity that was made up.
  test('builds on edits and not on what a caller sent', () => {
    const writer = new PolicyWriter()
      .step(RENAME, 'authorization', [0], ['x-auth'])
      .step(APPEND, 'x-consumer', [0], ['tail'])
      .step(SET_IF_ABSENT, 'x-plan', [0], ['none']);
    writer.product(1, 'p');
    const policy = writer.place();
    expect(checkPolicy(policy, writer.length)).toBe(1);
    request(['authorization: sg_key', 'x-consumer: mallory', 'x-plan: platinum']);
    const cut = ['authorization', 'x-consumer', 'x-plan'];
    for (let i = 0; i < cut.length; i++) {
      const name = new Text(cut[i]);
      editRemove(name.at, name.length);
    }
    const product = productAt(policy, 0);
    runProgram(policy, product.programFirst, product.programCount, values(ALL), true);
    expect(edits()).toBe('-authorization\n-x-consumer\n-x-plan\nx-consumer=tail\nx-plan=none');
  });

  // Guarantees that a response is edited without being read where no step asks what it holds, and
  // that what only the service can have sent is not removed for want of a value.
  test('of a response trusts the service', () => {
    const steps = new PolicyWriter()
      .step(REMOVE, 'server', [], [])
      .step(SET, 'x-plan', [3], [''])
      .step(SET, 'x-product', [4], ['']);
    expect(respond(steps, [], false)).toBe('-server\nx-product=orders');
    const reading = new PolicyWriter()
      .step(REMOVE, 'server', [], [])
      .step(SET_IF_ABSENT, 'cache-control', [0], ['no-store']);
    expect(respond(reading, ['cache-control: public'], true)).toBe('');
  });

  // Guarantees that values too large for the room are noticed and that nothing is written beyond.
  test('notices values that do not fit', () => {
    const writer = new PolicyWriter();
    const long = 'v'.repeat(4000);
    for (let i = 0; i < 20; i++) writer.step(SET, 'x-a', [0, 1], [long, '']);
    run(writer, [], ALL);
    expect(editsOverflowed()).toBe(true);
  });
});

let policy: usize = 0;

function isIdentity(name: string): bool {
  const text = new Text(name);
  return isIdentityName(policy, text.at, text.length);
}

describe('identity names', () => {
  // Guarantees that our own names are removed also before there is a policy.
  test('of ours need no policy', () => {
    policy = 0;
    const ours = ['x-sidegate-', 'x-sidegate-consumer', 'x_sidegate_consumer', 'X-Sidegate-A'];
    for (let i = 0; i < ours.length; i++) expect(isIdentity(ours[i])).toBe(true, ours[i]);
    const others = ['x-sidegate', 'x-sidegat-a', 'y-sidegate-a', 'xx-sidegate-a', '', 'x', ':path'];
    for (let i = 0; i < others.length; i++) expect(isIdentity(others[i])).toBe(false, others[i]);
  });

  // Guarantees that servers which take `_` for `-` cannot be fooled.
  test('of products are met in every spelling', () => {
    const writer = new PolicyWriter();
    const names = ['a', 'consumer', 'x-consumer', 'x-consumer-plan', 'z' + '-a'.repeat(100)];
    for (let i = 0; i < names.length; i++) writer.identityName(names[i]);
    policy = writer.place();
    expect(checkPolicy(policy, writer.length)).toBe(1);
    for (let i = 0; i < names.length; i++) {
      expect(isIdentity(names[i])).toBe(true, names[i]);
      expect(isIdentity(names[i].split('-').join('_'))).toBe(true, names[i]);
      expect(isIdentity(names[i].toUpperCase())).toBe(true, names[i]);
      expect(isIdentity(names[i] + 'x')).toBe(false, names[i]);
      expect(isIdentity('x' + names[i])).toBe(false, names[i]);
    }
    expect(isIdentity('x-consume')).toBe(false);
    expect(isIdentity('x_sidegate_any')).toBe(true);
    expect(isIdentity(':authority')).toBe(false);
  });
});
