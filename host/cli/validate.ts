/**
 * `sidegate validate`: checks resource files offline, with the code that the host checks them
 * with, and prints every problem.
 */
import { type Command, Option } from 'commander';
import { InlineCompiler } from '../compile/compiler.ts';
import type { InputFile } from '../resources/load.ts';
import { formatProblems } from '../resources/problem.ts';
import { readFolder } from '../service/folder.ts';
import { type Context, say, tell } from './context.ts';
import { CommandError, Exit } from './outcome.ts';
import type { SetExit } from './program.ts';

interface Options {
  readonly output: 'text' | 'json';
}

/** Adds the verb. */
export function addValidate(program: Command, context: Context, setExit: SetExit): void {
  program
    .command('validate')
    .description('check resource files; exit code 3 when there are problems')
    .argument('<path...>', 'files, or folders with .yaml and .yml files')
    .addOption(
      new Option('-o, --output <format>', 'how to print problems')
        .choices(['text', 'json'])
        .default('text'),
    )
    .action((paths: string[], { output }: Options) => validate(paths, output, context, setExit));
}

async function validate(
  paths: readonly string[],
  output: Options['output'],
  context: Context,
  setExit: SetExit,
): Promise<void> {
  const files = readAll(paths);
  // Compiled as well: some bounds only show in what proxies would hold.
  const loaded = await new InlineCompiler().load(files, []);
  const problems = loaded.ok ? [] : loaded.problems;
  if (output === 'json') say(context, JSON.stringify(problems, null, 2));
  else if (problems.length > 0) context.stdout.write(formatProblems(problems));
  if (loaded.ok) {
    tell(
      context,
      `${count(files.length, 'file')}, ${count(loaded.resources.length, 'resource')}: no problems.`,
    );
  } else {
    tell(context, `${count(problems.length, 'problem')} in ${count(files.length, 'file')}.`);
    setExit(Exit.problems);
  }
}

function readAll(paths: readonly string[]): InputFile[] {
  const files = new Map<string, InputFile>();
  for (const path of paths) {
    try {
      const found = readFolder(path);
      for (const file of found) files.set(file.name, file);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const why = code === 'ENOENT' ? 'there is nothing at this path' : message;
      throw new CommandError(Exit.usage, `${path}: ${why}`);
    }
  }
  if (files.size > 0) return [...files.values()];
  throw new CommandError(Exit.usage, `no .yaml or .yml files in ${paths.join(', ')}`);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
