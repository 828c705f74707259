/**
 * Holds the rules of credentials to addresses and pages as callers write them. Guarantees that what
 * cannot be read is never inside, and that IPv4 and the IPv6 that stands for it are one.
 */
import { ADDRESS_BYTES, readAddress } from '../../../assembly/credential/address';
import { isForReferer, isForwardedFromCidr, isFromCidr } from '../../../assembly/credential/caller';
import { checkRules } from '../../../assembly/directory/rules';
import { below, lastRoom, room, seed, Text } from '../support/bytes';
import { request } from '../support/headers';
import { rulesOf } from '../support/records';

const OUT: usize = room(16);

/** The address as 32 hex digits, or `none`. */
function address(text: string): string {
  const bytes = new Text(text);
  if (!readAddress(bytes.at, bytes.length, OUT)) return 'none';
  let hex = '';
  for (let i: u32 = 0; i < ADDRESS_BYTES; i++) {
    const byte: u32 = load<u8>(OUT + i);
    hex += (byte < 16 ? '0' : '') + byte.toString(16);
  }
  return hex;
}

const LOOPBACK = '00000000000000000000ffff7f000001';

describe('addresses', () => {
  // Guarantees every form that proxies write.
  test('are read with and without ports', () => {
    const forms = ['127.0.0.1', '127.0.0.1:80', '::ffff:127.0.0.1', '[::ffff:127.0.0.1]:80'];
    forms.push('::ffff:7f00:1');
    forms.push('[0:0:0:0:0:FFFF:7f00:0001]');
    for (let i = 0; i < forms.length; i++) expect(address(forms[i])).toBe(LOOPBACK, forms[i]);
    expect(address('::')).toBe('0'.repeat(32));
    expect(address('[::1]:443')).toBe('0'.repeat(31) + '1');
    expect(address('2001:db8::8:800:200c:417a')).toBe('20010db80000000000080800200c417a');
    expect(address('1:2:3:4:5:6:7:8')).toBe('00010002000300040005000600070008');
    expect(address('1:2:3:4:5:6:7::')).toBe('00010002000300040005000600070000');
    expect(address('1::')).toBe('0001' + '0'.repeat(28));
    expect(address('fe80::1%eth0')).toBe('fe80' + '0'.repeat(27) + '1');
    expect(address('255.255.255.255')).toBe('00000000000000000000ffffffffffff');
  });

  // Guarantees that nothing is guessed.
  test('that are none are none', () => {
    const none = [
      '',
      '1',
      '1.2.3',
      '1.2.3.4.5',
      '1.2.3.256',
      '1.2.3.',
      '.1.2.3',
      '1..2.3',
      'a.b.c.d',
    ];
    none.push('1.2.3.1000');
    none.push('01.2.3.0004');
    const six = [
      ':',
      ':::',
      '1:',
      ':1',
      '1:2',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1::2::3',
      'g::',
    ];
    six.push('12345::');
    six.push('1:2:3:4:5:6:7:8::');
    six.push('[::1');
    six.push('[]');
    six.push('::1.2.3');
    six.push('1:2:3:4:5:6:7:1.2.3.4');
    six.push('unknown');
    six.push('1::2:');
    for (let i = 0; i < none.length; i++) expect(address(none[i])).toBe('none', none[i]);
    for (let i = 0; i < six.length; i++) expect(address(six[i])).toBe('none', six[i]);
  });

  // Guarantees a total function: whatever the bytes are, nothing behind them is read.
  test('of any bytes never trap', () => {
    const letters = '0123456789abcf:.[]%x';
    const end = lastRoom(64) + 64;
    seed(77);
    for (let round = 0; round < 50000; round++) {
      const length = below(48);
      for (let i: u32 = 0; i < length; i++) {
        store<u8>(end - length + i, <u8>letters.charCodeAt(below(<u32>letters.length)));
      }
      readAddress(end - length, length, OUT);
    }
    expect(readAddress(end, 0, OUT)).toBe(false, 'seed 77');
  });
});

function fromCidr(cidrs: string[], caller: string): bool {
  const text = new Text(caller);
  return isFromCidr(rulesOf(cidrs, []).place(), text.at, text.length);
}

describe('networks', () => {
  test('hold their addresses and no others', () => {
    expect(fromCidr(['10.0.0.0/8'], '10.255.0.1:5')).toBe(true);
    expect(fromCidr(['10.0.0.0/8'], '11.0.0.1')).toBe(false);
    expect(fromCidr(['10.0.0.0/8'], '::ffff:10.1.2.3')).toBe(true);
    expect(fromCidr(['10.0.0.0/8'], '::10.1.2.3')).toBe(false);
    expect(fromCidr(['10.0.0.0/8', '192.168.4.0/22'], '192.168.7.255')).toBe(true);
    expect(fromCidr(['10.0.0.0/8', '192.168.4.0/22'], '192.168.8.0')).toBe(false);
    expect(fromCidr(['1.2.3.4/32'], '1.2.3.4')).toBe(true);
    expect(fromCidr(['1.2.3.4/32'], '1.2.3.5')).toBe(false);
    expect(fromCidr(['0.0.0.0/0'], '9.9.9.9')).toBe(true);
    expect(fromCidr(['0.0.0.0/0'], '2001:db8::1')).toBe(false);
    expect(fromCidr(['2001:db8::/33'], '2001:db8:7fff::1')).toBe(true);
    expect(fromCidr(['2001:db8::/33'], '2001:db8:8000::1')).toBe(false);
    expect(fromCidr(['::1/128'], '[::1]:80')).toBe(true);
    expect(fromCidr(['::1/128'], '[::2]:80')).toBe(false);
    expect(fromCidr(['0.0.0.0/0', '::/0'], 'unknown')).toBe(false);
    expect(fromCidr([], '1.2.3.4')).toBe(false);
  });
});

