/**
 * Shows on standard error how far a large change has come while its answer is waited for: one line
 * that is kept up to date on a terminal, elsewhere a line now and then. It must never hold up or
 * change what it shows.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ChangeProgress } from '../service/progress.ts';
import { callApi, type Target } from './admin-api.ts';
import type { Context } from './context.ts';

/** From one look at the host to the next; what is done before the first shows nothing. */
const LOOK_MS = 1_000;
/** From one line to the next where lines stay. */
const LINE_MS = 10_000;

const WORDS = { reading: 'Reading', checking: 'Checking', writing: 'Writing' } as const;

/** Waits for the answer to a change and shows meanwhile what the host is at. */
export async function withProgress<T>(
  context: Context,
  target: Target,
  answer: Promise<T>,
  lookMs = LOOK_MS,
): Promise<T> {
  const line = new ProgressLine(context);
  let isDone = false;
  const end = () => {
    isDone = true;
  };
  const over = answer.then(end, end);
  while (!isDone) {
    await Promise.race([over, delay(lookMs, undefined, { ref: false })]);
    const change = isDone ? undefined : await progressOf(target);
    if (change !== undefined && !isDone) line.show(change);
  }
  line.end();
  return answer;
}

/** What the host is at; a host that cannot say so is asked again. */
async function progressOf(target: Target): Promise<ChangeProgress | undefined> {
  try {
    const path = '/v1/progress';
    const { change } = await callApi<{ change: ChangeProgress | null }>(target, 'GET', path);
    return change ?? undefined;
  } catch {
    return undefined;
  }
}

/** The line on standard error. */
class ProgressLine {
  readonly #context: Context;
  #shownMs = -Infinity;
  #width = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  show(progress: ChangeProgress): void {
    const { stderr, nowMs } = this.#context;
    const text = textOf(progress);
    if (stderr.isTTY === true) {
      stderr.write(`\r${text.padEnd(this.#width)}`);
      this.#width = text.length;
    } else if (nowMs() - this.#shownMs >= LINE_MS) {
      stderr.write(`${text}\n`);
      this.#shownMs = nowMs();
    }
  }

  /** Takes the line away: what comes next says what was done. */
  end(): void {
    if (this.#width > 0) this.#context.stderr.write(`\r${' '.repeat(this.#width)}\r`);
  }
}

/** Only what is read is counted one by one; the rest is whole or not at all. */
function textOf({ phase, done, total }: ChangeProgress): string {
  const all = total.toLocaleString('en');
  const counted = phase === 'reading' ? `${done.toLocaleString('en')} of ${all}` : all;
  return `${WORDS[phase]} ${counted} resources ...`;
}
