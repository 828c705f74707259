/**
 * Who calls without a key. Guarantees what is asked of the proxy, in which order, and that no
 * answer of another issuer, audience, type or size makes anybody a caller.
 */
import {
  answerQuestion,
  beginQuestions,
  nextQuestion,
  principalAt,
  principalLength,
  questionAt,
  questionLength,
} from '../../../assembly/credential/principal';
import { PRODUCTS } from '../../../assembly/policy/layout';
import { countOf, productAt } from '../../../assembly/policy/policy';
import { below, lastRoom, next, room, seed, Text, textOf } from '../support/bytes';
import { checkPolicy, PolicyWriter } from '../support/policy';
import { Writer } from '../support/writer';

const ISSUER = 'https://id.example';
const CLAIMS = 'metadata/filter_metadata/envoy.filters.http.jwt_authn/payload/';
const END: usize = lastRoom(65536) + 65536;

/** Begins with a product that knows callers by certificate and then by token. */
function begin(withMtls: bool): void {
  const policy = new PolicyWriter();
  if (withMtls) policy.mtls();
  policy.jwt(ISSUER, 'azp', ['api', 'web']).product(11, 'orders');
  const at = policy.place();
  expect(checkPolicy(at, policy.length)).toBe(1);
  expect(countOf(at, PRODUCTS)).toBe(1);
  beginQuestions(at, productAt(at, 0));
}

function question(): string {
  if (!nextQuestion()) return '';
  return textOf(questionAt(), questionLength()).replaceAll('\0', '/');
}

function answer(text: string): void {
  const bytes = new Text(text);
  answerQuestion(bytes.at, bytes.length);
}

function caller(): string {
  return textOf(principalAt(), principalLength()).replaceAll('\0', '|');
}

/** A list as the proxy writes it: each value as the name of a pair. */
function list(values: string[]): Writer {
  const to = new Writer().u32(values.length);
  for (let i = 0; i < values.length; i++) to.u32(values[i].length).u32(0);
  for (let i = 0; i < values.length; i++) to.text(values[i]).zero(2);
  return to;
}

/** Who calls when the token has this audience, as bytes at the very end of the memory. */
function withAudience(audience: Writer, bytes: u32): string {
  begin(false);
  question();
  answer(ISSUER);
  question();
  const at = END - bytes;
  memory.copy(at, audience.place(0), bytes);
  answerQuestion(at, bytes);
  if (question() == CLAIMS + 'azp') answer('shop');
  return caller();
}

describe('questions to the proxy', () => {
  // Guarantees the order and that nothing more is asked once somebody is known.
  test('a certificate is enough', () => {
    begin(true);
    expect(question()).toBe('connection/uri_san_peer_certificate');
    answer('spiffe://cluster.local/ns/a/sa/b');
    expect(question()).toBe('');
    expect(caller()).toBe('mtls|spiffe://cluster.local/ns/a/sa/b');
  });

  // Guarantees that a claim counts only with issuer and audience, each asked for and compared.
  test('a token needs issuer, audience and claim', () => {
    begin(true);
    question();
    answer('');
    expect(question()).toBe(CLAIMS + 'iss');
    answer(ISSUER);
    expect(question()).toBe(CLAIMS + 'aud');
    answer('web');
    expect(question()).toBe(CLAIMS + 'azp');
    answer('shop');
    expect(question()).toBe('');
    expect(caller()).toBe('jwt|https://id.example|azp|shop');
  });

  // Guarantees that after the first wrong answer nothing of that token is asked or believed.
  test('a wrong issuer, audience or no claim leads to nobody', () => {
    const wrong: string[][] = [
      [''],
      ['https://id.example.net'],
      ['https://id.exampl'],
      [ISSUER, ''],
      [ISSUER, 'ap'],
      [ISSUER, 'apis'],
      [ISSUER, 'api', ''],
      [ISSUER, 'api', 'a\tb'],
      [ISSUER, 'api', 'x'.repeat(256)],
    ];
    for (let i = 0; i < wrong.length; i++) {
      begin(false);
      for (let j = 0; j < wrong[i].length; j++) {
        expect(question()).not.toBe('');
        answer(wrong[i][j]);
      }
      expect(question()).toBe('');
      expect(principalLength()).toBe(0);
    }
  });

  // Guarantees that nothing of the request before is left.
  test('begins anew with each request', () => {
    begin(true);
    question();
    answer('spiffe://cluster.local/ns/a/sa/b');
    begin(true);
    expect(principalLength()).toBe(0);
    expect(question()).toBe('connection/uri_san_peer_certificate');
  });
});

describe('a list of audiences', () => {
  // Guarantees that any one of them is enough, wherever it stands.
  test('counts by any of its values', () => {
    const one = list(['other', 'web']);
    expect(withAudience(one, one.length)).toBe('jwt|https://id.example|azp|shop');
    const none = list(['other', 'ap', '']);
    expect(withAudience(none, none.length)).toBe('');
    const empty = list([]);
    expect(withAudience(empty, empty.length)).toBe('');
  });

  // Guarantees that no list, whole or broken, is read beyond its end or taken for another.
  test('is read within its bytes alone', () => {
    const whole = list(['other', 'web']);
    for (let bytes: u32 = 0; bytes + 2 < whole.length; bytes++) withAudience(whole, bytes);
    seed(20261126);
    const JUNK = room(64);
    for (let round = 0; round < 3000; round++) {
      const length = below(64);
      for (let i: u32 = 0; i < length; i++) store<u8>(JUNK + i, <u8>(next() & 31));
      begin(false);
      question();
      answer(ISSUER);
      question();
      memory.copy(END - length, JUNK, length);
      answerQuestion(END - length, length);
      expect(question()).toBe('', 'seed 20261126');
    }
  });
});
