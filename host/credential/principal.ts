/**
 * By what the directory knows a caller who brings no key: the digest of a principal or of a claim,
 * as docs/wire.md, section 4, lays it down. It verifies nothing; the mesh has.
 */
import { createHash } from 'node:crypto';

/** The digest of the URI in a caller's certificate, 32 bytes. */
export function principalDigest(principal: string): Uint8Array {
  return inverted(['mtls', principal]);
}

/** The digest of what a token says of a caller, 32 bytes. */
export function claimDigest(claim: { issuer: string; name: string; value: string }): Uint8Array {
  return inverted(['jwt', claim.issuer, claim.name, claim.value]);
}

/**
 * SHA-256 with every bit turned. A key may be any bytes, so no text is safe from being sent as one;
 * that the digest of a key is the inverse of another digest is as hard to bring about as to find
 * two texts of one digest.
 */
function inverted(parts: readonly string[]): Uint8Array {
  const digest = createHash('sha256').update(parts.join('\0')).digest();
  return new Uint8Array(digest).map((byte) => byte ^ 0xff);
}
