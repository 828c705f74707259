/**
 * The `sidegate` command: hands the arguments to the program and turns its end into an exit code.
 * It must never print anything itself but what went wrong.
 */
import { buffer } from 'node:stream/consumers';
import { runProgram } from './program.ts';

process.exitCode = await runProgram(process.argv.slice(2), {
  env: process.env,
  folder: process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr,
  nowMs: Date.now,
  stdin: () => buffer(process.stdin),
});
