/**
 * The rows of usage in a sync call (docs/wire.md, section 6), both directions. It must never know
 * what is added to what.
 */
import type { ByteWriter } from './bytes.ts';
import type { ByteReader } from './reader.ts';

/** Most rows of usage of one call. */
export const USAGE_ROWS_MAX = 768;
/** Most slots of one holder's table of usage. */
export const USAGE_SLOTS_MAX = 16_384;
/** Most touched credentials of one call. */
export const TOUCHED_MAX = 512;

/** Bytes of a row on the wire. */
export const USAGE_BYTES = 48;
/** Bytes of a touched credential on the wire. */
export const TOUCHED_BYTES = 8;

const FLAG_OTHER = 1;

/** A mode of a row by its number; append only. */
export const USAGE_MODES = ['enforce', 'shadow', 'off'] as const;

/** One row: how many requests were decided so, cumulative for its generation. */
export interface UsageRow {
  /** 0 = none. */
  readonly subscription: number;
  /** 0 = none. */
  readonly product: number;
  /** 0 = none. */
  readonly operation: number;
  readonly count: number;
  readonly slot: number;
  readonly generation: number;
  /** Number of the reason. */
  readonly reason: number;
  /** Place in USAGE_MODES. */
  readonly mode: number;
  /** Class of the response's status, 1-5; 0 = the row counts admissions. */
  readonly status: number;
  /** Bucket of the latency; 0 for admissions. */
  readonly latency: number;
  /** It counts what found no row of its own, by reason and mode alone. */
  readonly other: boolean;
}

/** Writes one row. */
export function writeUsageRow(writer: ByteWriter, row: UsageRow): void {
  writer
    .u64(row.subscription)
    .u64(row.product)
    .u64(row.operation)
    .u64(row.count)
    .u32(row.slot)
    .u32(row.generation)
    .u8(row.reason)
    .u8(row.mode)
    .u8(row.status)
    .u8(row.latency)
    .u8(row.other ? FLAG_OTHER : 0)
    .zero(3);
}

/** Reads one row. */
export function readUsageRow(reader: ByteReader): UsageRow {
  const row = {
    subscription: reader.safe(),
    product: reader.safe(),
    operation: reader.safe(),
    count: reader.safe(),
    slot: reader.u32(),
    generation: reader.u32(),
    reason: reader.u8(),
    mode: reader.u8(),
    status: reader.u8(),
    latency: reader.u8(),
  };
  const flags = reader.u8();
  reader.skip(3);
  if (flags > FLAG_OTHER || row.mode >= USAGE_MODES.length) reader.fail('wrong_value');
  if (row.slot >= USAGE_SLOTS_MAX) reader.fail('wrong_value');
  return { ...row, other: flags === FLAG_OTHER };
}
