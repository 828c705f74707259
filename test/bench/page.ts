/**
 * Renders the page of results from what is kept in `results.json`, so that any section can be
 * measured anew without the others. It must never leave out a row because it looks bad.
 */
import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from '../runner/layers.ts';
import { RELEASE_MODULE } from '../support/rig.ts';
import { thousands } from './chains.ts';
import { ROUND_REQUESTS } from './measure.ts';
import { loadResults, type Results, type Row, type Section } from './results.ts';
import { targetsOf } from './targets.ts';

const PAGE = path.join(ROOT, 'test/bench/results.md');
/** Text by hand: where the rest of a missed number goes. */
const BREAKDOWN = path.join(ROOT, 'test/bench/breakdown.md');
const MIB = 2 ** 20;

/** Writes test/bench/results.md and says where it is. */
export async function writePage(): Promise<void> {
  const breakdown = existsSync(BREAKDOWN) ? await readFile(BREAKDOWN, 'utf8') : '';
  const moduleBytes = existsSync(RELEASE_MODULE) ? (await stat(RELEASE_MODULE)).size : Number.NaN;
  await writeFile(PAGE, renderPage(await loadResults(), moduleBytes, breakdown));
  console.log(`results: ${path.relative(ROOT, PAGE)}`);
}

/** The whole page. */
export function renderPage(results: Results, moduleBytes: number, breakdown: string): string {
  const parts = [
    ['# Bench', '', ...introduction(results)],
    ['## Numbers to reach', '', ...targetTable(results, moduleBytes)],
    ['## What a request costs', '', ...cpuTable(results)],
    ['## How long it takes', '', ...latencyTable(results.latency)],
    ['## What it makes the filter do', '', ...workTable(results.work)],
    ['## Memory', '', ...memoryTable(results)],
    ['## Ten million requests', '', ...soakTables(results.soak)],
    ['## Changes under load', '', ...swapTable(results.swap)],
    ['## Resources at size', '', ...controlTable(results.control)],
    ['## Left out', '', ...leftOut(results)],
    ['## Breakdown', '', breakdown.replace(/^# .*\n/, '').trim() || 'None yet.', ''],
  ];
  return parts.flat().join('\n');
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(heads), `|${'---|'.repeat(heads.length)}`, ...rows.map(line), ''];
}

function introduction(results: Results): string[] {
  const machines = new Set(Object.values(results).map(({ machine }) => machine));
  return [
    `\`npm run bench\` writes this page; [README.md](README.md) says how each part measures.`,
    '',
    ...[...machines].map((machine) => `- ${machine}`),
    '',
    'Compare within a table only: another machine gives other absolutes. A row marked † is of another',
    'run than the rest of its table.',
    '',
  ];
}

function targetTable(results: Results, moduleBytes: number): string[] {
  const rows = targetsOf(results, moduleBytes).map(({ what, aim, shown, met }) => {
    return [what, aim, met === true ? shown : `${shown} **(open)**`];
  });
  return table(['what', 'to reach', 'shown'], rows);
}

/** A number of a row, or a dash. */
function cell(row: Row | undefined, field: string, show: (value: number) => string): string {
  const value = row?.[field];
  return typeof value === 'number' && !Number.isNaN(value) ? show(value) : '–';
}

const micro = (ns: number) => (ns / 1000).toFixed(1);
const mega = (bytes: number) => (bytes / MIB).toFixed(1);
const plain = (value: number) => thousands(value);
const named = (name: string, row: Row) => (row.run === undefined ? name : `${name} †`);

function rowsOf(section: Section | undefined): [string, Row][] {
  return Object.entries(section?.rows ?? {});
}

const NOTHING = ['Not measured yet.', ''];

function cpuTable({ cpu, work }: Results): string[] {
  if (cpu === undefined) return NOTHING;
  const total = (row: Row | undefined) => Number(row?.proxyNs) + Number(row?.helperNs);
  const rows = rowsOf(cpu).map(([name, row]) => {
    // A large request, or a call, is dearer without any filter too: its own bare proxy is its base.
    const suffix = /, (\d+ headers|to a service)$/.exec(name)?.[0] ?? '';
    const added = total(row) - total(cpu.rows[`no filter${suffix}`]);
    const failed = Number(row.failed) > 0 ? ` (${row.failed} rounds failed)` : '';
    return [
      `${named(name, row)}${failed}`,
      Number.isNaN(added) ? '–' : micro(added),
      cell(row, 'proxyNs', micro),
      cell(row, 'proxyMedianNs', micro),
      cell(row, 'helperNs', micro),
      cell(row, 'residentBytes', (bytes) => (bytes / MIB).toFixed(0)),
      cell(work?.rows[name], 'abiCalls', plain),
      cell(work?.rows[name], 'instructions', plain),
      String(row.does),
    ];
  });
  const rounds = rowsOf(cpu).map(([, row]) => Number(row.rounds));
  return [
    `CPU of the processes per request; the 10th percentile over ${Math.max(...rounds)} rounds of`,
    `${ROUND_REQUESTS} requests counts. *Adds* = proxy and helper together, less the proxy without a filter`,
    'asked the same. Calls and instructions of the filter are counted in the emulator.',
    '',
    ...table(
      [
        'chain',
        'adds, µs',
        'proxy, µs (p10)',
        'proxy, µs (median)',
        'helper, µs (p10)',
        'RSS, MB',
        'ABI calls',
        'wasm instructions',
        'it does',
      ],
      rows,
    ),
  ];
}

function latencyTable(latency: Section | undefined): string[] {
  if (latency === undefined) return NOTHING;
  const tenths = (value: number) => value.toFixed(1);
  const rows = rowsOf(latency).map(([name, row]) => [
    named(name, row),
    cell(row, 'perSecondMax', plain),
    cell(row, 'perSecond', plain),
    cell(row, 'p50', tenths),
    cell(row, 'p99', tenths),
    cell(row, 'addedP99', tenths),
    cell(row, 'failed', plain),
  ]);
  return [
    'Throughput of one worker on one core, then times at an even rate: half of what Sidegate with',
    '100,000 keys can take, or of what the chain itself can where that is less. *Adds* = median over',
    'the rounds of the difference to the proxy without a filter.',
    '',
    ...table(
      ['chain', 'at most, 1/s', 'rate, 1/s', 'p50, µs', 'p99, µs', 'adds to p99, µs', 'failed'],
      rows,
    ),
  ];
}

function workTable(work: Section | undefined): string[] {
  if (work === undefined) return NOTHING;
  const requests = rowsOf(work).filter(([, row]) => row.calls !== undefined);
  const callbacks = rowsOf(work).filter(([, row]) => row.calls === undefined);
  const largest = callbacks.flatMap(([name, row]) =>
    Object.entries(row)
      .filter(([callback, count]) => callback.startsWith('proxy_on') && Number(count) > 0)
      .map(([callback, count]) => [name, callback, thousands(Number(count))]),
  );
  return [
    ...table(
      ['request', 'callbacks', 'ABI calls', 'instructions', 'calls'],
      requests.map(([name, row]) => [
        named(name, row),
        cell(row, 'entered', plain),
        cell(row, 'abiCalls', plain),
        cell(row, 'instructions', plain),
        String(row.calls),
      ]),
    ),
    'The largest single callback: from the start of the VM on, while the directory came in, and while a policy of 500 products with 20 operations each was swapped:',
    '',
    ...table(['host', 'callback', 'instructions'], largest),
  ];
}

function memoryTable({ memory, work }: Results): string[] {
  if (memory === undefined) return NOTHING;
  return table(
    ['directory', 'wasm memory, MB', 'resident per VM over a no-op filter, MB', 'measured as'],
    rowsOf(memory).map(([name, row]) => [
      named(name, row),
      cell(work?.rows[`callbacks, ${name}`], 'wasmBytes', mega),
      cell(row, 'residentPerVm', mega),
      String(row.how),
    ]),
  );
}

function soakTables(soak: Section | undefined): string[] {
  if (soak === undefined) return NOTHING;
  return rowsOf(soak).flatMap(([where, row]) => {
    const series = (field: string) => (row[field] as readonly number[] | undefined) ?? [];
    return [
      `**${named(where, row)}**: ${cell(row, 'requests', plain)} requests, ${cell(row, 'changes', plain)} policy changes, ` +
        `${cell(row, 'configurations', plain)} changes of the configuration, ${cell(row, 'failed', plain)} failed. ${row.note ?? ''}`,
      '',
      ...table(
        ['requests, millions', 'wasm memory, MB', 'proxy resident, MB'],
        series('atRequests').map((at, index) => [
          (at / 1e6).toFixed(1),
          series('wasmBytes')[index] === undefined ? '–' : mega(series('wasmBytes')[index] ?? 0),
          series('residentBytes')[index] === undefined
            ? '–'
            : mega(series('residentBytes')[index] ?? 0),
        ]),
      ),
    ];
  });
}

function swapTable(swap: Section | undefined): string[] {
  if (swap === undefined) return NOTHING;
  const tenths = (value: number) => value.toFixed(1);
  return table(
    [
      'while',
      'pairs',
      'rate, 1/s',
      'p99 steady, µs',
      'p99 changing, µs',
      'difference, µs',
      'changes',
      'failed',
    ],
    rowsOf(swap).map(([name, row]) => [
      `${named(name, row)}: ${row.what}`,
      cell(row, 'pairs', plain),
      cell(row, 'perSecond', plain),
      cell(row, 'steadyP99', tenths),
      cell(row, 'changingP99', tenths),
      cell(row, 'differenceP99', tenths),
      cell(row, 'changes', plain),
      cell(row, 'failed', plain),
    ]),
  );
}

function controlTable(control: Section | undefined): string[] {
  if (control === undefined) return NOTHING;
  const tenths = (value: number) => value.toFixed(1);
  const rows = rowsOf(control).map(([name, row]) => [
    `${named(name, row)}: ${row.what}`,
    cell(row, 'ms', plain),
    cell(row, 'seenMs', plain),
    cell(row, 'times', plain),
    cell(row, 'idleP99', tenths),
    cell(row, 'syncP99', tenths),
    cell(row, 'addedP99', tenths),
    cell(row, 'differenceP99', tenths),
    cell(row, 'windows', plain),
    cell(row, 'syncWorst', tenths),
    cell(row, 'callsFailed', plain),
    cell(row, 'residentBytes', (bytes) => (bytes / MIB).toFixed(0)),
  ]);
  const { resources = 0, firstChangeMs = 0 } = control.rows.restart ?? {};
  return [
    `One host on a core of its own with ${thousands(Number(resources))} declared resources, a quarter of each of four`,
    'kinds, while filters send sync calls at an even rate: what the work takes, and how long those',
    'calls then wait for their answers. *At rest* is the p99 of the same calls in windows of nothing else, in',
    'turn with those of the work where it can be done again and again, else before and after it; *adds* is',
    'the p99 of all calls beside the work less that; *pairs* the median of the differences within one pair.',
    'Commands count whole, with their own process; *at a filter* is the time until one that follows',
    `has the change. The first change after a restart took ${plain(Number(firstChangeMs))} ms.`,
    '',
    ...table(
      [
        ...[
          'work',
          'median, ms',
          'at a filter, ms',
          'times',
          'sync p99 at rest, ms',
          'sync p99, ms',
        ],
        ...['adds, ms', 'pairs, ms', 'windows', 'slowest sync, ms', 'failed', 'RSS, MB'],
      ],
      rows,
    ),
  ];
}

function leftOut(results: Results): string[] {
  const lines = Object.values(results).flatMap(({ missing }) =>
    Object.entries(missing).map(([name, why]) => `- **${name}**: ${why}`),
  );
  return lines.length === 0 ? ['Nothing.', ''] : [...new Set(lines), ''];
}
