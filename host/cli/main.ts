/**
 * The `sidegate` command: hands the arguments to the program and turns its end into an exit code.
 * It must never print anything itself but what went wrong.
 */
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import { Exit } from './outcome.ts';
import { Output } from './output-stream.ts';
import { runProgram } from './program.ts';

const stdout = new Output(process.stdout);
const stderr = new Output(process.stderr);
const exit = await runProgram(process.argv.slice(2), {
  env: process.env,
  folder: process.cwd(),
  stdout,
  stderr,
  nowMs: Date.now,
  stdin: () => buffer(process.stdin),
});
// What went wrong with the last of it is known a moment later.
await turn();
if (stdout.fault !== undefined) {
  stderr.write(`error: standard output cannot be written (${stdout.fault})\n`);
}
process.exitCode = stdout.fault === undefined ? exit : Exit.unexpected;
