/**
 * `sidegate validate`: checks resource files offline, with the code that the host checks them
 * with, and prints every problem.
 */
import { type Command, Option } from 'commander';
import { InlineCompiler } from '../compile/compiler.ts';
import { formatProblems } from '../resources/problem.ts';
import { type Context, tell } from './context.ts';
import { count, readInputs } from './inputs.ts';
import { Exit } from './outcome.ts';
import { printValue } from './output.ts';
import type { SetExit } from './program.ts';

interface Options {
  readonly output: 'text' | 'json' | 'yaml';
}

/** Adds the verb. */
export function addValidate(program: Command, context: Context, setExit: SetExit): void {
  program
    .command('validate')
    .description('check resource files; exit code 3 when there are problems')
    .argument('<path...>', 'files, folders with .yaml and .yml files, or - for standard input')
    .addOption(
      new Option('-o, --output <format>', 'how to print problems')
        .choices(['text', 'json', 'yaml'])
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
  const files = await readInputs(context, paths);
  // Compiled as well: some bounds only show in what proxies would hold.
  const loaded = await new InlineCompiler().load(files, []);
  const problems = loaded.ok ? [] : loaded.problems;
  if (output !== 'text') printValue(context, output, problems);
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
