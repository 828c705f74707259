/**
 * Fuzzes for as long as it is told, writes what it finds into the corpus and says how often it
 * tried. It never changes anything but the corpus.
 *
 * Usage: npm run fuzz -- --minutes N [--target NAME]... [--seed N]
 */
import { parseArgs } from 'node:util';
import { run } from './campaign.ts';
import { type Target, writeCase } from './target.ts';
import { messages } from './targets/messages.ts';
import { requests } from './targets/requests.ts';

const TARGETS: readonly Target[] = [requests, messages];
const FINDINGS_MAX = 20;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    target: { type: 'string', multiple: true },
    seed: { type: 'string' },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const chosen = TARGETS.filter(({ name }) => values.target?.includes(name) ?? true);
const unknown = (values.target ?? []).filter((name) => !TARGETS.some((t) => t.name === name));
if (!(minutes > 0) || !Number.isInteger(seed) || unknown.length > 0) {
  const names = TARGETS.map(({ name }) => name).join(', ');
  console.error(`usage: npm run fuzz -- --minutes N [--target ${names}]... [--seed N]`);
  process.exit(2);
}

const tell = (line: string) => console.log(line);
let found = 0;
for (const target of chosen) {
  const ms = (minutes * 60_000) / chosen.length;
  tell(`${target.name}: from seed ${seed} for ${Math.round(ms / 1_000)} s`);
  const outcome = await run(target, { seed, ms, findingsMax: FINDINGS_MAX, tell });
  for (const { what, input, seed: round } of outcome.findings) {
    tell(
      `  kept as ${writeCase(target.name, `seed-${round}`, { shows: what, seed: round, input })}`,
    );
  }
  found += outcome.findings.length;
  const { rounds, executions, findings } = outcome;
  tell(`${target.name}: ${executions} executions in ${rounds} rounds, ${findings.length} findings`);
}
process.exitCode = found > 0 ? 1 : 0;
