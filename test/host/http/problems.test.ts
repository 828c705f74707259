/**
 * Every problem a host may answer with: each code by a request that gets it, with its status and
 * its exact sentence. Faults of the medium are made by a store or ledger that rejects as one does.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAILURES_MAX } from '../../../host/http/failures.ts';
import { PROBLEM_TYPE, PROBLEMS, type ProblemCode } from '../../../host/http/problem.ts';
import { WATCHES_MAX } from '../../../host/http/watch-hub.ts';
import { ACCESS_TOKENS_MAX } from '../../../host/store/access.ts';
import { LedgerError } from '../../../host/store/ledger.ts';
import { StoreError } from '../../../host/store/open.ts';
import { encodeWatchRequest } from '../../../host/wire/watch.ts';
import { documents, resource, resourcesOf } from '../../support/policies.ts';
import { TrialHost } from '../../support/trial-host.ts';

/** What a host answered. */
interface Answered {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly type: string;
}

/** What gets a problem: a request, its sentence, and how the host must be for it. */
interface Case {
  readonly says: string;
  readonly ask: (host: TrialHost) => Promise<Answered>;
  readonly folder?: string;
  readonly credentialsMax?: number;
}

const IMPORTED = 'a-key-that-somebody-else-has-made';
const DIGEST = '0'.repeat(64);

async function inject(
  port: TrialHost['admin'],
  method: 'GET' | 'POST',
  url: string,
  more: { headers?: Record<string, string>; payload?: Buffer | string } = {},
): Promise<Answered> {
  const answer = await port.inject({ method, url, ...more });
  const type = String(answer.headers['content-type']);
  return { status: answer.statusCode, body: JSON.parse(answer.body), type };
}

type Method = Parameters<TrialHost['ask']>[0];

/** A call of the admin API, by the root token unless another is given. */
function asked(method: Method, url: string, body?: object, more: object = {}): Case['ask'] {
  return async (host) => {
    const answer = await host.ask(method, url, body, more);
    return { ...answer, type: String(answer.headers['content-type']) };
  };
}

/** The last of several calls. */
function after(first: (host: TrialHost) => Promise<unknown>, then: Case['ask']): Case['ask'] {
  return async (host) => {
    await first(host);
    return then(host);
  };
}

const synced =
  (url: string): Case['ask'] =>
  (host) =>
    inject(host.sync, 'GET', url);

function watch(incarnation: bigint, host: TrialHost) {
  return {
    ...{ incarnation, storeId: host.store.identity.storeId, complete: true, filling: false },
    ...{ policyRevision: 1_000, directoryRevision: 1_000 },
    ...{ proxy: 'sidecar~1', workload: 'orders', version: '0.1.0' },
  };
}

const watched: Case['ask'] = (host) => {
  const payload = Buffer.from(encodeWatchRequest(watch(0n, host)));
  return inject(host.sync, 'POST', '/v1/watch/default', { payload });
};

const applied = (...resources: object[]) => ({
  files: [{ name: 'a.yaml', text: documents(resources) }],
});

const credential = { application: 'shop', digest: DIGEST };
const importing = asked('POST', '/v1/credentials/import', { application: 'shop', key: IMPORTED });

async function revoked(host: TrialHost): Promise<void> {
  const { id } = await host.createKey('shop');
  await host.keys.revoke(id);
}

const lastKey = async (host: TrialHost) => (await host.store.credentials({ limit: 9 })).at(-1)?.id;

const onLastKey =
  (verb: string): Case['ask'] =>
  async (host) =>
    asked('POST', `/v1/credentials/${await lastKey(host)}/${verb}`)(host);

/** As many tokens as there may be. */
async function manyTokens({ store }: TrialHost): Promise<void> {
  const token = { role: 'view', namespaces: [], displayPrefix: 'sgadmin_', createdBy: 'root' };
  for (let at = 0; at < ACCESS_TOKENS_MAX; at += 1) {
    const digest = Buffer.alloc(32);
    digest.writeUInt32LE(at);
    const more = { digest, name: `t-${at}`, createdAtMs: 1, notAfterMs: null };
    await store.createAccessToken({ ...token, role: 'view', ...more });
  }
}

async function wrongTokens(host: TrialHost): Promise<void> {
  host.nowMs = () => 1_000_000;
  for (let at = 0; at < FAILURES_MAX; at += 1) {
    await host.ask('GET', '/v1/status', undefined, { token: 'wrong' });
  }
}

/** A key of an application, made once. */
function once(application: string): Case['ask'] {
  const headers = { 'idempotency-key': 'a' };
  return asked('POST', '/v1/credentials', { application }, { headers });
}

