/**
 * The section HOST with which every message from the host begins (docs/wire.md, section 1), and
 * the bounds that all replies share. It must never decide what a reader does with it.
 */
import { ByteWriter, type Section } from './bytes.ts';
import type { ByteReader } from './reader.ts';

/** Kind of the section HOST in every message. */
export const HOST_SECTION = 1;

/** Bytes of a store's id. */
export const STORE_ID_BYTES = 16;

/** Most bytes of a page: of a policy, or of the records of a directory page. */
export const PAGE_BYTES = 32_768;

/**
 * Bytes of records after which the host ends a directory page: a filter checks a page in one go,
 * and its requests wait meanwhile, but each page costs it a call, which is dearer. A longer one may
 * hold a single record.
 */
export const RECORDS_BYTES = 24_576;

/** Most bytes of a reply body: a page and what stands around it. */
export const REPLY_BYTES_MAX = PAGE_BYTES + 1_024;

/** Media type of all binary messages. */
export const MEDIA_TYPE = 'application/x-sidegate';

/** Who answers, and when. */
export interface HostSection {
  readonly storeId: Uint8Array;
  readonly epoch: number;
  /** Head of the store. */
  readonly revision: number;
  /** Unix milliseconds. */
  readonly hostNowMs: number;
}

/** The section HOST, ready for a message. */
export function hostSection(host: HostSection): Section {
  if (host.storeId.length !== STORE_ID_BYTES) throw new RangeError('a store id has 16 bytes');
  const body = new ByteWriter(40)
    .bytes(host.storeId)
    .u64(host.epoch)
    .u64(host.revision)
    .u64(host.hostNowMs)
    .finish();
  return { kind: HOST_SECTION, body };
}

/** Reads the section HOST. */
export function readHost(reader: ByteReader): HostSection {
  return {
    storeId: reader.bytes(STORE_ID_BYTES),
    epoch: reader.safe(),
    revision: reader.safe(),
    hostNowMs: reader.safe(),
  };
}
