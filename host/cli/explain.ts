/**
 * `sidegate explain`: says what a kind or field of a resource means, from the schema that files
 * are checked with. Problems of `sidegate validate` name its topics.
 */
import type { Command } from 'commander';
import { explainKinds, explainTopic } from '../resources/explain.ts';
import { type Context, say } from './context.ts';
import { CommandError, Exit } from './outcome.ts';

/** Adds the verb. */
export function addExplain(program: Command, context: Context): void {
  program
    .command('explain')
    .description('say what a kind or field of a resource means')
    .argument('[topic]', 'a kind and its fields, such as plan or plan.spec.limits.window')
    .action((topic: string | undefined) => {
      if (topic === undefined) return say(context, explainKinds());
      const explained = explainTopic(topic);
      if (!explained.ok) throw new CommandError(Exit.usage, explained.message);
      say(context, explained.text);
    });
}