const CASES: Record<ProblemCode, Case> = {
  bad_request: {
    ask: asked('POST', '/v1/credentials', {}),
    says: 'the request does not have the form it must have',
  },
  malformed_message: {
    ask: (host) => inject(host.sync, 'POST', '/v1/watch/default', { payload: 'x' }),
    says: 'truncated in header',
  },
  unauthorized: {
    ask: asked('GET', '/v1/status', undefined, { token: 'wrong' }),
    says: 'this needs authorization: Bearer and the right secret',
  },
  forbidden: {
    ask: async (host) => {
      const { body } = await host.ask('POST', '/v1/tokens', { name: 'v', role: 'view' });
      return asked('POST', '/v1/credentials', {}, { token: body.token })(host);
    },
    says: 'this needs the role operate; your token has view',
  },
  not_found: { ask: asked('GET', '/v1/nothing'), says: 'there is nothing at this path and method' },
  unknown_proxy_group: { ask: synced('/v1/policy/none'), says: 'no proxy group none' },
  unknown_page: { ask: synced('/v1/policy/default/x/-1'), says: 'no such page' },
  name_taken: {
    ask: after(
      asked('POST', '/v1/credentials', { application: 'shop', name: 'a' }),
      asked('POST', '/v1/credentials', { application: 'shop', name: 'a' }),
    ),
    says: 'a credential "a" exists in namespace "default"',
  },
  digest_taken: {
    ask: after(importing, importing),
    says: 'credential "key-11" has the same digest',
  },
  managed_by_resources: {
    ask: after(
      asked('POST', '/v1/apply', applied(resource('Credential', 'declared', credential))),
      onLastKey('revoke'),
    ),
    says: 'credential "declared" is declared in a file; remove or disable it there',
  },
  read_only: {
    folder: '/etc/sidegate',
    ask: asked('DELETE', '/v1/resources/plan/default/none'),
    says: 'this host takes resources from the folder /etc/sidegate alone: change them there',
  },
  revoked: {
    ask: after(revoked, onLastKey('enable')),
    says: 'credential "key-11" is revoked for good',
  },
  directory_full: {
    credentialsMax: 1,
    ask: after(
      (host) => host.createKey('shop'),
      asked('POST', '/v1/credentials', { application: 'shop' }),
    ),
    says: 'the directory of proxy group "default" would hold 2 credentials, at most 1',
  },
  too_many: {
    ask: after(manyTokens, asked('POST', '/v1/tokens', { name: 'one-more', role: 'view' })),
    says: `there are ${ACCESS_TOKENS_MAX} access tokens, at most ${ACCESS_TOKENS_MAX}`,
  },
  gone: {
    ask: after(
      async (host) => {
        host.store.resourceChangesAfter = async () => undefined;
      },
      asked('POST', '/v1/revisions/1/rollback'),
    ),
    says: 'revision 1 is forgotten',
  },
  idempotency_key_in_use: {
    ask: async (host) => {
      const { createCredential } = host.store;
      const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
      const { promise: held, resolve: release } = Promise.withResolvers<void>();
      host.store.createCredential = async (credential) => {
        begin();
        await held;
        return createCredential.call(host.store, credential);
      };
      const first = once('shop')(host);
      await begun;
      return once('shop')(host).finally(async () => {
        release();
        assert.equal((await first).status, 201);
      });
    },
    says: 'a request with this Idempotency-Key is still being worked on',
  },
  idempotency_key_reused: {
    ask: after(once('shop'), once('other')),
    says: 'this Idempotency-Key was sent with another request; use a new one',
  },
  policy_replaced: {
    ask: synced(`/v1/policy/default/${DIGEST}/0`),
    says: 'this policy was replaced: start again',
  },
  revision_conflict: {
    ask: asked('POST', '/v1/apply', applied(), { headers: { 'if-match': '"99"' } }),
    says: 'resources last changed at revision 1, not 99',
  },
  too_large: {
    ask: asked('POST', '/v1/credentials', { application: 'x'.repeat(70_000) }),
    says: 'the body is too long',
  },
  unsupported_media_type: {
    ask: (host) => {
      const headers = { authorization: `Bearer ${host.adminToken}`, 'content-type': 'text/plain' };
      return inject(host.admin, 'POST', '/v1/credentials', { headers, payload: 'x' });
    },
    says: 'the body must be application/json',
  },
  invalid_resources: {
    ask: asked('POST', '/v1/apply', applied(resource('Plan', 'a', { limit: [] }))),
    says: 'the resources have problems',
  },
  too_many_failures: {
    ask: after(wrongTokens, asked('GET', '/v1/status')),
    says: 'too many wrong tokens came from your address',
  },
  internal: {
    ask: after(
      async (host) => {
        host.store.credentials = () => Promise.reject(new TypeError('a secret of the inside'));
      },
      asked('GET', '/v1/credentials'),
    ),
    says: 'something failed that the host did not foresee',
  },
  store_unavailable: {
    ask: after(
      async (host) => {
        host.store.credentials = () => Promise.reject(new StoreError('store_failed', 'disk'));
      },
      asked('GET', '/v1/credentials'),
    ),
    says: 'the store does not answer',
  },
  ledger_unavailable: {
    ask: after(
      async (host) => {
        host.ledger.account = () => Promise.reject(new LedgerError('ledger_unavailable', 'disk'));
      },
      asked('GET', '/v1/subscriptions/default/shop/quota'),
    ),
    says: 'the ledger does not answer',
  },
  stopping: { ask: after(async (host) => host.hub.close(), watched), says: 'the host is stopping' },
  too_many_watches: {
    ask: after(async (host) => {
      for (let at = 1; at <= WATCHES_MAX; at += 1)
        host.hub.watch('default', watch(BigInt(at), host));
    }, watched),
    says: `more than ${WATCHES_MAX} watches are open`,
  },
};

for (const [code, { ask, says, ...options }] of Object.entries(CASES)) {
  // Guarantees that programs may rely on the code and people on the sentence.
  test(`the problem ${code}`, async () => {
    await using host = await TrialHost.start({ resources: resourcesOf(), ...options });
    const { status, body, type } = await ask(host);
    assert.deepEqual([body.code, body.detail], [code, says]);
    assert.equal(status, PROBLEMS[code as ProblemCode]);
    assert.equal(body.status, status);
    assert.ok(type.startsWith(PROBLEM_TYPE), type);
    assert.ok(!JSON.stringify(body).includes('secret of the inside'));
  });
}
