/**
 * Holds the reading of the plugin configuration to docs/wire.md, section 2. Guarantees that the
 * verdict depends on the bytes alone and that no bytes can take the VM down.
 */
import {
  authoritySlot,
  BOOTSTRAP_DUPLICATE_KEY,
  BOOTSTRAP_MISSING,
  BOOTSTRAP_NOT_JSON,
  BOOTSTRAP_OK,
  BOOTSTRAP_OUT_OF_BOUNDS,
  BOOTSTRAP_TOO_LONG,
  BOOTSTRAP_UNKNOWN_KEY,
  BOOTSTRAP_WRONG_TYPE,
  bootstrap,
  bootstrapHops,
  bootstrapNames,
  bootstrapProblemKey,
  bootstrapProblemKeyLength,
  clusterSlot,
  groupSlot,
  putBootstrapProblem,
  readBootstrap,
} from '../../../assembly/bootstrap/bootstrap';
import { isHopPrincipal } from '../../../assembly/credential/hop';
import { textBegin, textLength } from '../../../assembly/pipeline/text';
import { below, lastRoom, next, room, seed, Text, textOf } from '../support/bytes';

const LINE: usize = room(128);

const END: usize = lastRoom(4096);

/** The last `length` bytes of the memory, so that a read beyond them traps. */
function lastRoomFor(length: u32): usize {
  return END + 4096 - length;
}

function read(text: string): u32 {
  const bytes = new Text(text);
  return readBootstrap(bytes.at, bytes.length);
}

function slotText(slot: usize): string {
  return textOf(slot + 2, load<u16>(slot));
}

function problemKey(): string {
  return textOf(bootstrapProblemKey(), bootstrapProblemKeyLength());
}

function expectNumber(key: string, value: string, code: u32): void {
  const text = '{"clusters":["a"],"' + key + '":' + value + '}';
  expect(read(text)).toBe(code, text);
  if (code != BOOTSTRAP_OK) expect(problemKey()).toBe(key, text);
}

