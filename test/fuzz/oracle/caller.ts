/**
 * Who calls, where no key says so: docs/wire.md, "Callers without a key". It reads what the proxy
 * has verified and must never believe a header.
 */
import type { Policy, PolicyProduct, PolicySource } from '../../../host/wire/policy.ts';
import { slice } from './match.ts';
import { wireText } from './world.ts';

/** A claim of a token: a text, a number, or a list of texts. */
export type Claim = string | number | readonly string[];

/** What the proxy has verified of a peer. Texts are bytes, one character each. */
export interface Caller {
  /** The first URI in the certificate of the peer. */
  readonly uri?: string;
  /** The claims of a token. */
  readonly claims?: Readonly<Record<string, Claim>>;
}

const CERTIFICATE = 4;
const TEXT_BYTES_MAX = 255;

/** The bytes by which the directory knows a caller; undefined when no source has a text. */
export function callerText(
  policy: Policy,
  product: PolicyProduct,
  caller: Caller,
): Buffer | undefined {
  for (const source of slice(policy.sources, product.identities)) {
    const parts = source.kind === CERTIFICATE ? peer(caller) : token(policy, source, caller);
    if (parts !== undefined) return Buffer.from(parts.join('\0'), 'latin1');
  }
  return undefined;
}

function peer({ uri = '' }: Caller): string[] | undefined {
  return isText(uri) ? ['mtls', uri] : undefined;
}

function token(policy: Policy, source: PolicySource, caller: Caller): string[] | undefined {
  const claim = (name: string) => caller.claims?.[name] ?? '';
  const [issuer, name] = [wireText(source.prefix), wireText(source.name)];
  if (textOf(claim('iss')) !== issuer) return undefined;
  const audience = claim('aud');
  const named = typeof audience === 'object' ? audience : [textOf(audience)];
  const ours = slice(policy.audiences, source.audiences).map(wireText);
  if (!named.some((each) => ours.includes(each))) return undefined;
  const value = textOf(claim(name));
  return isText(value) ? ['jwt', issuer, name, value] : undefined;
}

/** A claim as bytes: a number is its eight, which are hardly ever a text; a list is none. */
function textOf(claim: Claim): string {
  if (typeof claim === 'string') return claim;
  if (typeof claim === 'object') return '';
  return Buffer.from(new Float64Array([claim]).buffer).toString('latin1');
}

function isText(text: string): boolean {
  return text.length > 0 && text.length <= TEXT_BYTES_MAX && /^[ -~\x80-\xff]*$/.test(text);
}
