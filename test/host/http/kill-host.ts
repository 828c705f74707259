/**
 * A host without a folder, in a process that may be killed and started again on its store and its
 * ports. It must never take an answer that did not come for one.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { ROOT } from '../../runner/layers.ts';
import { Program } from '../../support/programs.ts';
import { Hopeless, until } from '../../support/wait.ts';

const TOKEN = 'token-of-the-kill-test';

// biome-ignore lint/suspicious/noExplicitAny: the tests of each route hold its answers to a form.
export type Answer = Record<string, any>;

/** The process. */
export class KilledHost {
  #ports = { admin: 0, sync: 0 };
  #program: Program | undefined;
  readonly #store: string;

  constructor(store: string) {
    this.#store = store;
  }

  get syncPort(): number {
    return this.#ports.sync;
  }

  /** Starts it, the first time on ports of the system's choice; resolves when it is ready. */
  async start(): Promise<void> {
    const { admin, sync } = this.#ports;
    const main = path.join(ROOT, 'host/main.ts');
    const args = [main, '--store', this.#store];
    args.push('--admin-port', String(admin), '--sync-port', String(sync));
    const env = { SIDEGATE_ADMIN_TOKEN: TOKEN };
    const launch = () => {
      const launched = new Program(process.execPath, args, { env });
      this.#program = launched;
      return launched;
    };
    let program = launch();
    const line = await until(
      'the host is ready',
      () => {
        if (program.isRunning) return /^\{"ready":true.*\}$/m.exec(program.output)?.[0];
        // While it was away, its port may have been lent to somebody's connection.
        if (!program.output.includes('another program is using it'))
          throw new Hopeless(program.output);
        program = launch();
        return undefined;
      },
      { deadlineMs: 120_000 },
    );
    const ready = JSON.parse(line);
    const portOf = (url: string) => Number(new URL(url).port);
    this.#ports = { admin: portOf(ready.admin), sync: portOf(ready.sync) };
  }

  kill(): Promise<void> {
    return this.#program?.crash() ?? Promise.resolve();
  }

  /** The answer, which must be a success; undefined when the host went away before it came. */
  async ask(
    method: string,
    at: string,
    body?: object,
    idempotencyKey?: string,
  ): Promise<Answer | undefined> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.#ports.admin}${at}`, {
        method,
        headers: {
          authorization: `Bearer ${TOKEN}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const read = (await answer.json()) as Answer;
      assert.ok(answer.ok, `${method} ${at}: ${JSON.stringify(read)}`);
      return read;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return undefined;
    }
  }

  /** The same of a host that lives. */
  async get(at: string): Promise<Answer> {
    const answer = await this.ask('GET', at);
    assert.ok(answer !== undefined, `GET ${at} was answered`);
    return answer;
  }
}