describe('a configuration', () => {
  test('needs clusters alone and has the defaults of docs/wire.md', () => {
    expect(read('{"clusters":["outbound|8081||a.b"]}')).toBe(BOOTSTRAP_OK);
    const settings = bootstrap();
    expect(settings.clusters).toBe(1);
    expect(slotText(clusterSlot(bootstrapNames(), 0))).toBe('outbound|8081||a.b');
    expect(slotText(authoritySlot(bootstrapNames()))).toBe('sidegate');
    expect(slotText(groupSlot(bootstrapNames()))).toBe('default');
    expect(settings.noPolicy).toBe(0);
    expect(settings.otherHosts).toBe(0);
    expect(settings.mode).toBe(0);
    expect(settings.startHoldMs).toBe(3000);
    expect(settings.holdMs).toBe(60);
    expect(settings.heartbeatMs).toBe(1000);
    expect(settings.maxPolicyAgeMs).toBe(86400000);
    expect(settings.clientAddress).toBe(0);
    expect(settings.trustedHops).toBe(1);
  });

  test('says where the address of a caller is found', () => {
    expect(read('{"clusters":["a"],"clientAddress":"xff","trustedHops":2}')).toBe(BOOTSTRAP_OK);
    expect(bootstrap().clientAddress).toBe(2);
    expect(bootstrap().trustedHops).toBe(2);
    expect(read('{"clusters":["a"],"clientAddress":"peer"}')).toBe(BOOTSTRAP_OK);
    expect(bootstrap().clientAddress).toBe(1);
    expect(read('{"clusters":["a"],"clientAddress":"none"}')).toBe(BOOTSTRAP_OK);
    expect(bootstrap().clientAddress).toBe(0);
    expect(read('{"clusters":["a"],"clientAddress":"x"}')).toBe(BOOTSTRAP_OUT_OF_BOUNDS);
    expect(read('{"clusters":["a"],"clientAddress":1}')).toBe(BOOTSTRAP_WRONG_TYPE);
    expectNumber('trustedHops', '0', BOOTSTRAP_OUT_OF_BOUNDS);
    expectNumber('trustedHops', '17', BOOTSTRAP_OUT_OF_BOUNDS);
    expectNumber('trustedHops', '16', BOOTSTRAP_OK);
    expectNumber('trustedHops', '"1"', BOOTSTRAP_WRONG_TYPE);
  });

  // Guarantees that hop tokens are believed from named peers alone, and by no configuration that
  // forgets to name one.
  test('names the peers whose hop tokens are believed', () => {
    expect(read('{"clusters":["a"]}')).toBe(BOOTSTRAP_OK);
    expect(bootstrap().hop).toBe(0);
    expect(read('{"clusters":["a"],"hop":"mint"}')).toBe(BOOTSTRAP_OK);
    expect(bootstrap().hop).toBe(1);
    const four = '["spiffe://a/b","spiffe://a/c","d","e"]';
    const name = new Text('spiffe://a/c');
    expect(read('{"hopPrincipals":' + four + ',"hop":"accept","clusters":["a"]}')).toBe(0);
    expect(bootstrap().hop).toBe(2);
    expect(isHopPrincipal(bootstrapHops(), name.at, name.length)).toBe(true);
    expect(isHopPrincipal(bootstrapHops(), name.at, name.length - 1)).toBe(false);
    expect(isHopPrincipal(bootstrapHops(), name.at, 0)).toBe(false);
    expect(read('{"clusters":["a"],"hop":"accept"}')).toBe(BOOTSTRAP_MISSING);
    expect(problemKey()).toBe('hopPrincipals');
    expect(isHopPrincipal(bootstrapHops(), name.at, name.length)).toBe(false);
    expectNumber('hop', '"both"', BOOTSTRAP_OUT_OF_BOUNDS);
    expectNumber('hop', '1', BOOTSTRAP_WRONG_TYPE);
    expectNumber('hopPrincipals', '"a"', BOOTSTRAP_WRONG_TYPE);
    expectNumber('hopPrincipals', '[1]', BOOTSTRAP_WRONG_TYPE);
    expectNumber('hopPrincipals', '[]', BOOTSTRAP_WRONG_TYPE);
    expectNumber('hopPrincipals', '[""]', BOOTSTRAP_OUT_OF_BOUNDS);
    expectNumber('hopPrincipals', '["a","b","c","d","e"]', BOOTSTRAP_OUT_OF_BOUNDS);
  });

  test('says of which requests the filter state tells', () => {
    expect(read('{"clusters":["a"]}')).toBe(BOOTSTRAP_OK);
    expect(bootstrap().filterState).toBe(0);
    const choices = ['all', 'denied', 'none'];
    for (let i = 0; i < choices.length; i++) {
      expect(read('{"clusters":["a"],"filterState":"' + choices[i] + '"}')).toBe(BOOTSTRAP_OK);
      expect(<i32>bootstrap().filterState).toBe(i);
    }
    expect(read('{"clusters":["a"],"filterState":""}')).toBe(BOOTSTRAP_OUT_OF_BOUNDS);
    expect(read('{"clusters":["a"],"filterState":true}')).toBe(BOOTSTRAP_WRONG_TYPE);
  });

  test('is read with every key, in any order, with blanks', () => {
    const text = `
      { "mode" : "shadow", "maxPolicyAgeMs": 60000 , "heartbeatMs":200,"holdMs":0,
        "startHoldMs":30000, "otherHosts":"allow","noPolicy":"allow",
        "proxyGroup":"edge-1","authority":"host.local", "clusters":[ "a" , "b","c","d" ] } `;
    expect(read(text)).toBe(BOOTSTRAP_OK);
    const settings = bootstrap();
    expect(settings.clusters).toBe(4);
    expect(slotText(clusterSlot(bootstrapNames(), 3))).toBe('d');
    expect(settings.mode).toBe(1);
    expect(settings.noPolicy).toBe(1);
    expect(settings.otherHosts).toBe(1);
    expect(settings.startHoldMs).toBe(30000);
    expect(settings.holdMs).toBe(0);
    expect(settings.heartbeatMs).toBe(200);
    expect(settings.maxPolicyAgeMs).toBe(60000);
    expect(slotText(groupSlot(bootstrapNames()))).toBe('edge-1');
    expect(slotText(authoritySlot(bootstrapNames()))).toBe('host.local');
  });

  test('decodes escapes, as proxies write them', () => {
    expect(read('{"clu\\u0073ters":["a\\u007cb\\/\\u00e9\\ud83d\\ude00"]}')).toBe(BOOTSTRAP_OK);
    expect(slotText(clusterSlot(bootstrapNames(), 0))).toBe('a|b/é😀');
  });

  test('is refused with the name of the key', () => {
    expect(read('{"clusters":["a"],"holdms":1}')).toBe(BOOTSTRAP_UNKNOWN_KEY);
    expect(problemKey()).toBe('holdms');
    expect(read('{"clusters":["a"],"mode":"off","mode":"off"}')).toBe(BOOTSTRAP_DUPLICATE_KEY);
    expect(problemKey()).toBe('mode');
    expect(read('{"mode":"off"}')).toBe(BOOTSTRAP_MISSING);
    expect(problemKey()).toBe('clusters');
    expect(read('{"clusters":["a"],"mode":true}')).toBe(BOOTSTRAP_WRONG_TYPE);
    expect(problemKey()).toBe('mode');
    expect(read('{"clusters":["a",1]}')).toBe(BOOTSTRAP_WRONG_TYPE);
    expect(read('{"clusters":["a"],"holdMs":"1"}')).toBe(BOOTSTRAP_WRONG_TYPE);
    expect(read('{"clusters":["a"],"noPolicy":"maybe"}')).toBe(BOOTSTRAP_OUT_OF_BOUNDS);
    expect(problemKey()).toBe('noPolicy');
    textBegin(LINE, 128);
    putBootstrapProblem(BOOTSTRAP_OUT_OF_BOUNDS);
    expect(textOf(LINE, textLength())).toBe('has a value out of bounds');
    textBegin(LINE, 128);
    putBootstrapProblem(BOOTSTRAP_UNKNOWN_KEY);
    expect(textOf(LINE, textLength())).toBe('is no key of it');
  });

  test('keeps every number within its bounds', () => {
    expectNumber('startHoldMs', '30000', BOOTSTRAP_OK);
    expectNumber('startHoldMs', '30001', BOOTSTRAP_OUT_OF_BOUNDS);
    expectNumber('holdMs', '1000', BOOTSTRAP_OK);
    expectNumber('holdMs', '1001', BOOTSTRAP_OUT_OF_BOUNDS);
    expectNumber('heartbeatMs', '199', BOOTSTRAP_OUT_OF_BOUNDS);
    expectNumber('heartbeatMs', '60000', BOOTSTRAP_OK);
    expectNumber('heartbeatMs', '60001', BOOTSTRAP_OUT_OF_BOUNDS);
    expectNumber('maxPolicyAgeMs', '59999', BOOTSTRAP_OUT_OF_BOUNDS);
    expectNumber('maxPolicyAgeMs', '2592000000', BOOTSTRAP_OK);
    expectNumber('maxPolicyAgeMs', '2592000001', BOOTSTRAP_OUT_OF_BOUNDS);
    expectNumber('holdMs', '-1', BOOTSTRAP_OUT_OF_BOUNDS);
    expectNumber('holdMs', '18446744073709551616', BOOTSTRAP_OUT_OF_BOUNDS);
  });

  test('takes whole numbers however they are written', () => {
    expectNumber('maxPolicyAgeMs', '8.64e+07', BOOTSTRAP_OK);
    expect(bootstrap().maxPolicyAgeMs).toBe(86400000);
    expectNumber('maxPolicyAgeMs', '86400000.0', BOOTSTRAP_OK);
    expectNumber('maxPolicyAgeMs', '864000000E-1', BOOTSTRAP_OK);
    expect(bootstrap().maxPolicyAgeMs).toBe(86400000);
    expectNumber('holdMs', '0.5', BOOTSTRAP_OUT_OF_BOUNDS);
    expectNumber('holdMs', '-0', BOOTSTRAP_OK);
    for (let i = 0; i < 6; i++) {
      const wrong = ['01', '1.', '.5', '1e', '+1', '0x1'][i];
      const text = '{"clusters":["a"],"holdMs":' + wrong + '}';
      expect(read(text)).not.toBe(BOOTSTRAP_OK, text);
    }
  });

  test('keeps names within their bounds', () => {
    expect(read('{"clusters":[]}')).toBe(BOOTSTRAP_OUT_OF_BOUNDS);
    expect(read('{"clusters":["a","b","c","d","e"]}')).toBe(BOOTSTRAP_OUT_OF_BOUNDS);
    expect(read('{"clusters":[""]}')).toBe(BOOTSTRAP_OUT_OF_BOUNDS);
    expect(read('{"clusters":["' + 'x'.repeat(255) + '"]}')).toBe(BOOTSTRAP_OK);
    expect(read('{"clusters":["' + 'x'.repeat(256) + '"]}')).toBe(BOOTSTRAP_OUT_OF_BOUNDS);
    expect(read('{"clusters":["a\\u0000b"]}')).toBe(BOOTSTRAP_OUT_OF_BOUNDS);
    for (let i = 0; i < 6; i++) {
      const group = ['', 'A', '-a', 'a-', 'a.b', 'x'.repeat(64)][i];
      const text = '{"clusters":["a"],"proxyGroup":"' + group + '"}';
      expect(read(text)).toBe(BOOTSTRAP_OUT_OF_BOUNDS, text);
    }
    expect(read('{"clusters":["a"],"proxyGroup":"' + 'x'.repeat(63) + '"}')).toBe(BOOTSTRAP_OK);
  });

  test('is refused when it is not one JSON object of at most 4,096 bytes', () => {
    const good = '{"clusters":["a"]}';
    for (let cut = 0; cut < good.length; cut++) {
      expect(read(good.substring(0, cut))).not.toBe(BOOTSTRAP_OK, good.substring(0, cut));
    }
    for (let i = 0; i < 6; i++) {
      const wrong = ['[]', 'null', '"a"', good + ',', good + good, "{'clusters':['a']}"][i];
      expect(read(wrong)).toBe(BOOTSTRAP_NOT_JSON, wrong);
    }
    expect(read('{"clusters":["a"],}')).toBe(BOOTSTRAP_NOT_JSON);
    expect(read(good + ' '.repeat(4096 - good.length))).toBe(BOOTSTRAP_OK);
    expect(read(good + ' '.repeat(4097 - good.length))).toBe(BOOTSTRAP_TOO_LONG);
  });

  test('of any bytes never reads beyond them and answers the same twice', () => {
    const good = new Text('{"clusters":["a\\u0041"],"mode":"shadow","holdMs":1.5e+1,"x":0}');
    for (let round = 0; round < 3000; round++) {
      seed(round);
      const length = below(good.length + 1);
      const at = lastRoomFor(length);
      memory.copy(at, good.at, length);
      const changes = below(4);
      for (let i: u32 = 0; i < changes && length > 0; i++) {
        store<u8>(at + below(length), next() as u8);
      }
      const first = readBootstrap(at, length);
      expect(readBootstrap(at, length)).toBe(first, 'round ' + round.toString());
    }
  });
});
