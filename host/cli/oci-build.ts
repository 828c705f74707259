/**
 * `sidegate oci build`: writes the OCI image layout of a filter module into a folder and prints the
 * manifest's digest. It must never write over a folder that is not a layout, and never push.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Command, Option } from 'commander';
import { loadModule } from '../emulator/index.ts';
import { FORMS, type Form, type Layout, layoutOf } from '../oci/layout.ts';
import { type Context, say, tell } from './context.ts';
import { CommandError, Exit } from './outcome.ts';
import { packageVersion } from './version.ts';

interface Options {
  readonly module: string;
  readonly out: string;
  readonly form: Form;
}

/** Adds the verb to `oci`. */
export function addOciBuild(oci: Command, context: Context): void {
  oci
    .command('build')
    .description('write an OCI image layout of the filter; prints the digest of its manifest')
    .requiredOption('--module <file>', 'the filter, such as build/filter.wasm')
    .requiredOption('--out <folder>', 'folder to write; a layout that is there is replaced')
    .addOption(
      new Option('--form <form>', 'image: one tar.gz layer; artifact: configuration and module')
        .choices(FORMS)
        .default('image'),
    )
    .action((options: Options) => build(options, context));
}

function build({ module, out, form }: Options, context: Context): void {
  const layout = layoutOf({ module: readModule(module, context), version: packageVersion(), form });
  writeLayout(path.resolve(context.folder, out), out, layout);
  const bytes = [...layout.files.values()].reduce((sum, file) => sum + file.length, 0);
  tell(context, `${out}: ${layout.files.size} files, ${bytes} bytes. The module is`);
  tell(context, `${layout.moduleDigest}; pin plugins to the digest of the manifest:`);
  say(context, layout.manifestDigest);
}

/** Reads a module and refuses, with every reason, one that Envoy would not load. */
export function readModule(name: string, context: Context): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = new Uint8Array(readFileSync(path.resolve(context.folder, name)));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is nothing at this path' : message;
    throw new CommandError(Exit.usage, `${name}: ${why}`, ['npm run build makes the filter.']);
  }
  const loaded = loadModule(bytes);
  if (loaded.ok) return bytes;
  const reasons = loaded.problems.map(({ code, name: about, detail }) =>
    [code, about, detail].filter((word) => word !== '').join(': '),
  );
  throw new CommandError(Exit.problems, `${name} is no module that Envoy would load`, reasons);
}

/** The names a layout has at its top; nothing else is ever removed. */
const LAYOUT_NAMES = ['blobs', 'index.json', 'oci-layout'];

function writeLayout(folder: string, shown: string, { files }: Layout): void {
  try {
    mkdirSync(folder, { recursive: true });
    const others = readdirSync(folder).filter((name) => !LAYOUT_NAMES.includes(name));
    if (others.length > 0) {
      throw new CommandError(Exit.refused, `${shown} holds what is no part of a layout`, [
        `Name another folder, or remove ${others.slice(0, 3).join(', ')}.`,
      ]);
    }
    for (const name of LAYOUT_NAMES)
      rmSync(path.join(folder, name), { recursive: true, force: true });
    for (const [name, bytes] of files) {
      const file = path.join(folder, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, bytes);
    }
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(Exit.usage, `${shown}: ${(error as Error).message}`);
  }
}
