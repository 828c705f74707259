/**
 * `sidegate samples istio`: prints the manifests of a layout from the very files in istio/, with
 * image, digest and secret filled in. It must never apply anything, and never print a secret that
 * was not given to it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, Option } from 'commander';
import { parse } from 'yaml';
import { SECRET_BYTES_MIN } from '../config/settings.ts';
import { type Context, say, tell } from './context.ts';
import { CommandError, Exit } from './outcome.ts';

/** The folder of the manifests, with a trailing slash. */
export const MANIFESTS = fileURLToPath(new URL('../../istio/', import.meta.url));

/** What stands in the files where a place of the reader's own belongs. */
export const PLACEHOLDERS = {
  image: 'registry.example.com/sidegate/filter:0.1.0',
  hostImage: 'registry.example.com/sidegate/host:0.1.0',
  digest: '0'.repeat(64),
  secret: 'replace-this-sync-secret',
  mark: 'replace-this-mark',
  hopKey: 'replace-this-hop-key-of-32-bytes-or-more',
} as const;

interface Options {
  readonly layout: string;
  readonly kind: 'WasmPlugin' | 'TrafficExtension';
  readonly image?: string;
  readonly digest?: string;
  readonly hostImage?: string;
}

/** The layouts there are, as their folders are named. */
export function layoutNames(): string[] {
  const order = new Intl.Collator('en', { numeric: true });
  return readdirSync(path.join(MANIFESTS, 'layouts')).sort(order.compare);
}

/** Adds the verb to `samples`. */
export function addSamplesIstio(samples: Command, context: Context): void {
  samples
    .command('istio')
    .description('print the manifests of a layout; istio/README.md says which is which')
    .addOption(
      new Option('--layout <layout>', 'S1, S2, S3, S3-outbound, S4, S5, S10, S10-both or waypoint')
        .argParser((text) => text.toLowerCase())
        .default('s2'),
    )
    .addOption(
      new Option('--kind <kind>', 'what carries the filter; TrafficExtension needs Istio 1.30')
        .choices(['WasmPlugin', 'TrafficExtension'])
        .default('WasmPlugin'),
    )
    .option('--image <reference>', 'where the filter was pushed to, with or without oci://')
    .option('--digest <digest>', 'what `sidegate oci build` printed')
    .option('--host-image <reference>', 'the image of the host')
    .addHelpText(
      'after',
      '\nSIDEGATE_SYNC_SECRET, SIDEGATE_MARK and SIDEGATE_HOP_KEY are filled in from the environment.',
    )
    .action((options: Options) => print(options, context));
}

function print(options: Options, context: Context): void {
  const layouts = layoutNames();
  if (!layouts.includes(options.layout)) {
    throw new CommandError(Exit.usage, `there is no layout "${options.layout}"`, [
      `There are ${layouts.join(', ')}.`,
    ]);
  }
  const filled = fillIn(manifestsOf(options.layout, options.kind), options, context.env);
  say(context, filled.text.trimEnd());
  for (const line of filled.open) tell(context, line);
}

/**
 * The documents of a layout as one text, in the order in which they are to be applied; what
 * `kubectl kustomize istio/layouts/<layout>` prints, with the comments kept.
 */
export function manifestsOf(layout: string, kind: Options['kind']): string {
  const files = filesOf(path.join(MANIFESTS, 'layouts', layout)).map((file) =>
    kind === 'TrafficExtension' ? file.replace(/plugin\.yaml$/, 'extension.yaml') : file,
  );
  return files.map((file) => readFileSync(file, 'utf8').trimEnd()).join('\n---\n');
}

/** The files that a kustomization names, folder by folder. */
function filesOf(folder: string): string[] {
  const { resources } = parse(readFileSync(path.join(folder, 'kustomization.yaml'), 'utf8'));
  return (resources as string[]).flatMap((name) => {
    const place = path.join(folder, name);
    return name.endsWith('.yaml') ? [place] : filesOf(place);
  });
}

/** What the filter asks of SIDEGATE_HOP_KEY. */
const HOP_KEY_BYTES_MIN = 32;

/** A reference without a scheme: host, port, path, tag. */
const REFERENCE = /^[a-z0-9][a-z0-9.-]*(:\d+)?(\/[a-z0-9._-]+)+(:[\w.-]+)?$/;

function fillIn(text: string, options: Options, env: Context['env']) {
  const open: string[] = [];
  const problems: string[] = [];
  const replace = (from: string, to: string | undefined, advice: string): void => {
    if (to === undefined) open.push(advice);
    else filled = filled.replaceAll(from, () => to);
  };
  const checked = (name: string, value: string | undefined, shape: RegExp, what: string) => {
    if (value !== undefined && !shape.test(value)) {
      problems.push(`${name} is ${JSON.stringify(value)}, not ${what}`);
    }
    return value;
  };
  const image = checked('--image', options.image?.replace(/^oci:\/\//, ''), REFERENCE, 'an image');
  const hostImage = checked('--host-image', options.hostImage, REFERENCE, 'an image');
  const digest = checked('--digest', options.digest, /^(sha256:)?[0-9a-f]{64}$/, 'a SHA-256');
  const secretIn = (name: string, least = SECRET_BYTES_MIN) => {
    const value = env[name] || undefined;
    if (value !== undefined && !/^[\x21-\x7e]+$/.test(value)) {
      problems.push(`${name} holds characters that no header may hold`);
    } else if (value !== undefined && value.length < least) {
      problems.push(`${name} has fewer than ${least} characters`);
    }
    return value && JSON.stringify(value);
  };
  let filled = text;
  replace(PLACEHOLDERS.image, image, 'Still to fill in: the image of the filter (--image).');
  replace(PLACEHOLDERS.digest, digest?.slice(-64), 'Still to fill in: its digest (--digest).');
  replace(PLACEHOLDERS.hostImage, hostImage, 'Still to fill in: the host (--host-image).');
  replace(
    PLACEHOLDERS.secret,
    secretIn('SIDEGATE_SYNC_SECRET'),
    'Still to fill in: the secret of the sync port (SIDEGATE_SYNC_SECRET in the environment).',
  );
  // Layouts in which nothing stands behind the filter have no mark.
  if (text.includes(PLACEHOLDERS.mark)) {
    replace(
      PLACEHOLDERS.mark,
      secretIn('SIDEGATE_MARK'),
      'Still to fill in: the mark of the workload (SIDEGATE_MARK in the environment).',
    );
  }
  if (text.includes(PLACEHOLDERS.hopKey)) {
    replace(
      PLACEHOLDERS.hopKey,
      secretIn('SIDEGATE_HOP_KEY', HOP_KEY_BYTES_MIN),
      'Still to fill in: the key of hop tokens (SIDEGATE_HOP_KEY in the environment).',
    );
  }
  if (problems.length > 0) throw new CommandError(Exit.usage, 'cannot fill in', problems);
  return { text: filled, open };
}
