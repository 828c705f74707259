/**
 * The processes of the quickstart: what they print is passed on line by line under their name, an
 * end that nobody asked for is reported, and all of them end with the quickstart.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** How long a child may take to end before it is killed. */
const STOP_MS = 5000;
/** Lines kept of what a child printed, to be shown if it ends by itself. */
const LINES_KEPT = 20;

/** What to run. */
export interface ChildPlan {
  name: string;
  command: string;
  args: readonly string[];
  env?: Record<string, string>;
  cwd: string;
  /** Whether a line is worth showing while all is well. */
  shows: (line: string) => boolean;
}

/** A child that ended although nobody asked it to. */
export interface UnexpectedEnd {
  name: string;
  how: string;
  lastLines: readonly string[];
}

/** All children of one quickstart. */
export class Children {
  /** Resolves when a child ends that was not told to; never rejects. */
  readonly unexpectedEnd: Promise<UnexpectedEnd>;
  private readonly running: ChildProcess[] = [];
  private isStopping = false;
  private report: (end: UnexpectedEnd) => void = () => {};

  constructor() {
    this.unexpectedEnd = new Promise((resolve) => {
      this.report = resolve;
    });
  }

  /**
   * Starts a child, unless all are being stopped. That it cannot be started is reported as an
   * unexpected end.
   */
  start({ name, command, args, env, cwd, shows }: ChildPlan): void {
    if (this.isStopping) return;
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lastLines: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lastLines.push(line);
        if (lastLines.length > LINES_KEPT) lastLines.shift();
        if (!this.isStopping && shows(line)) console.log(`${name.padEnd(8)}| ${line}`);
      });
    }
    this.running.push(child);
    const ended = (how: string) => {
      if (!this.isStopping) this.report({ name, how, lastLines });
    };
    child.once('error', (error) => ended(error.message));
    // A Ctrl-C reaches the children at the same time as this process; the handler of the signal
    // has to have its turn before an end counts as unexpected.
    child.once('close', (code, signal) => {
      setTimeout(() => ended(signal === null ? `exit code ${code}` : signal), 200);
    });
  }

  /** Ends all children, the last started first, each with a deadline. */
  async stop(): Promise<void> {
    this.isStopping = true;
    for (const child of this.running.toReversed()) await endChild(child);
  }
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await closed;
  clearTimeout(timer);
}
