/**
 * How fast a change of keys reaches many filters: followers of a real host, a large directory,
 * 20 changes a second. A tenth of the filters are the module that ships, the others speak its
 * protocol. A few of each unless SIDEGATE_LOAD=full: then 100 filters, 100,000 keys, 60 seconds.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { filterModule } from '../../emulator/support/filter.ts';
import { EmulatedFilter } from '../../support/emulated-filter.ts';
import { Host } from '../../support/host.ts';
import { APPLICATION, resourcesOf } from '../../support/policies.ts';
import { ProtocolClient } from '../../support/protocol-client.ts';
import { until } from '../../support/wait.ts';

const FULL = process.env.SIDEGATE_LOAD === 'full';
const KEYS = FULL ? 100_000 : 2_000;
const SECONDS = FULL ? 60 : 4;
const FILTERS = FULL ? 100 : 30;
/** Of them, those that run the release module; each fills the whole directory by itself. */
const EMULATED = FILTERS / 10;
const CLIENTS = FILTERS - EMULATED;
/** Clients that fill the whole directory; the others begin where these ended. */
const FILLED = FULL ? 3 : 1;
const CHANGES_PER_SECOND = 20;
const P99_MS = 1_000;
const BODY_BYTES_MAX = 1_024;
const SETTLE_MS = 120_000;

/** Credentials as files declare them: the quickest way to many keys. */
function declaredKeys(): string {
  const documents = Array.from({ length: KEYS }, (_, at) => {
    const digest = createHash('sha256').update(`key ${at}`).digest('hex');
    return [
      'apiVersion: sidegate.dev/v1alpha1',
      'kind: Credential',
      `metadata: { name: declared-${at} }`,
      `spec: { application: ${APPLICATION}, digest: ${digest} }`,
    ].join('\n');
  });
  return documents.join('\n---\n');
}

/** When each change was sent and when each client had it. */
class Latencies {
  readonly tookMs: number[] = [];
  readonly #sentAt = new Map<number, number>();
  readonly #early = new Map<number, number[]>();

  /** A client now holds everything up to `to`, and held everything up to `from`. */
  arrived(from: number, to: number): void {
    const now = performance.now();
    for (let revision = from + 1; revision <= to; revision += 1) {
      const sentAt = this.#sentAt.get(revision);
      if (sentAt !== undefined) this.tookMs.push(now - sentAt);
      // The host's answer to the change may come after the change itself.
      else this.#early.set(revision, [...(this.#early.get(revision) ?? []), now]);
    }
  }

  /** The change that was sent at `sentAt` became this revision. */
  became(revision: number, sentAt: number): void {
    this.#sentAt.set(revision, sentAt);
    for (const at of this.#early.get(revision) ?? []) this.tookMs.push(at - sentAt);
    this.#early.delete(revision);
  }

  quantile(share: number): number {
    const sorted = this.tookMs.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  }
}

// Guarantees that a revocation reaches every connected filter in under a second, at a few hundred
// bytes each, however many keys and filters there are.
test(`${FILTERS} filters follow ${CHANGES_PER_SECOND} changes a second`, async (t) => {
  await using host = await Host.start({
    resources: { ...resourcesOf(), 'keys.yaml': declaredKeys() },
    args: ['--directory-credentials-max', String(KEYS + 10_000), '--log-level', 'warn'],
  });
  const latencies = new Latencies();
  const clients = Array.from({ length: CLIENTS }, () => {
    const client: ProtocolClient = new ProtocolClient({
      port: () => host.syncPort,
      group: 'default',
      onRevision: (from, to) => latencies.arrived(from, to),
    });
    return client;
  });
  const [first] = clients;
  assert.ok(first);
  for (const client of clients.slice(0, FILLED)) await client.catchUp();
  for (const client of clients.slice(FILLED)) client.beginAt(first);
  const began = first.revision;
  const following = clients.map((client) => client.follow());
  const emulated = Array.from({ length: EMULATED }, (_, at) => {
    const arrived = (from: number, to: number) => latencies.arrived(from, to);
    return new EmulatedFilter(filterModule(), host.syncPort, at + 1, arrived);
  });
  t.after(() => emulated.map((filter) => filter.stop()));
  const filled = () => emulated.every(({ revision }) => revision >= began);
  await until('every emulated filter is filled', filled, { deadlineMs: SETTLE_MS });
  const open = async () => {
    const status = (await host.ask('GET', '/v1/status')) as { groups: { watches: number }[] };
    return status.groups[0]?.watches === FILTERS;
  };
  await until('every watch is held', open, { deadlineMs: SETTLE_MS, everyMs: 100 });
  const bytesBefore = watched(clients, emulated);
  const changes = await change(host, latencies);
  const last = began + changes;
  const settled = () => [...clients, ...emulated].every(({ revision }) => revision >= last);
  await until('every filter has every change', settled, { deadlineMs: SETTLE_MS });
  for (const client of clients) client.stop();
  await Promise.all(following);
  assert.equal(latencies.tookMs.length, changes * FILTERS, 'each change reached each filter once');
  const bytes = (watched(clients, emulated) - bytesBefore) / changes / FILTERS;
  const [p50, p99, worst] = [0.5, 0.99, 1].map((share) => latencies.quantile(share).toFixed(1));
  t.diagnostic(
    `${changes} changes, ${FILTERS} filters, ${EMULATED} of them the module, ${KEYS} keys: p50 ${p50} ms, p99 ${p99} ms, ` +
      `worst ${worst} ms, ${bytes.toFixed(0)} body bytes per change and filter`,
  );
  assert.ok(latencies.quantile(0.99) < P99_MS, `p99 ${p99} ms`);
  assert.ok(bytes < BODY_BYTES_MAX, `${bytes} bytes`);
});

/** Makes and revokes keys at an even pace; answers how many changes it made. */
async function change(host: Host, latencies: Latencies): Promise<number> {
  const gapMs = 1_000 / CHANGES_PER_SECOND;
  const total = SECONDS * CHANGES_PER_SECOND;
  const made: number[] = [];
  const calls: Promise<void>[] = [];
  const began = performance.now();
  for (let count = 0; count < total; count += 1) {
    await delay(Math.max(0, began + count * gapMs - performance.now()));
    const sentAt = performance.now();
    const id = count % 2 === 1 ? made.shift() : undefined;
    const path = id === undefined ? '/v1/credentials' : `/v1/credentials/${id}/revoke`;
    const body = id === undefined ? { application: APPLICATION } : {};
    calls.push(
      host.ask('POST', path, body).then((answer) => {
        const { id: credential, revision } = answer as { id: number; revision: number };
        if (id === undefined) made.push(credential);
        latencies.became(revision, sentAt);
      }),
    );
  }
  await Promise.all(calls);
  return total;
}

function watched(clients: readonly ProtocolClient[], emulated: readonly EmulatedFilter[]): number {
  const followed = clients.reduce((sum, { calls }) => sum + calls.received.watch, 0);
  return emulated.reduce((sum, { watchedBytes }) => sum + watchedBytes, followed);
}
