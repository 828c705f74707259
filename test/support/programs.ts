/**
 * Starts programs for tests and benches, keeps what they print, and stops each by its own process
 * id. It must never leave a program behind: not when a test fails, not when the runner gives up.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { ROOT } from '../runner/layers.ts';

/** How long a program may take to end by itself before it is killed. */
const STOP_MS = 5000;
/** Most characters kept of what a program prints; the oldest go first. */
const OUTPUT_MAX = 16 * 1024 * 1024;

/** Characters of output in a message. */
const LAST_OUTPUT = 4000;

/** What a program needs besides its arguments. */
export interface ProgramOptions {
  cwd?: string;
  env?: Record<string, string>;
}

const alive = new Set<ChildProcess>();

function killAll(): void {
  for (const child of alive) child.kill('SIGKILL');
}

process.on('exit', killAll);
// The runner ends a file that hangs with SIGTERM, which would skip the handlers of `exit`.
process.once('SIGTERM', () => process.exit(143));

/** A running program. Disposing of it stops it. */
export class Program implements AsyncDisposable {
  /** Resolves with the exit code, or null after a signal, once the program has ended. */
  readonly ended: Promise<number | null>;
  private readonly child: ChildProcess;
  private chunks: string[] = [];
  private size = 0;

  constructor(command: string, args: readonly string[], options: ProgramOptions = {}) {
    this.child = spawn(command, args, {
      cwd: options.cwd ?? ROOT,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    alive.add(this.child);
    this.ended = new Promise((resolve) => {
      this.child.once('error', (error) => {
        this.keep(`${command}: ${error.message}\n`);
        alive.delete(this.child);
        resolve(127);
      });
      this.child.once('close', (code) => {
        alive.delete(this.child);
        resolve(code);
      });
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => this.keep(text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => this.keep(text));
  }

  /** Process id; 0 if the program could not be started. */
  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Whether the program still runs. */
  get isRunning(): boolean {
    return alive.has(this.child);
  }

  /** All it printed so far, both streams in the order of arrival. */
  get output(): string {
    return this.chunks.join('');
  }

  /** The end of that, short enough for a message. */
  get lastOutput(): string {
    return this.output.slice(-LAST_OUTPUT);
  }

  /** Asks the program to end and waits; kills it after `STOP_MS`. Does nothing if it has ended. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.isRunning) return;
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await this.ended;
    clearTimeout(timer);
  }

  /** Kills the program at once, as a crash of the machine would, and waits until it is gone. */
  async crash(): Promise<void> {
    if (!this.isRunning) return;
    this.child.kill('SIGKILL');
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private keep(text: string): void {
    this.chunks.push(text);
    this.size += text.length;
    while (this.size > OUTPUT_MAX && this.chunks.length > 1) {
      this.size -= this.chunks.shift()?.length ?? 0;
    }
  }
}

/** Runs a program to its end and answers what it printed on stdout. Throws if it fails. */
export async function runToEnd(
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<string> {
  const child = spawn(command, args, {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${stderr}`);
  return stdout;
}
