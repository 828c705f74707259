/**
 * `sidegate apply` and `sidegate diff`: what files say against what a host has. Where something may
 * go the host is asked first, and what goes is listed and never implied.
 */
import type { Command } from 'commander';
import { type ApiOptions, findTarget } from './admin-api.ts';
import { askChange, type ChangeAnswer, nameOf, printChange, tellChange } from './changes.ts';
import type { Context } from './context.ts';
import { count, readInputs } from './inputs.ts';
import { withApi, withFormat } from './key.ts';
import { CommandError, Exit } from './outcome.ts';
import type { Format } from './output.ts';
import type { SetExit } from './program.ts';

interface Options extends ApiOptions {
  readonly filename: string[];
  readonly prune?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly output: Format;
}

interface Batch {
  readonly files: readonly { readonly name: string; readonly text: string }[];
  readonly prune: boolean;
}

/** Adds both verbs. */
export function addApply(program: Command, context: Context, setExit: SetExit): void {
  const diff = program
    .command('diff')
    .description('show what apply would change; exit code 4 when there is something');
  withFormat(withApi(withFiles(diff))).action(async (options: Options) => {
    const batch = await readBatch(context, options);
    const target = findTarget(context, options);
    const answer = await askChange(context, target, 'POST', '/v1/diff', batch, { asks: true });
    printChange(context, options.output, answer);
    tellChange(context, answer, true);
    if (answer.changed) setExit(Exit.differences);
  });
  const apply = program
    .command('apply')
    .description('bring resource files into force, all of them or nothing')
    .option('--dry-run', 'only show what would change')
    .option('-y, --yes', 'remove what is listed without asking');
  withFormat(withApi(withFiles(apply))).action((options: Options) => run(context, options));
}

function withFiles(command: Command): Command {
  const gather = (path: string, before: string[] = []) => [...before, path];
  return command
    .requiredOption('-f, --filename <path>', 'file or folder; - for standard input', gather)
    .option(
      '--prune',
      'remove declared resources that no file names; never keys made by key create',
    );
}

async function run(context: Context, options: Options): Promise<void> {
  const { output, dryRun = false, yes = false } = options;
  const target = findTarget(context, options);
  const batch = await readBatch(context, options);
  const ask = (body: object, headers = {}) =>
    askChange(context, target, 'POST', '/v1/apply', body, { headers, asks: body !== batch });
  // Without --prune nothing goes, so that there is nothing to be shown before it is done.
  if (!dryRun && !batch.prune) return finish(context, output, await ask(batch));
  const planned = await ask({ ...batch, dryRun: true });
  const gone = planned.diff.filter(({ action }) => action === 'delete');
  if (dryRun || !planned.changed) {
    printChange(context, output, planned);
    tellChange(context, planned, planned.changed);
    return;
  }
  if (gone.length > 0 && !yes) {
    throw new CommandError(
      Exit.refused,
      `this would remove ${count(gone.length, 'resource')}; nothing was changed`,
      [...gone.map((each) => `- ${nameOf(each)}`), 'Add --yes to remove them.'],
    );
  }
  // What was shown is what is made: a change in between is a conflict, not a surprise.
  const match = { 'if-match': `"${planned.revision}"` };
  finish(context, output, await ask(batch, match));
}

function finish(context: Context, output: Format, done: ChangeAnswer): void {
  printChange(context, output, done);
  tellChange(context, done, false);
}

async function readBatch(context: Context, options: Options): Promise<Batch> {
  const inputs = await readInputs(context, options.filename);
  const files = inputs.map(({ name, bytes }) => ({ name, text: textOf(name, bytes) }));
  return { files, prune: options.prune ?? false };
}

function textOf(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new CommandError(Exit.problems, `${name} is not UTF-8`, ['Save the file as UTF-8.']);
  }
}
