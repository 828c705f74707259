/**
 * Holds the pages of docs/ that speak of bounds, reasons and errors to the code they speak of.
 */
import assert from 'node:assert/strict';
import { stripTypeScriptTypes } from 'node:module';
import { test } from 'node:test';
import { PROBLEMS } from '../../host/http/problem.ts';
import { ERRORS } from '../../host/resources/errors.ts';
import type { LedgerErrorCode } from '../../host/store/ledger.ts';
import type { StoreErrorCode } from '../../host/store/open.ts';
import type { UsageStoreErrorCode } from '../../host/store/usage.ts';
import { REASONS } from '../../host/usage/reasons.ts';
import { assertUpToDate } from './golden.ts';
import {
  boundsOf,
  checkBounds,
  checkDocumented,
  commentBefore,
  errorTables,
  limitsPage,
  rowsOf,
  withGenerated,
} from './reference.ts';
import { listSources, read, sourceOf } from './sources.ts';

const sources = listSources();
/** Why store and ledger do not open; types are not there at run time, so that these are listed. */
const OPENING_CODES: (LedgerErrorCode | StoreErrorCode | UsageStoreErrorCode)[] = [
  'store_locked',
  'store_newer',
  'store_failed',
  'ledger_locked',
  'ledger_format',
  'ledger_closed',
  'usage_locked',
  'usage_format',
  'usage_unavailable',
];
const hostBounds = sources
  .filter(({ path }) => /^host\/(?!emulator\/).*\.ts$/.test(path))
  .flatMap(boundsOf)
  .filter(({ name, exported }) => exported && /_(MAX|KEPT)$/.test(name));
const filterBounds = sources.filter(({ path }) => path === 'assembly/limits.ts').flatMap(boundsOf);

// Guarantees that an operator finds every bound, and what happens when it is reached.
test('every bound is documented', () => {
  assert.ok(filterBounds.length > 20 && hostBounds.length > 5);
  assertUpToDate('docs/limits.md', limitsPage(filterBounds, hostBounds));
  assert.deepEqual(checkBounds([...filterBounds, ...hostBounds]), []);
});

// Guarantees that every reason in a log or a problem body has a line that explains it, with the
// status a caller really sees.
test('every reason is documented with its status', async () => {
  const reasons = await readReasons();
  assert.ok(reasons.length > 20);
  const names = reasons.map(({ name }) => name);
  // The host tells usage by the same names.
  const numbered = reasons.map(({ name, number }) => [number, name]);
  assert.deepEqual(
    REASONS,
    numbered.toSorted(([a], [b]) => Number(a) - Number(b)),
  );
  const page = read('docs/reasons.md');
  assert.deepEqual(checkDocumented('docs/reasons.md', page, names), []);
  const rows = rowsOf(page);
  for (const { name, number, status, grpc } of reasons) {
    const shown = status === 0 ? ['–', '–'] : [`${status}`, `${grpc}`];
    assert.deepEqual(rows.get(name)?.slice(0, 3), [`${number}`, ...shown], name);
  }
});

/** The reasons as the filter has them. Its statuses are computed by its own functions. */
async function readReasons() {
  const text = read('assembly/decision/reason.ts');
  const alone = text.replace(/^import .*$/gm, '').replace(/asciiList\(([^)]*),\s*\)/g, '$1');
  const plain = stripTypeScriptTypes(alone);
  const reason: { reasonStatus(reason: number): number; grpcStatus(status: number): number } =
    await import(`data:text/javascript,${encodeURIComponent(plain)}`);
  const numbers = new Map(
    [...text.matchAll(/^export const ([A-Z_]+): u32 = (\d+);/gm)].map((match) => [
      (match[1] ?? '').toLowerCase(),
      Number(match[2]),
    ]),
  );
  const lists = [...text.matchAll(/^const \w+ = asciiList\(([^)]*)\);$/gm)].map((match) =>
    [...(match[1] ?? '').matchAll(/(\w*)\|/g)].map((entry) => entry[1] ?? ''),
  );
  // The place of a name in its list is its number: a number not in use has an empty entry.
  for (const list of lists) {
    const first = numbers.get(list[0] ?? '') ?? Number.NaN;
    for (const [at, name] of list.entries()) {
      if (name !== '') assert.equal(numbers.get(name), first + at, name);
    }
  }
  const names = lists.flat().filter((name) => name !== '');
  assert.equal(names.length, numbers.size - 1, 'every constant but REASON_END has a name');
  return names.map((name) => {
    const number = numbers.get(name) ?? Number.NaN;
    const status = reason.reasonStatus(number);
    return { name, number, status, grpc: reason.grpcStatus(status) };
  });
}

// Guarantees that every code a person may be shown has a line that explains it.
test('every error is documented', () => {
  const page = read('docs/errors.md');
  assertUpToDate('docs/errors.md', withGenerated(page, errorTables(ERRORS)));
  const documented = read('docs/errors.md');
  const codes = [...Object.keys(ERRORS), ...Object.keys(PROBLEMS), ...OPENING_CODES];
  assert.deepEqual(checkDocumented('docs/errors.md', documented, codes), []);
  const rows = rowsOf(documented);
  for (const [code, status] of Object.entries(PROBLEMS)) {
    assert.equal(rows.get(code)?.[0], `${status}`, code);
  }
});

// Guarantees that the readers of source and pages see what is there.
test('constants, comments and rows are found', () => {
  const source = sourceOf(
    'a.ts',
    '// Group.\n\n/** Most apples. */\nexport const APPLES_MAX: u32 = TEST_BUILD ? 2 : 1_000;\n' +
      '\nconst PEARS_MAX = 3;\n',
  );
  const [apples, pears] = boundsOf(source);
  assert.deepEqual(
    [apples?.value, apples?.text, apples?.group],
    ['1_000', 'Most apples.', 'Group'],
  );
  assert.equal(pears?.text, '');
  assert.equal(checkBounds(boundsOf(source)).length, 1);
  assert.equal(commentBefore(source, source.text.indexOf('const PEARS')), '');
  const made = withGenerated(read('docs/errors.md'), 'new');
  assert.ok(made.startsWith('# Errors') && made.includes('-->\nnew\n<!--'), made);
  assert.equal(withGenerated('# No marks', 'new'), '# No marks');
  const page = '| `a` | 1 |\n| `b` | 2 \\| 3 |\n';
  assert.deepEqual(rowsOf(page).get('b'), ['2 \\| 3']);
  assert.equal(checkDocumented('p.md', page, ['a', 'c']).length, 2);
});
