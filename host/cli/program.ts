/**
 * The commands of `sidegate` and how each ends. It must never do the work of a command.
 */
import { Command, CommanderError } from 'commander';
import { formatProblems } from '../resources/problem.ts';
import { addAccessTokens } from './access-token.ts';
import { addApply } from './apply.ts';
import { addCompletion } from './completion.ts';
import { type Context, paint, tell } from './context.ts';
import { addContexts } from './contexts.ts';
import { addDoctor } from './doctor.ts';
import { addExplain } from './explain.ts';
import { addInit } from './init.ts';
import { addKeyChanges } from './key-change.ts';
import { addKeyCreate } from './key-create.ts';
import { addKeyInspect } from './key-inspect.ts';
import { addKeyList } from './key-list.ts';
import { addKeyRevoke } from './key-revoke.ts';
import { addOciBuild } from './oci-build.ts';
import { CommandError, Exit, type ExitCode } from './outcome.ts';
import { printValue } from './output.ts';
import { addProxies } from './proxies.ts';
import { addQuota } from './quota.ts';
import { addResources } from './resources.ts';
import { addRevisions } from './revisions.ts';
import { addSamplesIstio } from './samples.ts';
import { addStatus } from './status.ts';
import { addSubscription } from './subscription.ts';
import { addTop } from './top.ts';
import { addUsage } from './usage.ts';
import { addValidate } from './validate.ts';
import { addVersion, packageVersion } from './version.ts';

/** Runs one command line, without the names of Node and script, and answers its exit code. */
export async function runProgram(args: readonly string[], context: Context): Promise<ExitCode> {
  const ending: { code: ExitCode; format: unknown } = { code: Exit.done, format: undefined };
  const program = makeProgram(context, (code) => {
    ending.code = code;
  });
  program.hook('preAction', (_, command) => {
    ending.format = command.opts().output;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return ending.code;
  } catch (error) {
    return explain(error, context, ending.format);
  }
}

/** Sets the exit code of a command that did its work. */
export type SetExit = (code: ExitCode) => void;

function makeProgram(context: Context, setExit: SetExit): Command {
  const program = new Command('sidegate')
    .description('API keys, exact quotas and header mediation inside the Istio sidecar')
    .version(`sidegate ${packageVersion()}`, '-V, --version', 'print the version')
    .configureHelp({ sortSubcommands: true })
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
    })
    .showHelpAfterError('Add --help to see what may stand here.')
    .exitOverride();
  addValidate(program, context, setExit);
  addExplain(program, context);
  addApply(program, context, setExit);
  addResources(program, context);
  addRevisions(program, context);
  addSubscription(program, context);
  addQuota(program, context);
  addStatus(program, context, setExit);
  const key = program.command('key').description('make, list, change and revoke keys');
  addKeyCreate(key, context);
  addKeyList(key, context);
  addKeyInspect(key, context);
  addKeyRevoke(key, context);
  addKeyChanges(key, context);
  addAccessTokens(program, context);
  const oci = program.command('oci').description('make images that Istio distributes');
  addOciBuild(oci, context);
  const samples = program.command('samples').description('print files to begin with');
  addSamplesIstio(samples, context);
  addDoctor(program, context, setExit);
  addProxies(program, context, setExit);
  addUsage(program, context);
  addTop(program, context);
  // The launcher runs the host itself, so that it gets the signals; this is for the help text.
  program.command('serve').description('run the host; "sidegate serve --help" lists its options');
  addVersion(program, context);
  addInit(program, context);
  addContexts(program, context);
  addCompletion(program, context);
  inherit(program);
  return program;
}

/** Commander copies settings only to commands added later than they were made. */
function inherit(parent: Command): void {
  for (const child of parent.commands) {
    child.copyInheritedSettings(parent);
    inherit(child);
  }
}

/** Says why a command failed; problems of resources are data, in the format that was asked for. */
function explain(error: unknown, context: Context, format: unknown): ExitCode {
  if (error instanceof CommanderError) {
    // Commander has said it already; help that was asked for is no error.
    return error.exitCode === 0 ? Exit.done : Exit.usage;
  }
  const { message, exit, advice, problems } =
    error instanceof CommandError
      ? error
      : { message: String(error), exit: Exit.unexpected, advice: [], problems: [] };
  if (problems.length > 0) {
    if (format === 'json' || format === 'yaml') printValue(context, format, problems);
    else context.stderr.write(`${formatProblems(problems)}\n`);
  }
  tell(context, `${paint(context, 'red', 'error:')} ${message}`);
  for (const line of advice) tell(context, `  ${line}`);
  return exit;
}
