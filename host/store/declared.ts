/**
 * Tells apart what a set declares anew, what it says of credentials there are, and what it no
 * longer names. It must never decide what comes of that.
 */
import type { DeclaredCredential } from '../compile/output.ts';
import { type DeclaredFacts, declaredText } from './tables.ts';

/** A declared credential with the one of its digest that there was before. */
export interface Paired {
  readonly credential: DeclaredCredential;
  readonly before: DeclaredFacts | undefined;
  /** Nothing that a file says of it differs. */
  readonly isEqual: boolean;
}

/** What a set declares, beside what was declared before. */
export interface Pairing {
  readonly pairs: readonly Paired[];
  /** Those before whose digest is declared no longer. */
  readonly gone: readonly DeclaredFacts[];
}

/**
 * Pairs credentials by their digests. Both lists mostly stand in the same order, because ids are
 * given in that of files; only for the others a table is made, which costs more than all the rest.
 */
export function pairDeclared(
  declared: readonly DeclaredCredential[],
  before: readonly DeclaredFacts[],
): Pairing {
  const pairs = new Array<Paired>(declared.length);
  const skipped: DeclaredFacts[] = [];
  const open: number[] = [];
  let at = 0;
  for (const [index, credential] of declared.entries()) {
    const [here, next] = [before[at], before[at + 1]];
    let old = isOf(here, credential) ? here : undefined;
    if (old === undefined && here !== undefined && isOf(next, credential)) {
      skipped.push(here);
      at += 1;
      old = next;
    }
    if (old === undefined) open.push(index);
    else at += 1;
    pairs[index] = pair(credential, old);
  }
  const left = new Map<string, DeclaredFacts>();
  if (open.length === 0) return { pairs, gone: [...skipped, ...before.slice(at)] };
  for (const each of [...skipped, ...before.slice(at)]) left.set(hex(each.digest), each);
  for (const index of open) {
    const credential = declared[index];
    if (credential === undefined) continue;
    const digest = hex(credential.digest);
    pairs[index] = pair(credential, left.get(digest));
    left.delete(digest);
  }
  return { pairs, gone: [...left.values()] };
}

function pair(credential: DeclaredCredential, before: DeclaredFacts | undefined): Paired {
  return { credential, before, isEqual: before?.text === declaredText(credential) };
}

function isOf(facts: DeclaredFacts | undefined, { digest }: DeclaredCredential): boolean {
  if (facts === undefined) return false;
  for (let i = 0; i < digest.length; i++) if (facts.digest[i] !== digest[i]) return false;
  return true;
}

function hex({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('hex');
}
