/**
 * Label selectors: the words and the meaning that users of Kubernetes know, and nothing beyond.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSelected, readSelector, SELECTOR_CHARS_MAX } from '../../../host/resources/labels.ts';

const LABELS: Record<string, Record<string, string>> = {
  none: {},
  shop: { team: 'shop', tier: 'gold' },
  sales: { team: 'sales', 'example.com/eu': '' },
  test: { team: 'shop', tier: 'test', toString: 'x' },
};

const SELECTED: readonly (readonly [string, readonly string[]])[] = [
  ['team=shop', ['shop', 'test']],
  ['team==shop', ['shop', 'test']],
  [' team = shop , tier != test ', ['shop']],
  ['team!=shop', ['none', 'sales']],
  ['team in (shop, sales)', ['shop', 'sales', 'test']],
  ['team in (sales),example.com/eu', ['sales']],
  ['team in(shop)', ['shop', 'test']],
  ['tier notin (gold,silver)', ['none', 'sales', 'test']],
  ['tier', ['shop', 'test']],
  ['!tier', ['none', 'sales']],
  ['! tier', ['none', 'sales']],
  ['example.com/eu=', ['sales']],
  ['example.com/eu!=', ['none', 'shop', 'test']],
  ['tier in (gold,)', ['shop']],
  ['toString', ['test']],
  ['constructor', []],
  ['team=shop,team=sales', []],
  ['in=x', []],
  ['team in (shop),tier in (gold,test),!example.com/eu', ['shop', 'test']],
];

// Guarantees that a selector finds what kubectl would find by it.
test('what a selector selects', () => {
  for (const [text, expected] of SELECTED) {
    const rules = readSelector(text);
    if (typeof rules === 'string') assert.fail(`${text}: ${rules}`);
    const found = Object.entries(LABELS).filter(([, labels]) => isSelected(rules, labels));
    assert.deepEqual(
      found.map(([name]) => name),
      expected,
      text,
    );
  }
});

// Guarantees that what cannot be read selects nothing by a guess.
test('what is no selector', () => {
  const wrong = [
    ...['', ',', 'a=b,', ',a', 'a b', '=x', 'a=b=c', 'a in b', 'a in (b', 'a in b)', '!', '!!a'],
    ...['a notin', 'a in ((b))', '(a)', 'a > 1', 'a in (b=c)', 'a in (b c)', 'a=b c'],
    'a'.repeat(SELECTOR_CHARS_MAX + 1),
  ];
  for (const text of wrong) {
    assert.equal(typeof readSelector(text), 'string', JSON.stringify(text));
  }
  assert.match(String(readSelector('team=shop,a b')), /^"a b" is no rule of labels$/);
});
