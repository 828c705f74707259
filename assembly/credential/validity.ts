/**
 * Says whether a credential may be used now. Pure: the time comes in, and what follows from the
 * answer the pipeline decides.
 */
import { CREDENTIAL_ENABLED, Credential } from '../directory/entry';

/** Answers of `validityOf`. */
export const VALID_NOW: u32 = 0;
export const DISABLED: u32 = 1;
export const NOT_YET_VALID: u32 = 2;
export const EXPIRED: u32 = 3;

/**
 * The validity of a credential at a Unix time in milliseconds: from `notBeforeMs` on, up to but
 * without `notAfterMs`; 0 is no bound.
 */
export function validityOf(credential: Credential, nowMs: u64): u32 {
  if (credential.state != CREDENTIAL_ENABLED) return DISABLED;
  if (nowMs < credential.notBeforeMs) return NOT_YET_VALID;
  if (credential.notAfterMs != 0 && nowMs >= credential.notAfterMs) return EXPIRED;
  return VALID_NOW;
}
