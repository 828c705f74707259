/**
 * Programs and network namespaces of the rig: everything that is started is stopped by its own id,
 * in the reverse order, whatever happens.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { until as look } from '../../support/wait.ts';

/** Address of the node: API server's advertised one, istiod and registry. */
export const NODE_ADDRESS = '10.1.0.1';

/** Namespaces of the network are named so; the rig runs in the first of them itself. */
const PREFIX = 'sgi-';
export const NODE_NAMESPACE = `${PREFIX}node`;

const STOP_MS = 8_000;

/** Runs a command to its end and answers what it printed. Throws with its errors. */
export function run(command: string, args: readonly string[], input?: string): string {
  const stdin = input === undefined ? {} : { input };
  return execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe', ...stdin });
}

/** The command line that runs a program in the network of a pod. */
export function inPod(pod: string, command: readonly string[]): string[] {
  return ['ip', 'netns', 'exec', PREFIX + pod, ...command];
}

/** Runs a command in the network of a pod to its end, as `run` does. */
export function runIn(pod: string, ...command: string[]): string {
  const [program = '', ...args] = inPod(pod, command);
  return run(program, args);
}

/** What the rig has started. */
export class Processes {
  readonly folder: string;
  readonly #children: { name: string; child: ChildProcess }[] = [];
  readonly #pods: string[] = [];

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Starts a program; its output goes to `<name>.log` in the folder. */
  start(name: string, command: readonly string[], env: Record<string, string> = {}): void {
    const file = path.join(this.folder, `${name}.log`);
    const log = openSync(file, 'a');
    // Envoy opens its standard output anew, as its own user, for the access log.
    chmodSync(file, 0o666);
    const [program = '', ...args] = command;
    const child = spawn(program, args, {
      cwd: this.folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    child.on('error', () => {});
    this.#children.push({ name, child });
  }

  /** Stops a program and waits for its end; it may be started again. */
  async stopOne(name: string): Promise<void> {
    const at = this.#children.findLastIndex((each) => each.name === name);
    const [found] = at === -1 ? [] : this.#children.splice(at, 1);
    if (found === undefined) throw new Error(`${name} is not running`);
    await stopChild(found.child);
  }

  /** The process of a program that runs. */
  pidOf(name: string): number {
    const found = this.#children.findLast((each) => each.name === name);
    if (found?.child.pid === undefined) throw new Error(`${name} is not running`);
    return found.child.pid;
  }

  /** The last lines a program printed. */
  tail(name: string, lines = 15): string {
    return this.printed(name).trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** All that a program printed. */
  printed(name: string): string {
    return readFileSync(path.join(this.folder, `${name}.log`), 'utf8');
  }

  /** Makes the bridge to which pods are joined, in the namespace the rig runs in. */
  makeBridge(): void {
    run('ip', ['link', 'set', 'lo', 'up']);
    // A bridge without an address of its own takes that of a port, and pods lose it for seconds.
    run('ip', ['link', 'add', 'br0', 'address', '02:00:0a:01:00:01', 'type', 'bridge']);
    run('ip', ['addr', 'add', `${NODE_ADDRESS}/24`, 'dev', 'br0']);
    run('ip', ['link', 'set', 'br0', 'up']);
  }

  /** Makes the network of a pod. */
  makePod(pod: string, address: string): void {
    const name = PREFIX + pod;
    const hosts = path.join('/etc/netns', name);
    mkdirSync(hosts, { recursive: true });
    const names = 'istiod.istio-system.svc';
    writeFileSync(path.join(hosts, 'hosts'), `127.0.0.1 localhost\n${NODE_ADDRESS} ${names}\n`);
    writeFileSync(path.join(hosts, 'resolv.conf'), '');
    this.#pods.push(pod);
    rmSync(path.join('/run/netns', name), { force: true });
    run('ip', ['netns', 'add', name]);
    const link = ['link', 'add', `v-${pod}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name];
    run('ip', link);
    run('ip', ['link', 'set', `v-${pod}`, 'master', 'br0', 'up']);
    const inside = (...args: string[]) => run('ip', ['-n', name, ...args]);
    inside('link', 'set', 'lo', 'up');
    inside('addr', 'add', `${address}/24`, 'dev', 'eth0');
    inside('link', 'set', 'eth0', 'up');
    // Capture comes after routing: without a route, addresses of Services lead nowhere.
    inside('route', 'add', 'default', 'via', NODE_ADDRESS);
    runIn(pod, 'sysctl', '-qw', UNPRIVILEGED);
  }

  /** Stops everything, the newest first, and takes the networks away. */
  async stop(): Promise<void> {
    for (const { child } of this.#children.toReversed()) await stopChild(child);
    for (const pod of this.#pods) {
      run('ip', ['netns', 'del', PREFIX + pod]);
      rmSync(path.join('/etc/netns', PREFIX + pod), { recursive: true, force: true });
    }
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(timer);
}

/** Gateways listen on port 80 and do not run as root. */
const UNPRIVILEGED = 'net.ipv4.ip_unprivileged_port_start=0';

/** Far longer than anything here takes: a machine that is busy with other things must pass too. */
const PATIENCE_MS = 120_000;

/** Waits until something holds, and answers it. Throws with the last error when it never does. */
export function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  everyMs = 200,
): Promise<T> {
  return look(what, probe, { deadlineMs: PATIENCE_MS, everyMs });
}
