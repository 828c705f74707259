/**
 * `sidegate init`: a folder of resources to begin with, and the schema that editors check them
 * with. It never writes over a file.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { type Context, say, tell } from './context.ts';
import { CommandError, Exit } from './outcome.ts';

const SCHEMA = 'sidegate.schema.json';
const HEAD = `# yaml-language-server: $schema=./${SCHEMA}\napiVersion: sidegate.dev/v1alpha1\n`;

const FILES: Record<string, string> = {
  'hello.yaml': `${HEAD}kind: Product
metadata: { name: hello }
spec:
  hosts: []                  # none = every host of the proxies
  identify:
    - apiKey: { header: x-api-key }
  operations:
    - { name: hello, method: GET, path: /hello }
    - { name: health, method: GET, path: /health, security: none }
  mediation:
    request:
      - set: { name: x-consumer, value: "\${consumer.name}" }
`,
  'starter.yaml': `${HEAD}kind: Plan
metadata: { name: starter }
spec:
  limits:
    - { name: per-minute, class: exact, quota: 5, window: 1m }
`,
  'acme.yaml': `${HEAD}kind: Consumer
metadata: { name: acme }
spec: { displayName: Acme }
---
apiVersion: sidegate.dev/v1alpha1
kind: Application
metadata: { name: demo }
spec: { consumer: acme }
---
apiVersion: sidegate.dev/v1alpha1
kind: Subscription
metadata: { name: demo-hello }
spec: { application: demo, product: hello, plan: starter }
`,
  '.editorconfig': '[*.yaml]\nindent_style = space\nindent_size = 2\n',
};

/** Adds the verb. */
export function addInit(program: Command, context: Context): void {
  program
    .command('init')
    .description('write resources to begin with, and the schema for editors')
    .argument('[folder]', 'where to', 'sidegate')
    .action((folder: string) => writeFiles(context, folder));
}

function writeFiles(context: Context, folder: string): void {
  const at = resolve(context.folder, folder);
  const schema = readFileSync(new URL(`../resources/${SCHEMA}`, import.meta.url), 'utf8');
  const files = { ...FILES, [SCHEMA]: schema };
  const there = Object.keys(files).filter((name) => existsSync(join(at, name)));
  if (there.length > 0) {
    throw new CommandError(Exit.refused, `${folder} holds ${there.join(', ')} already`, [
      'Nothing was written. Name another folder.',
    ]);
  }
  mkdirSync(at, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(at, name), text);
    say(context, join(folder, name));
  }
  tell(context, 'Next, with a host that has no folder of its own ("npm start -- --empty"):');
  for (const line of ['validate', 'diff -f', 'apply -f'])
    tell(context, `  sidegate ${line} ${folder}`);
  tell(context, '  sidegate key create demo');
}
