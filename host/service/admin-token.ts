/**
 * The root token, the first of all access tokens: taken from outside or made at the first start.
 * Of a token made here only the digest is kept, in the store's folder, unless a file for it was
 * named. It must never be logged.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { digestOf, makeKey, type RandomBytes } from '../credential/key.ts';
import type { Secret } from '../credential/secret.ts';
import { TOKEN_BRAND } from './access.ts';

/** What the host does with its admin token. */
export interface AdminToken {
  /** SHA-256. */
  readonly digest: Uint8Array;
  /** A token made just now that is kept nowhere: show it to whoever started the host. */
  readonly show: Secret | undefined;
}

/** Where a token may come from, the first that is there. */
export interface AdminTokenSources {
  /** Given from outside; nothing is kept. */
  readonly given: Secret | undefined;
  /** Holds the token itself; made, readable by its owner alone, when it is not there. */
  readonly file: string | undefined;
  /** Folder of the store, which must exist; keeps the digest of a token made here. */
  readonly folder: string;
}

const DIGEST_FILE = 'admin-token.sha256';

/** Finds or makes the admin token. Throws when a file cannot be read or written or is empty. */
export function adminToken(sources: AdminTokenSources, randomBytes: RandomBytes): AdminToken {
  const { given, file, folder } = sources;
  if (given !== undefined) return { digest: digestOf(given.reveal()), show: undefined };
  if (file !== undefined) return { digest: fromFile(file, randomBytes), show: undefined };
  const kept = join(folder, DIGEST_FILE);
  const digest = readIfThere(kept);
  if (digest !== undefined) {
    if (!/^[0-9a-f]{64}$/.test(digest)) {
      throw new Error(`${kept} holds no digest; remove it to have a new admin token made`);
    }
    return { digest: Uint8Array.from(Buffer.from(digest, 'hex')), show: undefined };
  }
  const { key } = makeKey(TOKEN_BRAND, randomBytes);
  const made = digestOf(key.reveal());
  writePrivate(kept, Buffer.from(made).toString('hex'));
  return { digest: made, show: key };
}

function fromFile(file: string, randomBytes: RandomBytes): Uint8Array {
  const held = readIfThere(file);
  if (held === '') throw new Error(`${file} holds no admin token; remove it to have one made`);
  if (held !== undefined) return digestOf(held);
  const { key } = makeKey(TOKEN_BRAND, randomBytes);
  mkdirSync(dirname(file), { recursive: true });
  writePrivate(file, key.reveal());
  return digestOf(key.reveal());
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Fails rather than overwrite: two hosts that start at once must not each believe their own. */
function writePrivate(path: string, text: string): void {
  writeFileSync(path, `${text}\n`, { mode: 0o600, flag: 'wx' });
}
