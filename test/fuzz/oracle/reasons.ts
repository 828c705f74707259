/**
 * The status of every reason, read from docs/reasons.md, so that page, filter and oracle agree.
 */
import { readFileSync } from 'node:fs';

/** What a caller sees of a reason that denies. */
export interface Denial {
  readonly status: number;
  readonly grpc: number;
}

const page = readFileSync(new URL('../../../docs/reasons.md', import.meta.url), 'utf8');
const ROW = /^\| `(\w+)` \| \d+ \| ([\d–]+) \| ([\d–]+) \|/gm;

/** Every reason by its name; those that pass have no denial. */
export const REASONS: ReadonlyMap<string, Denial | undefined> = new Map(
  [...page.matchAll(ROW)].map(([, name = '', status, grpc]) => [
    name,
    status === '–' ? undefined : { status: Number(status), grpc: Number(grpc) },
  ]),
);
