/**
 * Reads the resource files that a command names: files, folders, and `-` for what comes on
 * standard input.
 */
import type { InputFile } from '../resources/load.ts';
import { readFolder } from '../service/folder.ts';
import type { Context } from './context.ts';
import { CommandError, Exit } from './outcome.ts';

/** Every file of some paths, each once. */
export async function readInputs(context: Context, paths: readonly string[]): Promise<InputFile[]> {
  const files = new Map<string, InputFile>();
  for (const path of paths) {
    const found = path === '-' ? [await readStdin(context)] : readPath(path);
    for (const file of found) files.set(file.name, file);
  }
  const found = [...files.values()];
  const where = paths.join(', ');
  if (found.length === 0) throw new CommandError(Exit.usage, `no .yaml or .yml files in ${where}`);
  if (found.some(({ bytes }) => saysSomething(bytes))) return found;
  // Of a command that failed before a pipe nothing comes; with --prune it would remove everything.
  throw new CommandError(Exit.usage, `there is no resource in ${where}`);
}

/** A line that is no comment, no blank and no mark between documents. */
const SAYING = /^(?![ \t\r]*(#|$)|---[ \t\r]*(#|$)|\.\.\.)/m;

function saysSomething(bytes: Uint8Array): boolean {
  return SAYING.test(new TextDecoder().decode(bytes));
}

async function readStdin({ stdin }: Context): Promise<InputFile> {
  return { name: '(standard input)', bytes: (await stdin?.()) ?? new Uint8Array() };
}

function readPath(path: string): InputFile[] {
  try {
    return readFolder(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is nothing at this path' : message;
    throw new CommandError(Exit.usage, `${path}: ${why}`);
  }
}

/** `1 file`, `2 files`. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
}
