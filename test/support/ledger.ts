/**
 * What the ledger of a stopped host says about the one account of a test. It reads the file as it
 * lies there; it must never be used while a host has it open.
 */
import { DatabaseSync } from 'node:sqlite';

/** Sums over the windows in a ledger file, in units. */
export interface LedgerSums {
  /** Given out for good or for now: folded and out together. Never above the quota. */
  given: number;
  /** Of what was folded, the part that no report said was used: what the killed were holding. */
  heldByKilled: number;
  /** Of what living holders have, the part that no report said was used. */
  heldByLiving: number;
}

/** Reads the file of a ledger. */
export function readLedger(file: string): LedgerSums {
  using database = new DatabaseSync(file, { readOnly: true });
  const windows = database.prepare('SELECT sum(folded + out) AS given FROM windows').get();
  const held = (folded: number) => {
    const sums = 'SELECT sum(granted - released - used) AS held FROM holdings WHERE folded = ?';
    return Number(database.prepare(sums).get(folded)?.held ?? 0);
  };
  return { given: Number(windows?.given ?? 0), heldByKilled: held(1), heldByLiving: held(0) };
}
