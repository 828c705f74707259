/**
 * Encodes the bodies of directory records as docs/wire.md, section 4, lays them down. It turns
 * one record into bytes and must never decide who is in a directory.
 */
import { type CredentialRules, NO_RULES, readCidr, refererName } from '../credential/rules.ts';
import { ByteWriter } from '../wire/bytes.ts';

/** A credential as a filter needs it. */
export interface CredentialBody {
  /** SHA-256 of the key, 32 bytes. */
  readonly digest: Uint8Array;
  readonly application: number;
  /** Unix milliseconds, or null for no bound. */
  readonly notBeforeMs: number | null;
  /** Unix milliseconds, or null for no bound. */
  readonly notAfterMs: number | null;
  readonly enabled: boolean;
  /** Absent = none. */
  readonly rules?: CredentialRules;
}

/** An application as a filter needs it; names are DNS labels of 1–63 bytes. */
export interface ApplicationBody {
  readonly consumer: number;
  readonly consumerName: string;
  readonly applicationName: string;
}

/** A subscription as a filter needs it. */
export interface SubscriptionBody {
  readonly application: number;
  readonly product: number;
  readonly plan: number;
  readonly active: boolean;
}

/** The body of a credential record: 64 bytes and its rules. */
export function encodeCredential(credential: CredentialBody): Uint8Array {
  return writeCredential(new ByteWriter(64), credential).finish();
}

/** Writes the body of a credential record. */
export function writeCredential(to: ByteWriter, credential: CredentialBody): ByteWriter {
  const { digest, rules = NO_RULES } = credential;
  if (digest.length !== 32) throw new RangeError('a digest has 32 bytes');
  const { cidrs, referers } = rules;
  const ruleBytes = cidrs.length + referers.length === 0 ? NO_BYTES : encodeRules(rules);
  return to
    .bytes(digest)
    .u64(credential.application)
    .u64(credential.notBeforeMs ?? 0)
    .u64(credential.notAfterMs ?? 0)
    .u8(credential.enabled ? 1 : 2)
    .zero(3)
    .u16(ruleBytes.length)
    .u8(cidrs.length)
    .u8(referers.length)
    .bytes(ruleBytes);
}

const NO_BYTES = new Uint8Array(0);

function encodeRules({ cidrs, referers }: CredentialRules): Uint8Array {
  const rules = new ByteWriter(64);
  for (const text of cidrs) {
    const cidr = readCidr(text);
    if (!cidr.ok) throw new RangeError('rules are checked before they are kept');
    rules.u8(cidr.value.bits).bytes(cidr.value.address);
  }
  for (const text of referers) {
    const name = new TextEncoder().encode(refererName(text));
    rules.u8(name.length).bytes(name);
  }
  return rules.finish();
}

/** Writes the body of an application record: 16 bytes and both names. */
export function writeApplication(to: ByteWriter, application: ApplicationBody): ByteWriter {
  const { consumer, consumerName, applicationName } = application;
  return to
    .u64(consumer)
    .u8(1)
    .u8(consumerName.length)
    .u8(applicationName.length)
    .zero(5)
    .ascii(consumerName)
    .ascii(applicationName);
}

/** Writes the 32 bytes of a subscription record's body. */
export function writeSubscription(to: ByteWriter, subscription: SubscriptionBody): ByteWriter {
  return to
    .u64(subscription.application)
    .u64(subscription.product)
    .u64(subscription.plan)
    .u8(subscription.active ? 1 : 2)
    .zero(7);
}
