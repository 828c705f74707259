/**
 * The composition root: the only file that knows every part of the host, its clock, its
 * randomness, its environment and its signals. It must never hold a rule of its own.
 */

import { randomBytes, randomInt } from 'node:crypto';
import { hostname } from 'node:os';
import { pino } from 'pino';
import { Exit } from './cli/outcome.ts';
import { packageVersion } from './cli/version.ts';
import { optionsHelp, readSettings, type Settings } from './config/settings.ts';
import { type Host, HostRefused, startHost } from './host.ts';
import { REDACTED_PATHS } from './http/server.ts';
import { BEHIND, sendHelpersBehind } from './threads.ts';

const args = process.argv.slice(2);

if (args.includes('--help') || args.includes('-h')) {
  process.stdout.write(`Usage: sidegate serve [options]\n\n${optionsHelp()}\n`);
} else {
  const result = readSettings(args, process.env);
  if (result.ok) await serve(result.settings);
  else fail(Exit.usage, [...result.problems, 'sidegate serve --help lists the options']);
}

/** Runs the host until it is told to stop. */
async function serve(settings: Settings): Promise<void> {
  sendHelpersBehind(BEHIND.resources);
  const log = pino(
    { level: settings.logLevel, redact: { paths: REDACTED_PATHS, censor: '[secret]' } },
    pino.destination({ fd: 2, sync: true }),
  );
  let host: Host;
  try {
    host = await startHost({
      settings,
      log,
      version: packageVersion(),
      machine: hostname(),
      pid: process.pid,
      nowMs: Date.now,
      monotonicMs: () => performance.now(),
      random: Math.random,
      randomBytes,
      seed: randomInt(2 ** 32),
      say: (line) => process.stdout.write(`${line}\n`),
      tell: (line) => process.stderr.write(`${line}\n`),
    });
  } catch (error) {
    if (!(error instanceof HostRefused)) throw error;
    return fail(error.exit, error.lines);
  }
  process.on('SIGHUP', () => host.reload());
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      log.info({ signal }, 'stopping');
      host.stop().then(
        () => process.exit(Exit.done),
        (error) => {
          log.fatal({ err: error }, 'the host did not stop as it should');
          process.exit(Exit.unexpected);
        },
      );
    });
  }
}

function fail(exit: number, lines: readonly string[]): void {
  for (const line of lines) process.stderr.write(`${line}\n`);
  process.exitCode = exit;
}
