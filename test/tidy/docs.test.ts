/**
 * Holds every Markdown page to a title and to links that lead somewhere.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anchorsOf, checkLinks, checkTitles } from './markdown.ts';
import { exists, listFiles, read } from './sources.ts';

const pages = new Map(
  listFiles()
    .filter((path) => path.endsWith('.md'))
    .map((path) => [path, read(path)]),
);

// Guarantees that a reader who follows a link in the tree arrives.
test('links and anchors resolve', () => {
  assert.deepEqual(checkLinks(pages, exists), []);
});

// Guarantees that every page says what it is.
test('every page has a title', () => {
  assert.deepEqual(checkTitles(pages), []);
});

// Guarantees that the rules report a dead link, a dead anchor and a missing title.
test('planted mistakes are reported', () => {
  const planted = new Map([
    ['a.md', '# A page\n[x](b.md) [y](docs/c.md#one-two) [z](#a-page) [w](docs/c.md#three)\n'],
    ['docs/c.md', '## One, two\n```\n[not a link](nowhere.md)\n```\n`[nor](this.md)`\n'],
  ]);
  const problems = checkLinks(planted, (path) => planted.has(path));
  assert.deepEqual(
    problems.map((problem) => problem.split('  ')[0]),
    ['a.md:2', 'a.md:2'],
  );
  assert.deepEqual(checkTitles(planted), ['docs/c.md:1  begins with no title']);
  assert.deepEqual([...anchorsOf('# A\n# A\n## `b.c` (d)')], ['a', 'a-1', 'bc-d']);
});
