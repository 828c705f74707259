/**
 * `sidegate status`: what a host has in force, where its resources come from and what is wrong
 * with them.
 */
import type { Command } from 'commander';
import { type ApiOptions, callApi, findTarget } from './admin-api.ts';
import { type Context, say } from './context.ts';
import { count } from './inputs.ts';
import { withApi, withFormat } from './key.ts';
import { Exit } from './outcome.ts';
import { type Format, printValue } from './output.ts';
import type { SetExit } from './program.ts';

interface Status {
  readonly version: string;
  readonly revision: number;
  readonly resourceRevision: number;
  readonly resources: {
    readonly from: string;
    readonly folder?: string;
    readonly commit?: string;
    readonly state: string;
    readonly problems: readonly string[];
  };
  readonly groups: readonly {
    readonly name: string;
    readonly policyRevision: number;
    readonly directoryRevision: number;
    readonly credentials: number;
    readonly watches: number;
    readonly engines: number;
    readonly current: number;
  }[];
}

/** Adds the verb. */
export function addStatus(program: Command, context: Context, setExit: SetExit): void {
  const verb = program
    .command('status')
    .description('show what the host has in force; exit code 3 when its resources have problems');
  withFormat(withApi(verb)).action(async (options: ApiOptions & { output: Format }) => {
    const target = findTarget(context, options);
    const status = await callApi<Status>(target, 'GET', '/v1/status');
    const { output } = options;
    if (output === 'json' || output === 'yaml') printValue(context, output, status);
    else if (output === 'name') for (const { name } of status.groups) say(context, name);
    else for (const line of linesOf(target.host, status)) say(context, line);
    if (status.resources.state === 'refused') setExit(Exit.problems);
  });
}

function linesOf(
  host: string,
  { version, revision, resources, groups, ...rest }: Status,
): string[] {
  const { from, folder, commit, state, problems } = resources;
  const at = commit === undefined ? '' : ` at commit ${commit.slice(0, 12)}`;
  const where = from === 'folder' ? `the folder ${folder} alone (read-only)${at}` : 'the admin API';
  return [
    `${host}: sidegate ${version}, revision ${revision}`,
    `resources: ${state}, from ${where}, last changed at revision ${rest.resourceRevision}`,
    ...groups.map((group) => {
      const { name, policyRevision, directoryRevision, credentials, engines, current } = group;
      const at = `policy ${policyRevision}, directory ${directoryRevision}`;
      return `proxy group ${name}: ${at}, ${count(credentials, 'credential')}, ${current} of ${count(engines, 'engine')} current`;
    }),
    ...problems,
  ];
}
