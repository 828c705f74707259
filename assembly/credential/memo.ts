/**
 * Remembers the digests of keys that were good lately, because most requests bring a key that the
 * worker has just seen, and hashing is the longest part of a decision. It never keeps a key: a key
 * is recognised by 128 bits of a hash under a random secret of this VM. What it answers is always
 * looked up in the directory as if it had been hashed, so that nothing here can be stale.
 */
import { KEY_MEMO_SLOTS } from '../limits';
import { copyBytes } from '../util/bytes';
import { DIGEST_BYTES } from '../util/sha256';
import { sipHashWide } from '../util/siphash';

/** Bytes of a slot: tag [16], digest [32], well formed u32, reserved u32. */
const SLOT_BYTES: u32 = 56;
const DIGEST: u32 = 16;
const FORMED: u32 = 48;
/** Places for keys that are no credential's, behind those for good ones. */
const REFUSED: u32 = 128;
function slots(): usize {
  return memory.data((KEY_MEMO_SLOTS + REFUSED) * SLOT_BYTES, 8);
}
/** The secret; zero until it was chosen, and nothing is remembered before. */
const SECRET: usize = memory.data(16, 8);
/** The tag of the key asked for last. */
const TAG: usize = memory.data(16, 8);

/** Answers of `recallKey`. */
export const MEMO_UNKNOWN: u32 = 0;
export const MEMO_KNOWN: u32 = 1;
export const MEMO_WELL_FORMED: u32 = 2;

/** Chooses the secret, once per VM: 128 random bits. */
export function seedMemo(random0: u64, random1: u64): void {
  if ((load<u64>(SECRET) | load<u64>(SECRET, 8)) != 0) return;
  store<u64>(SECRET, random0);
  store<u64>(SECRET, random1, 8);
}

function slotOfTag(good: bool): usize {
  const place = load<u32>(TAG);
  const index = good ? place & (KEY_MEMO_SLOTS - 1) : KEY_MEMO_SLOTS + (place & (REFUSED - 1));
  return slots() + <usize>index * SLOT_BYTES;
}

function isThere(slot: usize): bool {
  return load<u64>(slot) == load<u64>(TAG) && load<u64>(slot, 8) == load<u64>(TAG, 8);
}

/** Writes the digest of a key at `digest` if the key is remembered; says what is known of it. */
export function recallKey(key: usize, length: u32, digest: usize): u32 {
  sipHashWide(key, length, SECRET, TAG);
  let slot = slotOfTag(true);
  if (!isThere(slot)) {
    slot = slotOfTag(false);
    if (!isThere(slot)) return MEMO_UNKNOWN;
  }
  copyBytes(digest, slot + DIGEST, DIGEST_BYTES);
  return load<u32>(slot, FORMED) != 0 ? MEMO_WELL_FORMED : MEMO_KNOWN;
}

/**
 * Remembers the digest of the key asked for last. `good`: it is a credential's. Others, most of
 * them revoked ones that a program goes on using, have places of their own, so that nobody can push
 * the good ones out with made-up keys.
 */
export function rememberKey(digest: usize, good: bool, wellFormed: bool): void {
  if ((load<u64>(SECRET) | load<u64>(SECRET, 8)) == 0) return;
  const slot = slotOfTag(good);
  copyBytes(slot, TAG, DIGEST);
  copyBytes(slot + DIGEST, digest, DIGEST_BYTES);
  store<u32>(slot, wellFormed ? 1 : 0, FORMED);
}
