/**
 * Keys and access tokens over the whole life of a host: each is shown once, to whoever made it, and
 * stands nowhere else, whatever is asked, refused or broken.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../../runner/layers.ts';
import { Folder } from '../../support/folders.ts';
import { APPLICATION, resourcesOf } from '../../support/policies.ts';
import { Program } from '../../support/programs.ts';
import { until } from '../../support/wait.ts';

const ROTATE = { overlapSeconds: 60 };

/** Characters of a secret that tell it apart; its first ones are shown on purpose. */
const SHOWN = 12;

/** A host in a process, everything it says, and every secret it knows. */
class Life implements AsyncDisposable {
  readonly said: string[] = [];
  readonly secrets: string[] = [];
  readonly #folder: Folder;
  readonly #program: Program;
  #admin = '';
  root = '';

  private constructor(folder: Folder) {
    this.#folder = folder;
    const args = [path.join(ROOT, 'host/main.ts'), '--log-level', 'trace'];
    const ports = ['--store', folder.join('store'), '--admin-port', '0', '--sync-port', '0'];
    this.#program = new Program(process.execPath, [...args, ...ports]);
  }

  static async start(): Promise<Life> {
    const life = new Life(await Folder.make());
    const ready = await until(
      'the host is ready',
      () => /^\{"ready":true.*\}$/m.exec(life.#program.output)?.[0],
      { deadlineMs: 90_000 },
    );
    life.#admin = JSON.parse(ready).admin;
    // The one place where it is shown: to people, at the first start.
    life.root = /^Admin token: (\S+)$/m.exec(life.#program.output)?.[1] ?? '';
    assert.ok(life.root.length > 20);
    life.secrets.push(life.root);
    return life;
  }

  /** Calls the admin API; keeps the answer unless it is the one that shows a secret. */
  async ask(method: string, url: string, body?: unknown, more: Asking = {}): Promise<Answer> {
    const { token = this.root, secret, headers = {} } = more;
    const answer = await fetch(new URL(url, this.#admin), {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    const shown = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
    const value = /^[{[]/.test(text) ? JSON.parse(text) : {};
    this.said.push(shown);
    if (secret === undefined || !answer.ok) this.said.push(text);
    else {
      assert.equal(typeof value[secret], 'string', text);
      this.secrets.push(value[secret]);
      this.said.push(JSON.stringify({ ...value, [secret]: '' }));
    }
    return { status: answer.status, value };
  }

  /** Runs the command in a process and keeps what it prints but for its only secret. */
  async run(args: readonly string[], secret: boolean): Promise<string> {
    const file = this.#folder.join('token');
    await writeFile(file, this.root, { mode: 0o600 });
    const all = ['--host', this.#admin, '--token-file', file];
    const line = [path.join(ROOT, 'host/cli/main.ts'), ...args, ...all];
    await using command = new Program(process.execPath, line);
    await command.ended;
    const printed = command.output;
    const key = secret ? /\bsg_[0-9A-Za-z]{36}\b/.exec(printed)?.[0] : undefined;
    if (key !== undefined) this.secrets.push(key);
    this.said.push(key === undefined ? printed : printed.replace(key, ''));
    return printed;
  }

  /** Everything that is said, logged, stored or shown of the process. */
  everything(): [string, string][] {
    const store = this.#folder.join('store');
    const files = readdirSync(store).map((name): [string, string] => {
      return [`store/${name}`, readFileSync(path.join(store, name), 'latin1')];
    });
    const log = this.#program.output.replace(/^Admin token: .*$/m, '');
    const shown = ['cmdline', 'environ'].map((name): [string, string] => {
      return [name, readFileSync(`/proc/${this.#program.pid}/${name}`, 'latin1')];
    });
    return [...files, ...shown, ['log', log], ['answers', this.said.join('\n')]];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

interface Asking {
  readonly token?: string;
  /** Field of the answer that shows a secret. */
  readonly secret?: string;
  readonly headers?: Record<string, string>;
}

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: the tests of each route hold its answers to a form.
  readonly value: any;
}

// Guarantees that whoever reads logs, audit, errors, exports, process lists or the files of a host
// learns no key and no token.
test('no secret stands anywhere but in the answer that made it', { timeout: 170_000 }, async () => {
  await using life = await Life.start();
  const files = Object.entries(resourcesOf()).map(([name, text]) => ({ name, text }));
  await life.ask('POST', '/v1/apply', { files });
  const application = APPLICATION;
  const key = { secret: 'key' };
  const { value: made } = await life.ask('POST', '/v1/credentials', { application }, key);
  const { value: next } = await life.ask('POST', `/v1/credentials/${made.id}/rotate`, ROTATE, key);
  for (const verb of ['disable', 'enable', 'revoke']) {
    assert.equal((await life.ask('POST', `/v1/credentials/${next.id}/${verb}`)).status, 200);
  }
  const imported = `Partner_${'K3y'.repeat(9)}`;
  life.secrets.push(imported);
  const taken = await life.ask('POST', '/v1/credentials/import', { application, key: imported });
  assert.equal(taken.status, 201, JSON.stringify(taken.value));
  await life.ask('POST', '/v1/credentials/import', { application, key: imported });
  const access = { name: 'ci', role: 'view' };
  const { value: token } = await life.ask('POST', '/v1/tokens', access, { secret: 'token' });

  // Secrets where they do not belong: in paths, queries, bodies, headers and files.
  const stray = life.secrets.slice(1);
  for (const secret of stray) {
    await life.ask('GET', `/v1/credentials/${secret}`);
    await life.ask('GET', `/v1/resources/plan/default/${secret}`);
    await life.ask('GET', `/v1/credentials?name=${secret}`);
    await life.ask('POST', `/v1/tokens/${secret}/revoke`);
    await life.ask('GET', '/v1/status', undefined, { token: secret });
    await life.ask('GET', '/v1/status', undefined, { headers: { 'x-api-key': secret } });
    await life.ask('POST', '/v1/credentials', `{"application": "${secret}`);
    await life.ask('POST', '/v1/apply', { files: [{ name: 'x.yaml', text: `key: ${secret}` }] });
    const credential = `apiVersion: sidegate.dev/v1alpha1\nkind: Credential\nmetadata: { name: x }\nspec: { application: shop, digest: ${secret} }\n`;
    await life.ask('POST', '/v1/diff', { files: [{ name: 'x.yaml', text: credential }] });
  }
  await life.ask('GET', '/v1/credentials', undefined, { token: token.token });
  await life.ask('POST', '/v1/credentials', { application }, { token: token.token });
  await life.run(['key', 'create', application], true);
  for (const args of [['key', 'list'], ['token', 'list'], ['audit'], ['status'], ['doctor']]) {
    await life.run(args, false);
  }
  await life.ask('POST', '/v1/tokens/ci/revoke');
  const seen = [
    '/v1/audit',
    '/v1/export',
    '/v1/credentials',
    '/v1/tokens',
    '/v1/status',
    '/metrics',
  ];
  for (const url of [...seen, '/v1/revisions', '/v1/usage', '/v1/proxies']) {
    assert.equal((await life.ask('GET', url)).status, 200, url);
  }
  assert.equal(life.secrets.length, 6);
  for (const [where, text] of life.everything()) {
    for (const [at, secret] of life.secrets.entries()) {
      assert.ok(!text.includes(secret.slice(SHOWN)), `secret ${at} stands in ${where}`);
    }
  }
});
