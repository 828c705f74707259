/**
 * Reads the bodies of directory records (docs/wire.md, section 4) for tests and explanations.
 * What the host writes is laid down in host/compile; a record is never interpreted further here.
 */
import { ByteReader, type Decoded, refuse } from './reader.ts';

/** A record's body in readable form. */
export type RecordBody =
  | {
      readonly kind: 'credential';
      readonly digest: Uint8Array;
      readonly application: number;
      /** Unix milliseconds, 0 = no bound. */
      readonly notBeforeMs: number;
      /** Unix milliseconds, 0 = no bound. */
      readonly notAfterMs: number;
      readonly enabled: boolean;
      /** Each with its bits of 128 and its 16 bytes. */
      readonly cidrs: readonly { readonly bits: number; readonly address: Uint8Array }[];
      /** Hosts; a name with a dot before it stands for all that end so. */
      readonly referers: readonly string[];
    }
  | {
      readonly kind: 'application';
      readonly consumer: number;
      readonly consumerName: string;
      readonly applicationName: string;
    }
  | {
      readonly kind: 'subscription';
      readonly application: number;
      readonly product: number;
      readonly plan: number;
      readonly active: boolean;
    };

/** Reads the body of a present record of this kind; bytes behind the known ones are skipped. */
export function decodeRecordBody(kind: number, body: Uint8Array): Decoded<RecordBody> {
  const read = READERS[kind];
  if (read === undefined) return refuse('wrong_value', `record kind ${kind}`);
  const reader = new ByteReader(body);
  const value = read(reader);
  if (reader.code !== undefined) return refuse(reader.code, `record kind ${kind}`);
  return { ok: true, value };
}

/** Most rules of each kind. */
const RULES_MAX = 16;

const READERS: Record<number, (reader: ByteReader) => RecordBody> = {
  1: (reader) => {
    const digest = reader.bytes(32);
    const application = reader.safe();
    const notBeforeMs = reader.safe();
    const notAfterMs = reader.safe();
    const enabled = readState(reader, 2) === 1;
    reader.skip(3);
    const rules = readRules(reader);
    return { kind: 'credential', digest, application, notBeforeMs, notAfterMs, enabled, ...rules };
  },
  2: (reader) => {
    const consumer = reader.safe();
    readState(reader, 1);
    const consumerNameLength = reader.u8();
    const applicationNameLength = reader.u8();
    reader.skip(5);
    const consumerName = readName(reader, consumerNameLength);
    const applicationName = readName(reader, applicationNameLength);
    return { kind: 'application', consumer, consumerName, applicationName };
  },
  3: (reader) => {
    const application = reader.safe();
    const product = reader.safe();
    const plan = reader.safe();
    const active = readState(reader, 2) === 1;
    reader.skip(7);
    return { kind: 'subscription', application, product, plan, active };
  },
};

function readRules(reader: ByteReader) {
  const bytes = reader.u16();
  const [cidrCount, refererCount] = [reader.u8(), reader.u8()];
  if (cidrCount > RULES_MAX || refererCount > RULES_MAX) reader.fail('wrong_value');
  const left = reader.left;
  const cidrs = Array.from({ length: cidrCount }, () => {
    const bits = reader.u8();
    if (bits > 128) reader.fail('wrong_value');
    return { bits, address: reader.bytes(16) };
  });
  const referers = Array.from({ length: refererCount }, () => {
    const length = reader.u8();
    if (length === 0) reader.fail('wrong_value');
    return reader.text(length);
  });
  if (left - reader.left !== bytes) reader.fail('wrong_value');
  return { cidrs, referers };
}

function readState(reader: ByteReader, most: number): number {
  const state = reader.u8();
  if (state < 1 || state > most) reader.fail('wrong_value');
  return state;
}

function readName(reader: ByteReader, length: number): string {
  if (length < 1 || length > 63) reader.fail('wrong_value');
  return reader.text(length);
}
