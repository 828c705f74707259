/**
 * Runs files of node:test, each in a process of its own, and tells what happens while it happens:
 * a line per file, the whole story of a failure, the reason of a skip. It never decides whether a
 * skip is allowed; run.ts does.
 */
import path from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';
import { type Layer, ROOT } from './layers.ts';
import type { Outcome } from './outcome.ts';

/** Parts of node:test's events that are read here; its own types leave some of them out. */
interface TestEvent {
  type: string;
  data: {
    name?: string;
    file?: string;
    nesting?: number;
    message?: string;
    skip?: string | boolean;
    details?: { type?: string; error?: { failureType?: string; cause?: unknown } };
    counts?: { passed: number; failed: number; cancelled: number; skipped: number; todo: number };
    duration_ms?: number;
  };
}

/** Runs the files of a layer. Resolves when all are through; unfinished tests count as failed. */
export async function runFiles(layer: Layer, files: string[]): Promise<Outcome> {
  const { files: concurrency, timeoutMs: timeout } = layer;
  const stream = run({ files, concurrency, timeout, cwd: ROOT });
  const outcome: Outcome = { passed: 0, failed: 0, skipped: 0 };
  const said = new Map<string, string[]>();
  for await (const event of stream as AsyncIterable<TestEvent>) {
    const { type, data } = event;
    const file = data.file === undefined ? '' : path.relative(ROOT, data.file);
    if (type === 'test:stdout' || type === 'test:stderr') {
      said.set(file, [...(said.get(file) ?? []), data.message ?? '']);
    } else if (type === 'test:fail') tellFailure(file, data, said);
    else if (type === 'test:pass' && data.skip !== undefined && data.skip !== false) {
      console.log(`  SKIPPED ${file}: ${data.name}: ${data.skip === true ? '' : data.skip}`);
    } else if (type === 'test:diagnostic' && data.nesting !== undefined && file !== '') {
      console.log(`  ${file}: ${data.message}`);
    } else if (type === 'test:summary') tellSummary(file, data, outcome);
  }
  return outcome;
}

function tellFailure(file: string, data: TestEvent['data'], said: Map<string, string[]>): void {
  const { failureType, cause } = data.details?.error ?? {};
  // A suite fails because something in it did, which was told already.
  if (failureType === 'subtestsFailed') return;
  console.log(`\n  FAILED ${file}: ${data.name}`);
  console.log(indent(cause === undefined ? inspect(data.details?.error) : describe(cause)));
  const output = (said.get(file) ?? []).join('').trimEnd();
  if (output !== '') console.log(indent(`--- what the file printed\n${output}`));
}

function describe(cause: unknown): string {
  return typeof cause === 'string' ? cause : inspect(cause, { depth: 8 });
}

/** The summary of a file is told, that of all files together is counted. */
function tellSummary(file: string, data: TestEvent['data'], outcome: Outcome): void {
  if (data.counts === undefined) return;
  const { passed, failed, cancelled, skipped, todo } = data.counts;
  if (file === '') {
    outcome.passed += passed;
    outcome.failed += failed + cancelled + todo;
    outcome.skipped += skipped;
    return;
  }
  const seconds = ((data.duration_ms ?? 0) / 1000).toFixed(1);
  const bad = failed + cancelled + todo;
  console.log(`  ${bad > 0 ? 'not ok' : 'ok'} ${file} (${passed} passed, ${seconds} s)`);
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ');
}
