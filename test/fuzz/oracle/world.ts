/**
 * What the oracle decides from: a policy and a directory as the strict decoders of the host read
 * them, and the settings of a plugin. It only holds; it must never decide.
 */
import type { Policy } from '../../../host/wire/policy.ts';
import { decodeRecordBody, type RecordBody } from '../../../host/wire/records.ts';

type Body<K extends RecordBody['kind']> = Extract<RecordBody, { kind: K }> & {
  readonly id: number;
};

/** A credential of the directory. */
export type Credential = Body<'credential'>;
/** An application of the directory. */
export type Application = Body<'application'>;
/** A subscription of the directory. */
export type Subscription = Body<'subscription'>;

/** A present record as a page carries it. */
export interface PresentRecord {
  readonly kind: number;
  readonly id: number;
  readonly body: Uint8Array;
}

/** Credentials, applications and subscriptions by what a request looks them up by. */
export interface Directory {
  /** By the digest in hexadecimal. */
  readonly credentials: ReadonlyMap<string, Credential>;
  readonly applications: ReadonlyMap<number, Application>;
  /** By `application/product`. */
  readonly subscriptions: ReadonlyMap<string, Subscription>;
}

/** A policy with the directory that belongs to it. */
export interface World {
  readonly policy: Policy;
  readonly directory: Directory;
}

/** The settings of a plugin that a decision depends on. */
export interface Settings {
  readonly mode: 'enforce' | 'shadow' | 'off';
  readonly otherHosts: 'deny' | 'allow';
  /** Where the address of a caller is found; one hop is trusted. */
  readonly clientAddress?: 'xff';
}

/** Reads the records of a whole directory, or answers undefined if one of them is not legal. */
export function readDirectory(records: readonly PresentRecord[]): Directory | undefined {
  const credentials = new Map<string, Credential>();
  const applications = new Map<number, Application>();
  const subscriptions = new Map<string, Subscription>();
  for (const { kind, id, body } of records) {
    const decoded = decodeRecordBody(kind, body);
    if (!decoded.ok) return undefined;
    const record = decoded.value;
    if (record.kind === 'credential') {
      credentials.set(Buffer.from(record.digest).toString('hex'), { ...record, id });
    } else if (record.kind === 'application') {
      applications.set(id, { ...record, id });
    } else {
      subscriptions.set(`${record.application}/${record.product}`, { ...record, id });
    }
  }
  return { credentials, applications, subscriptions };
}

const wireTexts = new Map<string, string>();
const WIRE_TEXTS_MAX = 10_000;

/** A text of a policy as the bytes that go over the wire, one character each. */
export function wireText(text: string): string {
  const known = wireTexts.get(text);
  if (known !== undefined) return known;
  if (wireTexts.size >= WIRE_TEXTS_MAX) wireTexts.clear();
  const bytes = Buffer.from(text, 'utf8').toString('latin1');
  wireTexts.set(text, bytes);
  return bytes;
}
