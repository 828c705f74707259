/**
 * Tests of what `sidegate doctor` makes of a kubeconfig, and how it ends when an API server is not
 * there or does not let it in.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { readCluster } from '../../../host/cli/doctor-cluster.ts';
import { KubeApi, OBJECTS_READ_MAX } from '../../../host/cli/kube-api.ts';
import { readKubeconfig } from '../../../host/cli/kubeconfig.ts';
import { Exit } from '../../../host/cli/outcome.ts';
import { serveCluster } from '../../istio/live.ts';
import { kubeconfigOf } from '../../istio/rig/kube.ts';
import { ROOT } from '../../runner/layers.ts';
import { Folder } from '../../support/folders.ts';
import { sidegate } from './command.ts';

const NOTHING = '{ apiVersion: v1, kind: Namespace, metadata: { name: none } }';
const base64 = (text: string) => Buffer.from(text).toString('base64');

interface Parts {
  readonly cluster?: object;
  readonly user?: object;
}

function configOf({ cluster = {}, user = {} }: Parts): string {
  return kubeconfigOf({ server: 'https://10.0.0.1:6443/base', ...cluster }, user);
}

// Guarantees that what kubectl writes is understood: certificates inside and beside, tokens.
test('certificates and tokens are read from the file or from beside it', async () => {
  await using folder = await Folder.make();
  const read = async (parts: Parts) => {
    await writeFile(folder.join('config'), configOf(parts));
    return readKubeconfig(folder.join('config'), undefined);
  };
  await writeFile(folder.join('ca.pem'), 'ca beside');
  await writeFile(folder.join('token'), 'token beside\n');
  const inside = await read({
    cluster: { 'certificate-authority-data': base64('ca inside') },
    user: { 'client-certificate-data': base64('cert'), 'client-key-data': base64('key') },
  });
  assert.deepEqual(inside.tls, { ca: 'ca inside', cert: 'cert', key: 'key' });
  assert.equal(inside.token, undefined);
  assert.equal(inside.server.pathname, '/base');
  const beside = await read({
    cluster: { 'certificate-authority': 'ca.pem', 'tls-server-name': 'kubernetes' },
    user: { tokenFile: 'token' },
  });
  assert.deepEqual(beside.tls, { ca: 'ca beside', servername: 'kubernetes' });
  assert.equal(beside.token, 'token beside');
  const trusting = await read({ cluster: { 'insecure-skip-tls-verify': true } });
  assert.deepEqual(trusting.tls, { rejectUnauthorized: false });
});

// Guarantees that what is not supported is said, and that no program of a kubeconfig is run.
test('what cannot be used is refused with its reason', async () => {
  await using folder = await Folder.make();
  const refusal = async (text: string, context?: string) => {
    await writeFile(folder.join('config'), text);
    const args = ['doctor', '--kubeconfig', 'config'];
    if (context !== undefined) args.push('--kube-context', context);
    const { exit, stdout, stderr } = await sidegate(args, { folder: folder.path });
    assert.deepEqual([exit, stdout], [Exit.usage, '']);
    return stderr;
  };
  const touch = { command: 'touch', args: [folder.join('ran')] };
  assert.match(await refusal(configOf({ user: { exec: touch } })), /by exec, which is not/);
  assert.match(await refusal(configOf({ cluster: { 'proxy-url': 'http://p' } })), /proxy/);
  assert.match(await refusal(configOf({ user: { tokenFile: 'ran' } })), /names ran: ENOENT/);
  assert.match(await refusal(configOf({}), 'y'), /has no context "y"/);
  assert.match(await refusal('clusters: []'), /no current context/);
  assert.match(await refusal('a: [b'), /is no kubeconfig/);
  const empty = '{ current-context: y, contexts: [null, { name: y, context: }] }';
  assert.match(await refusal(empty), /has no context "y"/);
  assert.match(await refusal(configOf({ cluster: { server: 'ftp://a' } })), /names no server/);
  const server = { server: 'https://127.0.0.1:9' };
  const bad = base64('not PEM');
  const pem = { 'client-certificate-data': bad, 'client-key-data': bad };
  for (const user of [pem, { token: 'two\nlines' }]) {
    const said = await refusal(configOf({ cluster: server, user }));
    assert.match(said, /token or certificate of the kubeconfig cannot be used \(ERR_/);
    assert.doesNotMatch(said, /not PEM|lines/);
  }
  const absent = await sidegate(['doctor', '--kubeconfig', 'absent'], { folder: folder.path });
  assert.match(absent.stderr, /absent cannot be read \(ENOENT\)/);
  assert.equal((await sidegate(['doctor'])).exit, Exit.usage);
});

// Guarantees that scripts tell a server that is away from one that does not let them in.
test('an API server that is away or says no has its own end', async () => {
  await using folder = await Folder.make();
  const doctor = () => sidegate(['doctor', '--kubeconfig', 'config'], { folder: folder.path });
  const away = configOf({ cluster: { server: 'http://127.0.0.1:9' } });
  await writeFile(folder.join('config'), away);
  const unreachable = await doctor();
  assert.equal(unreachable.exit, Exit.unreachable);
  assert.match(unreachable.stderr, /no API server answers at http:\/\/127\.0\.0\.1:9/);
  await using cluster = await serveCluster(NOTHING, '', 'right-token');
  await writeFile(folder.join('config'), cluster.config.replace('right-token', 'wrong-token'));
  const denied = await doctor();
  assert.equal(denied.exit, Exit.denied);
  assert.doesNotMatch(denied.stderr, /wrong-token/);
});

// Guarantees that what is no list never passes for an empty one, which would be without faults.
test('an answer that is no list of objects is an error', async () => {
  for (const text of ['<html>sign in</html>', '{}', 'null', '{"kind":"Status"}', '{"kind":1}']) {
    class Other extends KubeApi {
      override async get() {
        return { status: 200, text };
      }
    }
    const api = new Other({ server: new URL('http://127.0.0.1'), token: undefined, tls: {} });
    await assert.rejects(api.list('/api/v1/pods'), {
      exit: Exit.unexpected,
      message: 'http://127.0.0.1 answered no list of objects',
    });
  }
});

// Guarantees that a long list is read to its end.
test('lists are read page by page', async () => {
  const pages = ['', 'a', 'b'];
  const asked: string[] = [];
  class Paged extends KubeApi {
    override async get(path: string) {
      asked.push(path);
      const next = pages[asked.length] ?? '';
      const list = { kind: 'PodList', apiVersion: 'v1', metadata: { continue: next } };
      return { status: 200, text: JSON.stringify({ ...list, items: [{ metadata: {} }] }) };
    }
  }
  const api = new Paged({ server: new URL('http://127.0.0.1'), token: undefined, tls: {} });
  const { items } = await api.list('/api/v1/pods');
  assert.deepEqual(
    items.map(({ kind }) => kind),
    ['Pod', 'Pod', 'Pod'],
  );
  assert.match(asked[2] ?? '', /continue=b$/);
});

// Guarantees that a list which is longer than what is read never passes for a whole one.
test('what lies beyond the bound of a list is told', async () => {
  class Endless extends KubeApi {
    override async get() {
      const list = { kind: 'PodList', apiVersion: 'v1', metadata: { continue: 'more' }, items: [] };
      return { status: 200, text: JSON.stringify(list) };
    }
  }
  const api = new Endless({ server: new URL('http://127.0.0.1'), token: undefined, tls: {} });
  assert.equal((await api.list('/api/v1/pods')).lacks, 'the rest');
  const { unread } = await readCluster(api, undefined);
  assert.ok(unread.includes(`pods (beyond the first ${OBJECTS_READ_MAX})`), unread.join());
});

// Guarantees that a look at what may not be read is no clean bill, and says what was not seen.
test('doctor says what it may not read', async () => {
  await using folder = await Folder.make();
  let isForbidden = (_: string) => true;
  const server = createServer((request, response) => {
    const { url = '' } = request;
    if (isForbidden(url)) return response.writeHead(403).end('{}');
    return response.end('{"kind":"List","apiVersion":"v1","items":[]}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    await writeFile(
      folder.join('config'),
      configOf({ cluster: { server: `http://127.0.0.1:${port}` } }),
    );
    const doctor = () => sidegate(['doctor', '--kubeconfig', 'config'], { folder: folder.path });
    const blind = await doctor();
    assert.equal(blind.exit, Exit.denied);
    assert.match(
      blind.stderr,
      /^Not read: pods \(forbidden\), .*wasmplugins \(forbidden\), .*\.$/m,
    );
    assert.match(blind.stderr, /^0 objects, 0 plugins: nothing found in what was read\.$/m);
    isForbidden = () => false;
    const seeing = await doctor();
    assert.deepEqual([seeing.exit, /Not read/.test(seeing.stderr)], [Exit.done, false]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

// Guarantees that a script which looks at the exit code alone never takes a look at a part of a
// mesh for a clean bill, whatever part may not be read; and that what was found is still a finding.
test('doctor ends as if denied when a part may not be read', async () => {
  await using folder = await Folder.make();
  const trap = (name: string) => readFileSync(path.join(ROOT, 'test/istio/traps', name), 'utf8');
  const objects = trap('fine-running.yaml');
  const { metrics } = JSON.parse(trap('fine-running.live.json'));
  let forbidden = '';
  const isForbidden = (at: string) => forbidden !== '' && at.includes(forbidden);
  const doctor = async (...more: string[]) => {
    return sidegate(['doctor', '--kubeconfig', 'config', ...more], { folder: folder.path });
  };
  await using cluster = await serveCluster(objects, metrics, 'token', isForbidden);
  await writeFile(folder.join('config'), cluster.config);
  const whole = await doctor();
  assert.deepEqual([whole.exit, whole.stdout], [Exit.done, ''], whole.stderr);
  assert.match(whole.stderr, / 1 plugins: nothing found\.$/m);
  for (const [part, named] of [
    ['/deployments', 'deployments'],
    ['/api/v1/namespaces', 'namespaces'],
    ['/authorizationpolicies', 'authorizationpolicies'],
    ['/proxy/stats', 'metrics of proxies'],
  ] as const) {
    forbidden = part;
    for (const more of [[], ['-o', 'json'], ['-n', 'shop']]) {
      const partly = await doctor(...more);
      assert.equal(partly.exit, Exit.denied, `${part} ${more}: ${partly.stderr}`);
      assert.match(partly.stderr, new RegExp(`^Not read: .*${named} \\(forbidden\\)`, 'm'));
    }
  }
  await using bad = await serveCluster(
    objects.replace('failStrategy: FAIL_RELOAD', 'failStrategy: FAIL_OPEN'),
    ...[metrics, 'token', isForbidden],
  );
  await writeFile(folder.join('config'), bad.config);
  assert.equal((await doctor()).exit, Exit.problems);
});