function forwarded(headers: string[], hop: u32): bool {
  request(headers);
  return isForwardedFromCidr(rulesOf(['10.0.0.0/8'], []).place(), hop);
}

describe('a forwarded address', () => {
  // Guarantees that an address a caller put in front of the list is not the one that is taken.
  test('is counted from the right, over all headers', () => {
    const list = 'x-forwarded-for: 10.0.0.1, 9.9.9.9';
    expect(forwarded([list], 1)).toBe(false);
    expect(forwarded([list], 2)).toBe(true);
    expect(forwarded([list], 3)).toBe(false);
    expect(forwarded(['a: 1', 'x-forwarded-for: 1.1.1.1,\t10.0.0.1:90 '], 1)).toBe(true);
    expect(forwarded([list, 'x-forwarded-for: 8.8.8.8'], 3)).toBe(true);
    expect(forwarded([list, 'x-forwarded-for: 8.8.8.8'], 2)).toBe(false);
    expect(forwarded(['x-forwarded-for: '], 1)).toBe(false);
    expect(forwarded(['x-forwarded-for: 10.0.0.1,'], 1)).toBe(false);
    expect(forwarded(['x-forwarded-for: ,,,'], 4)).toBe(false);
    expect(forwarded([], 1)).toBe(false);
  });
});

function refers(referers: string[], headers: string[]): bool {
  request(headers);
  return isForReferer(rulesOf([], referers).place());
}

describe('a page', () => {
  test('is known by its host alone', () => {
    const names = ['app.example.com', '.example.org'];
    const good = ['https://app.example.com', 'http://APP.example.com:8443/a?b#c'];
    good.push('https://u:p@app.example.com./');
    good.push('https://x.example.org/');
    good.push('https://a.b.EXAMPLE.org?q');
    for (let i = 0; i < good.length; i++) {
      expect(refers(names, ['referer: ' + good[i]])).toBe(true, good[i]);
    }
    const bad = ['', 'app.example.com', 'https:app.example.com', 'https:/app.example.com', '://'];
    bad.push('https://example.org');
    bad.push('https://.example.org');
    bad.push('https://app.example.com.evil.net/');
    bad.push('https://xapp.example.com/');
    bad.push('https://evil.net/https://app.example.com');
    bad.push('https://app.example.com@evil.net/');
    bad.push('https://evil.net\\@app.example.com/');
    bad.push('://app.example.com');
    for (let i = 0; i < bad.length; i++) {
      expect(refers(names, ['referer: ' + bad[i]])).toBe(false, bad[i]);
    }
    expect(refers(names, [])).toBe(false);
    expect(refers(names, ['referer: https://app.example.com', 'referer: https://a'])).toBe(false);
  });
});

describe('rules', () => {
  // Guarantees that a set is applied whole or not at all.
  test('are refused when their bytes are not what they say', () => {
    const whole = rulesOf(['10.0.0.0/8', '::/0'], ['a.example', '.b.example']);
    expect(checkRules(whole.place(), whole.length - 4)).toBe(true);
    expect(checkRules(whole.place(), whole.length)).toBe(true);
    for (let cut: u32 = 5; cut <= whole.length; cut++) {
      expect(checkRules(whole.place(), whole.length - cut)).toBe(false);
    }
    const counts: u32[] = [2, 3];
    for (let i = 0; i < counts.length; i++) {
      for (let value: u32 = 0; value < 256; value++) {
        const other = rulesOf(['10.0.0.0/8', '::/0'], ['a.example', '.b.example']);
        other.bytes[counts[i]] = <u8>value;
        if (value != 2) expect(checkRules(other.place(), other.length - 4)).toBe(false);
      }
    }
    const bits = rulesOf(['::/0'], []);
    bits.bytes[4] = 129;
    expect(checkRules(bits.place(), bits.length - 4)).toBe(false);
    const empty = rulesOf([], ['']);
    expect(checkRules(empty.place(), empty.length - 4)).toBe(false);
    const names: string[] = [];
    const cidrs: string[] = [];
    for (let i = 0; i < 16; i++) {
      names.push('n'.repeat(255));
      cidrs.push('10.0.0.0/8');
    }
    const most = rulesOf(cidrs, names);
    expect(checkRules(most.place(), most.length - 4)).toBe(true);
    names.push('a');
    const more = rulesOf([], names);
    expect(checkRules(more.place(), more.length - 4)).toBe(false);
    cidrs.push('10.0.0.0/8');
    const wide = rulesOf(cidrs, []);
    expect(checkRules(wide.place(), wide.length - 4)).toBe(false);
  });
});
