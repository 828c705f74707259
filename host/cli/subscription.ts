/**
 * `sidegate subscription`: the decisions on a subscription. Each is a change of the resource, with
 * its entry in the audit trail.
 */
import type { Command } from 'commander';
import { type ApiOptions, findTarget } from './admin-api.ts';
import { askChange, printChange, tellChange } from './changes.ts';
import type { Context } from './context.ts';
import { withApi, withFormat } from './key.ts';
import type { Format } from './output.ts';

interface Options extends ApiOptions {
  readonly namespace: string;
  readonly output: Format;
}

const VERBS = {
  approve: 'let a pending subscription be used',
  reject: 'refuse a subscription for good, until it is approved after all',
  suspend: 'stop a subscription for now; proxies refuse its calls within a second',
  resume: 'let a suspended subscription be used again',
} as const;

/** Adds the noun and its verbs. */
export function addSubscription(program: Command, context: Context): void {
  const noun = program
    .command('subscription')
    .description('approve, reject, suspend and resume subscriptions');
  for (const [verb, description] of Object.entries(VERBS)) {
    const command = noun
      .command(verb)
      .description(description)
      .argument('<name>', 'name of the subscription')
      .option('-n, --namespace <name>', 'namespace of the name', 'default');
    withFormat(withApi(command)).action(async (name: string, options: Options) => {
      const parts = [options.namespace, name, verb].map(encodeURIComponent);
      const path = `/v1/subscriptions/${parts.join('/')}`;
      const answer = await askChange(context, findTarget(context, options), 'POST', path);
      printChange(context, options.output, answer);
      tellChange(context, answer, false);
    });
  }
}
